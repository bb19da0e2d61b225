"""Fixtures: a real Kafka, topics in it, and network namespaces. All of them are made only when asked for."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

import pytest
from kafka.admin import KafkaAdminClient
from support.brokers import Cluster, broker
from support.netns import Namespace, namespace

MakeTopic = Callable[..., str]


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests that harm it make a Cluster of their own."""
    with broker(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture
def kafka(kafka_cluster: Cluster) -> str:
    """Bootstrap address of the shared Kafka."""
    return kafka_cluster.bootstrap


@pytest.fixture(scope="session")
def kafka_without_auto_create(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a Kafka that makes no topic by itself."""
    with broker(tmp_path_factory.mktemp("kafka-strict"), config={"auto.create.topics.enable": "false"}) as cluster:
        yield cluster.bootstrap


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
