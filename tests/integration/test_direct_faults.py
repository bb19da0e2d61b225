"""The direct producer under constant load while leaders die, come back and move, and while partitions are added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from support import topics
from support.brokers import Cluster, broker
from support.kafka_reader import Record, read_all
from support.live import Live, wait_until
from support.load import Load
from support.netns import Namespace, namespace, unused_address
from support.numbered import NUMBER
from support.probe import wait_for_line
from support.site import dropped

RATE = 2000
# Two captures of the same frames at once: one may go around a partition that has no leader, the other has to wait.
CHOICES = ("sticky", "flow")
# The node that dies leads two of the four.
NOBODY = -1  # leads a partition whose leader is gone
PREFERRED = 0  # election of the first of a partition's nodes
REPLICAS = {0: [1, 2, 3], 1: [1, 3, 2], 2: [2, 3, 1], 3: [3, 1, 2]}


@dataclass(frozen=True)
class Trio:
    """Three nodes, and a namespace with a link to them and another one for the load."""

    cluster: Cluster
    inside: Namespace
    admin: KafkaAdminClient

    def are_leaders(self, topic: str, leaders: Mapping[int, int]) -> bool:
        """Whether these nodes lead the topic's partitions."""
        return {part["partition_index"]: part["leader_id"] for part in self._partitions(topic)} == leaders

    def leads_nothing(self, node: int, topic: str) -> bool:
        """Whether others lead all partitions of the topic."""
        return all(part["leader_id"] not in (node, NOBODY) for part in self._partitions(topic))

    def in_sync(self, topic: str) -> bool:
        """Whether every replica of the topic has everything."""
        return all(sorted(part["isr_nodes"]) == sorted(part["replica_nodes"]) for part in self._partitions(topic))

    def _partitions(self, topic: str) -> list[dict[str, Any]]:
        (found,) = self.admin.describe_topics([topic])
        partitions: list[dict[str, Any]] = found["partitions"]
        return partitions


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    address = unused_address()
    # Partitions stay where a test puts them, and a node that was killed may come back soon.
    config = {"auto.leader.rebalance.enable": "false", "broker.session.timeout.ms": "4000"}
    with (
        namespace(address=address) as inside,
        broker(tmp_path_factory.mktemp("trio"), nodes=3, host=address, config=config) as cluster,
    ):
        admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        yield Trio(cluster, inside, admin)
        admin.close()


@contextmanager
def captured(trio: Trio, names: Mapping[str, str], directory: Path, *words: str) -> Iterator[Load]:
    """Inside, captures of a constant load run, one for each choice of partitions into its own topic.

    Then they end, and every frame of the load is in each of the topics once, in order.
    """
    lives = {}
    try:
        for choice, topic in names.items():
            (directory / choice).mkdir()
            options = ("--producer", "direct", "--partition", choice, *words)
            bootstrap = trio.cluster.bootstrap
            lives[choice] = Live.begin(bootstrap, topic, *options, directory=directory / choice, inside=trio.inside)
        with Load(trio.inside, rate=RATE) as load:
            yield load
        for choice, live in lives.items():
            report = live.stop()
            assert report["source"]["in"] == load.sent, choice
            assert dropped(report) == 0, report
            assert report["kafka"]["delivered"] == load.sent, choice
    finally:
        for live in lives.values():
            live.process.kill()
    for topic in names.values():
        assert _in_order(read_all(trio.cluster.bootstrap, topic)) == list(range(load.sent))


def _in_order(records: list[Record]) -> list[int]:
    """The numbers that are there, sorted; fails if one is there twice or before a smaller one of its partition."""
    numbers = [int.from_bytes(record.value[NUMBER]) for record in records]
    assert len(set(numbers)) == len(numbers)
    last: dict[int, int] = {}
    for number, record in zip(numbers, records, strict=True):
        assert number > last.get(record.partition, -1)
        last[record.partition] = number
    return sorted(numbers)


def _more(trio: Trio, topic: str, count: int) -> None:
    """Wait until the topic has so many more records."""
    wanted = topics.records_in(trio.cluster.bootstrap, topic) + count
    wait_until(lambda: topics.records_in(trio.cluster.bootstrap, topic) >= wanted)


def test_a_leader_is_killed_and_comes_back(trio: Trio, tmp_path: Path) -> None:
    bootstrap = trio.cluster.bootstrap
    names = {choice: topics.create(bootstrap, replicas=REPLICAS, min_insync_replicas="2") for choice in CHOICES}
    with captured(trio, names, tmp_path):
        for topic in names.values():
            _more(trio, topic, RATE)
        trio.cluster.kill(1)
        for topic in names.values():
            wait_until(partial(trio.leads_nothing, 1, topic))
            _more(trio, topic, RATE)
        trio.cluster.restart(1)
        for topic in names.values():
            wait_until(partial(trio.in_sync, topic))
            _more(trio, topic, RATE)


def test_leaders_move(trio: Trio, tmp_path: Path) -> None:
    bootstrap = trio.cluster.bootstrap
    names = {choice: topics.create(bootstrap, replicas=REPLICAS, min_insync_replicas="2") for choice in CHOICES}
    with captured(trio, names, tmp_path):
        for turn in (1, 2, 3):
            for topic in names.values():
                _more(trio, topic, RATE // 2)
                # The same nodes in another order: what is first is who should lead.
                order = {part: nodes[turn % 3 :] + nodes[: turn % 3] for part, nodes in REPLICAS.items()}
                changes = {TopicPartition(topic, part): nodes for part, nodes in order.items()}
                assert set(trio.admin.alter_partition_reassignments(changes).values()) == {None}
                wait_until(lambda: not trio.admin.list_partition_reassignments())
                trio.admin.elect_leaders(PREFERRED, {topic: list(order)})
                wait_until(partial(trio.are_leaders, topic, {part: nodes[0] for part, nodes in order.items()}))
        # And away altogether: the node that led a partition has nothing of it any more.
        for topic in names.values():
            changes = {TopicPartition(topic, part): nodes[1:] for part, nodes in REPLICAS.items()}
            assert set(trio.admin.alter_partition_reassignments(changes).values()) == {None}
            wait_until(lambda: not trio.admin.list_partition_reassignments())
            _more(trio, topic, RATE)


def test_what_is_not_taken_in_time_is_given_up_and_no_more(trio: Trio, tmp_path: Path) -> None:
    """Few packets fill no batch, and a batch is given up as a whole: not much before the time of its last packet."""
    bootstrap = trio.cluster.bootstrap
    topic = topics.create(bootstrap, replicas={0: [1]}, min_insync_replicas="1", message_timestamp_type="LogAppendTime")
    words = ("--producer", "direct", "-X", "message.timeout.ms=2000")
    live = Live.begin(bootstrap, topic, *words, directory=tmp_path, inside=trio.inside)
    try:
        with Load(trio.inside, rate=100) as load:
            _more(trio, topic, 50)
            trio.cluster.kill(1)
            for _ in range(3):  # the first are those that were on their way
                wait_for_line(live.process, "Kafka did not take")
            trio.cluster.restart(1)
            _more(trio, topic, 100)
        report = live.stop(status=1)
    finally:
        live.process.kill()
    assert report["source"]["in"] == load.sent
    kafka = report["kafka"]
    assert kafka["failed"] > 0 == kafka["abandoned"]
    assert kafka["delivered"] + kafka["failed"] == load.sent
    records = read_all(bootstrap, topic)
    numbers = _in_order(records)
    # What was given up may have been written before the node died.
    assert kafka["delivered"] <= len(numbers) < load.sent
    lost = max(set(range(load.sent)) - set(numbers))
    assert numbers[-1] == load.sent - 1 > lost
    oldest = records[numbers.index(lost + 1)]
    assert 1.6 < oldest.timestamp_ms / 1e3 - int.from_bytes(oldest.key) / 1e6 < 4


def test_partitions_are_added(trio: Trio, tmp_path: Path) -> None:
    bootstrap = trio.cluster.bootstrap
    names = {choice: topics.create(bootstrap, replicas={0: [1, 2, 3], 1: [2, 3, 1]}) for choice in CHOICES}
    # It is looked for every five minutes.
    with captured(trio, names, tmp_path, "-X", "topic.metadata.refresh.interval.ms=500"):
        for topic in names.values():
            _more(trio, topic, RATE)
        trio.admin.create_partitions(dict.fromkeys(names.values(), 7))
        for topic in names.values():
            wait_until(partial(_all_filled, bootstrap, topic, 7))
            _more(trio, topic, RATE)


def _all_filled(bootstrap: str, topic: str, partitions: int) -> bool:
    """Whether there are so many partitions and each has records."""
    counts = topics.records_by_partition(bootstrap, topic)
    return len(counts) == partitions and min(counts) > 0
