"""Three nodes of Apache Kafka for tests that harm them, and a namespace with a link to them and one for the load."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from ports import pick

from support import topics
from support.brokers import Cluster, broker
from support.certificates import Authority
from support.live import wait_until
from support.netns import Namespace, namespace, unused_address
from support.reset_proxy import ResetProxy
from support.secured import sasl_listener, session_limit, tls_listener

NODES = (1, 2, 3)
_PREFERRED = 0  # election of the first of a partition's nodes
NOBODY = -1  # leads a partition whose leader is gone
# Each node leads one or two of the four partitions, and has all of them.
REPLICAS = {0: [1, 2, 3], 1: [1, 3, 2], 2: [2, 3, 1], 3: [3, 1, 2]}
SESSION_MS = 4000  # of the SCRAM listener


@dataclass
class Trio:
    """The cluster, its proxy, and what stands between a client and its listeners SCRAM, TLS and PROXIED."""

    cluster: Cluster
    inside: Namespace
    admin: KafkaAdminClient
    proxy: ResetProxy
    """What clients of PROXIED talk through."""
    authority: Authority
    certificate: Path
    """Of all nodes, with its key: what the TLS listener shows from its next start on."""

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    def topic(self) -> str:
        """A fresh topic that all nodes have, and that takes what two of them have, with the time of its leader."""
        configs = {"min_insync_replicas": "2", "message_timestamp_type": "LogAppendTime"}
        return topics.create(self.bootstrap, 0, replicas=REPLICAS, **configs)

    @property
    def controller(self) -> int:
        """The node that is the active controller."""
        return int(self.admin.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"])

    def are_leaders(self, topic: str, leaders: Mapping[int, int]) -> bool:
        """Whether these nodes lead these of the topic's partitions."""
        found = {part["partition_index"]: part["leader_id"] for part in self._partitions(topic)}
        return leaders.items() <= found.items()

    def reassign(self, topic: str, nodes: Mapping[int, Sequence[int]]) -> None:
        """Have these nodes, and no others, keep these of its partitions; return when they do."""
        changes = {TopicPartition(topic, part): list(order) for part, order in nodes.items()}
        assert set(self.admin.alter_partition_reassignments(changes).values()) == {None}
        wait_until(lambda: not self.admin.list_partition_reassignments())

    def lead_first(self, topic: str, nodes: Mapping[int, Sequence[int]]) -> bool:
        """Ask for the election of the first nodes, and whether they lead: one that is behind is not elected."""
        self.admin.elect_leaders(_PREFERRED, {topic: list(nodes)}, raise_errors=False)
        return self.are_leaders(topic, {part: order[0] for part, order in nodes.items()})

    def partitions(self, topic: str) -> int:
        """How many it has; 0 if the cluster does not answer now."""
        return len(self._partitions(topic))

    def reconnect(self) -> None:
        """A client that has lost all its nodes does not look for them again."""
        self.admin.close()
        self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def leads_nothing(self, node: int, topic: str) -> bool:
        """Whether others lead all partitions of the topic."""
        leaders = {part["leader_id"] for part in self._partitions(topic)}
        return bool(leaders) and leaders.isdisjoint((node, NOBODY))

    def in_sync(self, topic: str) -> bool:
        """Whether every replica of the topic has everything."""
        found = self._partitions(topic)
        return bool(found) and all(sorted(part["isr_nodes"]) == sorted(part["replica_nodes"]) for part in found)

    def _partitions(self, topic: str) -> list[dict[str, Any]]:
        """What the cluster says of them; nothing if it does not answer now."""
        try:
            (found,) = self.admin.describe_topics([topic])
        except KafkaError:
            self.reconnect()
            return []
        partitions: list[dict[str, Any]] = found["partitions"]
        return partitions


@contextmanager
def trio_in(directory: Path, version: str | None = None) -> Iterator[Trio]:
    """Start it; a module's tests share one. `version`: the release of Kafka, if not the pinned one."""
    address = unused_address()
    authority = Authority(directory / "authority")
    certificate = directory / "node.pem"
    shutil.copyfile(authority.issue("good", alternative=f"IP:{address}"), certificate)
    proxied = pick("127.0.0.1", len(NODES))
    config = {
        # Partitions stay where a test puts them, topics are gone when they are deleted, and a node that was killed may
        # come back soon.
        "auto.create.topics.enable": "false",
        "auto.leader.rebalance.enable": "false",
        "broker.session.timeout.ms": "4000",
        **sasl_listener("SCRAM"),
        **session_limit("SCRAM", SESSION_MS),
        **tls_listener("TLS", certificate, authority.certificate),
    }
    listeners = {"SCRAM": "SASL_PLAINTEXT", "TLS": "SSL", "PROXIED": "PLAINTEXT"}
    with ExitStack() as stack:
        inside = stack.enter_context(namespace(address=address))
        cluster = stack.enter_context(
            broker(
                directory / "kafka",
                nodes=len(NODES),
                host=address,
                config=config,
                listeners=listeners,
                advertised={"PROXIED": proxied},
                version=version,
            )
        )
        targets = {port: node.listeners["PROXIED"] for port, node in zip(proxied, cluster.nodes, strict=True)}
        proxy = stack.enter_context(ResetProxy(address, targets))
        admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        made = Trio(cluster, inside, admin, proxy, authority, certificate)
        stack.callback(lambda: made.admin.close())  # noqa: PLW0108 -- it may be another one by then
        yield made


@contextmanager
def on_small_disk(trio: Trio, number: int, mebibytes: int) -> Iterator[Path]:
    """Inside, a node has its data on a disk of its own, with so much free; what the node has to say comes before.

    The node is stopped and started on the way in and on the way out, if it runs.
    """
    node = trio.cluster.nodes[number - 1]
    data, aside = node.directory / "data", node.directory / "data.aside"
    trio.cluster.kill(number)
    used = sum(file.stat().st_blocks * 512 for file in data.rglob("*"))
    data.rename(aside)
    data.mkdir()
    size = used + (mebibytes << 20)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(data)], check=True)
    try:
        _copy(aside, data)
        trio.cluster.restart(number)
        yield data
    finally:
        trio.cluster.kill(number)
        shutil.rmtree(aside)
        _copy(data, aside)
        subprocess.run(["umount", str(data)], check=True)
        data.rmdir()
        aside.rename(data)
        trio.cluster.restart(number)


def _copy(source: Path, target: Path) -> None:
    """Everything, holes as holes: index files are mostly that."""
    subprocess.run(["cp", "-a", "--sparse=always", f"{source}/.", str(target)], check=True)


def wait_until_in_sync(trio: Trio, names: list[str]) -> None:
    """Wait until every replica of these topics has everything."""
    for name in names:
        wait_until(lambda name=name: trio.in_sync(name))  # type: ignore[misc]
