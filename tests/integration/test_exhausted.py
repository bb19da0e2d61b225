"""What runs out while a probe captures: packet buffers, and room in the smallest ring. It is counted, and passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import topics
from support.brokers import Cluster, frozen
from support.frames import udp_of_size
from support.kafka_reader import read_all
from support.live import Live
from support.netns import Namespace
from support.remains import nothing_left
from support.site import dropped

# A frame of 64 KB takes 33 packet buffers; a ring is sized for two for each packet.
LARGE, SMALL, FEW = 65_000, 100, 200


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    with nothing_left(tmp_path / "temporary"):
        yield


def test_no_packet_buffers_left(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    inside, cluster = kafka_outside
    topic = topics.create(cluster.bootstrap, 1)
    large = [udp_of_size(LARGE, number) for number in range(400)]
    small = [udp_of_size(SMALL, number) for number in range(FEW)]
    # The producer's own memory is gone after 4 MiB of batches, and then all waits in the ring.
    options = ("--buffer-memory", "4", "--rx-buffer-mb", "64", "--tx-ring", "2048")
    live = Live.begin(cluster.bootstrap, topic, *options, directory=tmp_path, inside=inside)
    with frozen(cluster):
        inside.send(large)
        time.sleep(2)  # they are fetched, and there is no buffer for some: nobody says that before the end
    inside.send(small)
    report = live.stop()
    assert report["source"]["no_mbuf"] > 0
    assert report["source"]["in"] == len(large) + FEW
    arrived = [record.value for record in read_all(cluster.bootstrap, topic)]
    assert len(arrived) == report["kafka"]["delivered"] == len(large) + FEW - dropped(report)
    # In order, and whole: those that found buffers, then all that came later.
    assert arrived[-FEW:] == small
    places = {frame: number for number, frame in enumerate(large)}
    kept = [places[frame] for frame in arrived[:-FEW]]
    assert kept == sorted(kept)
    assert kept


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_a_ring_of_two(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path, producer: str) -> None:
    inside, cluster = kafka_outside
    topic = topics.create(cluster.bootstrap, 1)
    options = ("--producer", producer, "--tx-ring", "2", "--rx-burst", "32")
    live = Live.begin(cluster.bootstrap, topic, *options, directory=tmp_path, inside=inside)
    sent = [udp_of_size(SMALL, number) for number in range(5000)]
    inside.send(sent)
    report = live.stop()
    assert report["source"]["in"] == len(sent)
    assert dropped(report) == report["rx"]["ring_full_drops"]
    arrived = [record.value for record in read_all(cluster.bootstrap, topic)]
    assert len(arrived) == report["kafka"]["delivered"] == len(sent) - dropped(report) > 0
    places = {frame: number for number, frame in enumerate(sent)}
    kept = [places[frame] for frame in arrived]
    assert kept == sorted(set(kept))
