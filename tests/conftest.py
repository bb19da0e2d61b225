"""Fixtures: a real Kafka, topics in it, and network namespaces. All of them are made only when asked for."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# `make kafka-up` runs that directory as a program, so its modules are not in a package.
sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "kafka"))

from cluster import Cluster
from errors import KafkaToolError
from kafka.admin import KafkaAdminClient
from support.need import need
from support.netns import Namespace, namespace

MakeTopic = Callable[..., str]


def _start(directory: Path, **options: object) -> Cluster:
    need(shutil.which("java"), "no Java; apt-get install default-jre-headless")
    cluster = Cluster(directory, **options)  # type: ignore[arg-type]
    try:
        cluster.start()
    except KafkaToolError as error:
        need(False, f"no Kafka: {error}")
    return cluster


def _end(cluster: Cluster) -> None:
    cluster.stop()
    for node in cluster.nodes:  # pytest keeps the directories of three sessions: keep logs, not gigabytes
        shutil.rmtree(node.directory / "data", ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests that harm it make a Cluster of their own."""
    cluster = _start(tmp_path_factory.mktemp("kafka"))
    yield cluster
    _end(cluster)


@pytest.fixture
def kafka(kafka_cluster: Cluster) -> str:
    """Bootstrap address of the shared Kafka."""
    return kafka_cluster.bootstrap


@pytest.fixture(scope="session")
def kafka_without_auto_create(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a Kafka that makes no topic by itself."""
    cluster = _start(tmp_path_factory.mktemp("kafka-strict"), config={"auto.create.topics.enable": "false"})
    yield cluster.bootstrap
    _end(cluster)


@pytest.fixture
def make_topic(kafka: str, request: pytest.FixtureRequest) -> Iterator[MakeTopic]:
    """make_topic(partitions=4, **configs): a fresh topic's name; `_` in a config's name stands for `.`."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    made: list[str] = []

    def make(partitions: int = 4, **configs: str) -> str:
        name = f"{re.sub('[^a-zA-Z0-9]+', '-', request.node.name)[:60]}-{secrets.token_hex(4)}"
        # Captures are dated in the past; a topic that deletes by age would delete them at once.
        options = {"retention.ms": "-1"} | {key.replace("_", "."): value for key, value in configs.items()}
        admin.create_topics(
            {name: {"num_partitions": partitions, "replication_factor": 1, "configs": options}},
            wait_for_metadata=True,
        )
        made.append(name)
        return name

    yield make
    if made:  # a session's million-packet topics would add up on the disk
        admin.delete_topics(made)
    admin.close()


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    """A fresh topic of four partitions that keeps records of any age."""
    return make_topic()


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A namespace with a veth pair; see support.netns.namespace() for other shapes of it."""
    with namespace() as made:
        yield made
