"""Apache Kafka goes away under load, for longer than memory lasts, and comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support import topics
from support.brokers import Cluster, broker
from support.kafka_reader import Record, read_all
from support.live import Live, wait_until
from support.load import Load
from support.netns import Namespace, namespace, unused_address
from support.numbered import NUMBER
from support.probe import wait_for_line
from support.site import dropped
from support.spill_segments import waiting

# 2.2 MB a second, and 2 MiB of memory; a ring that takes what a busy machine keeps the workers from for some seconds.
RATE = 3000
SIZES = (64, 1400)
MEMORY = ("--buffer-memory", "2", "--tx-ring", "16384")
AWAY_S = 20
# `SPILL_RATE=10000 SPILL_SECONDS=60 pytest -m '' -k without_a_broker`: as much as this machine and its disk take.
LONG_RATE, LONG_S = int(os.environ.get("SPILL_RATE", RATE)), int(os.environ.get("SPILL_SECONDS", AWAY_S))
LONG_MEMORY = MEMORY if LONG_RATE == RATE else ("--buffer-memory", "64", "--tx-ring", "65536", "--spill-max", "16G")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Namespace, Cluster]]:
    """A namespace, and a broker that it reaches over another link than the captured one."""
    address = unused_address()
    config = {"broker.session.timeout.ms": "4000"}
    with (
        namespace(address=address) as inside,
        broker(tmp_path_factory.mktemp("kafka"), host=address, config=config) as cluster,
    ):
        yield inside, cluster


def in_order(records: list[Record]) -> list[int]:
    """The numbers that are there, sorted; fails if one is there twice or before a smaller one of its partition."""
    last: dict[int, int] = {}
    for record in records:
        number = int.from_bytes(record.value[NUMBER])
        assert number > last.get(record.partition, -1)
        last[record.partition] = number
    numbers = sorted(int.from_bytes(record.value[NUMBER]) for record in records)
    assert len(set(numbers)) == len(numbers)
    return numbers


@pytest.mark.faults
def test_some_time_without_a_broker(alone: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    """Two captures of the same frames: with the partition as it comes, and with the conversation's."""
    inside, cluster = alone
    names = {choice: topics.create(cluster.bootstrap, 3) for choice in ("sticky", "flow")}
    lives = {}
    try:
        for choice, topic in names.items():
            (tmp_path / choice).mkdir()
            words = (
                "--producer",
                "direct",
                "--partition",
                choice,
                *LONG_MEMORY,
                "--spill",
                str(tmp_path / choice / "spill"),
            )
            lives[choice] = Live.begin(cluster.bootstrap, topic, *words, directory=tmp_path / choice, inside=inside)
        with Load(inside, rate=LONG_RATE, sizes=SIZES) as load:
            for topic in names.values():
                wait_until(partial(_has, cluster, topic, LONG_RATE))
            cluster.kill(1)
            time.sleep(LONG_S)
            cluster.restart(1)
            for topic in names.values():
                wait_until(partial(_has, cluster, topic, LONG_S * LONG_RATE // 2), timeout=LONG_S + 60)
        reports = {choice: live.stop() for choice, live in lives.items()}
    finally:
        for live in lives.values():
            live.process.kill()
    for choice, report in reports.items():
        assert report["source"]["in"] == load.sent
        assert dropped(report) == 0, report
        kafka, disk = report["kafka"], report["spill"]
        assert (kafka["delivered"], kafka["failed"], kafka["spilled"]) == (load.sent, 0, 0)
        assert disk["written"] == disk["replayed"] > LONG_S * LONG_RATE // 2
        records = read_all(cluster.bootstrap, names[choice])
        assert in_order(records) == list(range(load.sent))
        assert {len(record.value) for record in records} == set(SIZES)
        assert [path.name for path in (tmp_path / choice / "spill").iterdir()] == ["lock"]


def _has(cluster: Cluster, topic: str, count: int) -> bool:
    return topics.records_in(cluster.bootstrap, topic) > count


def test_the_probe_is_restarted_while_the_broker_is_away(alone: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    inside, cluster = alone
    topic = topics.create(cluster.bootstrap, 3)
    words = ("--producer", "direct", *MEMORY, "--spill", str(tmp_path / "spill"))
    live = Live.begin(cluster.bootstrap, topic, *words, "--drain-timeout", "1", directory=tmp_path, inside=inside)
    try:
        with Load(inside, rate=RATE, sizes=SIZES) as load:
            wait_until(lambda: topics.records_in(cluster.bootstrap, topic) > RATE)
            cluster.kill(1)
            time.sleep(3)
        first = live.stop()
        cluster.restart(1)
        live = Live.begin(cluster.bootstrap, topic, *words, directory=tmp_path, inside=inside)
        second = live.stop()
    finally:
        live.process.kill()
    assert first["source"]["in"] == load.sent
    assert dropped(first) == 0, first
    assert first["kafka"]["failed"] == 0
    assert first["kafka"]["delivered"] + first["kafka"]["spilled"] == load.sent
    assert second["kafka"]["recovered"] == first["kafka"]["spilled"] > 0
    assert second["kafka"]["delivered"] == second["kafka"]["recovered"]
    # What was on its way when the broker died may have been written: only that may be there twice.
    values = [record.value for record in read_all(cluster.bootstrap, topic)]
    assert sorted({int.from_bytes(value[NUMBER]) for value in values}) == list(range(load.sent))
    assert len(values) - load.sent <= 5 * 3 * (1 << 16) // (sum(SIZES) // 2)


@pytest.mark.faults
def test_the_engine_is_killed_while_the_broker_is_away(alone: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    """With --restart: the next engine starts when the broker is back, and has all that was on the disk."""
    inside, cluster = alone
    topic = topics.create(cluster.bootstrap, 3)
    spill = tmp_path / "spill"
    words = ("--producer", "direct", *MEMORY, "--spill", str(spill), "--restart")
    live = Live.begin(cluster.bootstrap, topic, *words, directory=tmp_path, inside=inside)
    try:
        with Load(inside, rate=RATE, sizes=SIZES) as load:
            wait_until(lambda: topics.records_in(cluster.bootstrap, topic) > RATE)
            cluster.kill(1)
            wait_until(lambda: len(list(waiting(spill))) > 2 * RATE)
            time.sleep(2)  # so that a snapshot knows of packets on the disk
            os.kill(live.engine, signal.SIGKILL)
            wait_for_line(live.process, "the engine was killed by SIGKILL")
            saved = [int.from_bytes(value[NUMBER]) for value in waiting(spill)]
            cluster.restart(1)
            wait_for_line(live.process, "(restart 1)")
            again = load.sent
            wait_until(lambda: load.sent > again + RATE)
        report = live.stop()
    finally:
        live.process.kill()
    assert report["restarts"] == 1
    assert dropped(report) == 0, report
    assert (report["kafka"]["failed"], report["kafka"]["spilled"]) == (0, 0)
    arrived = in_order(read_all(cluster.bootstrap, topic))
    assert len(saved) > 2 * RATE
    assert saved == sorted(set(saved))
    assert set(saved) <= set(arrived), "something of what was on the disk is lost"
    # The new engine has lost nothing of its own.
    assert [number for number in arrived if number > again] == list(range(again + 1, load.sent))
    # What was in memory is lost or was written before the broker died; the rest of what is missing nobody saw.
    lost, unseen = sum(report["lost_with_engine"].values()), load.sent - report["source"]["in"]
    assert lost > 0 < unseen
    delivered = report["kafka"]["delivered"]
    assert delivered <= len(arrived) <= delivered + lost + unseen
    assert [path.name for path in spill.iterdir()] == ["lock"]
