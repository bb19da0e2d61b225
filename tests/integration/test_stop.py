"""Every way to end a capture in the middle: drained, given up, killed, frozen; nothing is forgotten."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import numbered, topics
from support.brokers import Cluster, broker, frozen
from support.live import Live, wait_for_exit
from support.netns import COUNTER, Namespace, namespace, unused_address
from support.numbered import numbers
from support.probe import Report, wait_for_line
from support.remains import nothing_left
from support.topics import growing

MILLION = 1_000_000


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    with nothing_left(tmp_path / "temporary"):
        yield


@pytest.fixture(scope="module")
def address() -> str:
    """The broker's, reached from the namespace and from outside."""
    return unused_address()


@pytest.fixture(scope="module")
def link(address: str) -> Iterator[Namespace]:
    with namespace(address=address) as inside:
        yield inside


@pytest.fixture(scope="module")
def cluster(link: Namespace, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Frozen now and then."""
    with broker(tmp_path_factory.mktemp("kafka"), host=address) as running:
        yield running


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return topics.create(cluster.bootstrap)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered.write(tmp_path_factory.mktemp("files") / "million.pcap", MILLION)


def assert_drained(report: Report) -> None:
    """All that was received is delivered."""
    assert report["kafka"]["delivered"] == report["rx"]["out"]
    assert (report["kafka"]["failed"], report["tx"]["refused"]) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_drains_a_file(
    cluster: Cluster, topic: str, million: Path, tmp_path: Path, number: signal.Signals
) -> None:
    # Alone in a process group: Ctrl-C reaches supervisor and engine alike.
    # A small ring makes it slow enough to be caught in the middle: a file waits for room.
    words = ("-r", str(million), "--tx-ring", "16")
    live = Live.begin(cluster.bootstrap, topic, *words, directory=tmp_path, prefix=["setsid"])
    with growing(cluster.bootstrap, topic, below=MILLION):
        os.killpg(live.process.pid, number) if number == signal.SIGINT else live.signal(number)
    report = live.end()
    assert_drained(report)
    assert 1_000 <= report["rx"]["in"] < MILLION, "not in the middle: the test shows nothing"
    assert numbers(cluster.bootstrap, topic) == list(range(report["rx"]["in"]))


def test_a_signal_drains_an_interface(cluster: Cluster, topic: str, link: Namespace, tmp_path: Path) -> None:
    live = Live.begin(cluster.bootstrap, topic, directory=tmp_path, inside=link)
    with ThreadPoolExecutor(1) as other:
        generated = other.submit(link.generate, MILLION)
        with growing(cluster.bootstrap, topic, below=MILLION):
            report = live.stop()
        generated.result()
    assert_drained(report)
    assert 10_000 <= report["source"]["in"] < MILLION, "not in the middle: the test shows nothing"
    lost = report["source"]["missed"] + report["source"]["no_mbuf"] + report["rx"]["ring_full_drops"]
    assert report["kafka"]["delivered"] + lost == report["source"]["in"]
    arrived = numbers(cluster.bootstrap, topic, COUNTER)
    assert len(arrived) == len(set(arrived)) == report["kafka"]["delivered"]


def test_a_second_signal_gives_up_at_once(cluster: Cluster, topic: str, million: Path, tmp_path: Path) -> None:
    live = Live.begin(cluster.bootstrap, topic, "-r", str(million), directory=tmp_path)
    with growing(cluster.bootstrap, topic, below=MILLION), frozen(cluster):
        live.signal(signal.SIGTERM)
        wait_for_line(live.process, "stop again")
        live.signal(signal.SIGTERM)
        began = time.monotonic()
        report = live.end(status=1)
        assert time.monotonic() - began < 5
    kafka = report["kafka"]
    assert kafka["abandoned"] > 0
    assert kafka["delivered"] + kafka["failed"] == report["rx"]["out"]
    # What it gave up may have reached Kafka after all, but nothing that was acknowledged is missing.
    assert topics.records_in(cluster.bootstrap, topic) >= kafka["delivered"]


def test_the_drain_ends_with_its_timeout(cluster: Cluster, topic: str, million: Path, tmp_path: Path) -> None:
    live = Live.begin(cluster.bootstrap, topic, "-r", str(million), "--drain-timeout", "2", directory=tmp_path)
    with growing(cluster.bootstrap, topic, below=MILLION), frozen(cluster):
        began = time.monotonic()
        report = live.stop(status=1)
        assert 2 <= time.monotonic() - began < 7
    assert report["kafka"]["abandoned"] > 0
    assert report["kafka"]["delivered"] + report["kafka"]["failed"] == report["rx"]["out"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
def test_a_dead_engine_is_one_line(
    cluster: Cluster, topic: str, million: Path, tmp_path: Path, number: signal.Signals
) -> None:
    live = Live.begin(cluster.bootstrap, topic, "-r", str(million), directory=tmp_path)
    engine = live.engine
    with growing(cluster.bootstrap, topic, below=MILLION):
        os.kill(engine, number)
    run = live.ended(timeout=10)
    assert run.status == 1
    (line,) = [line for line in run.stderr.splitlines() if "engine" in line]
    assert line.startswith(f"fastcapa: the engine was killed by {number.name}; at its last report, ")
    assert line.endswith(" delivered")
    assert not live.path.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)


def test_an_engine_without_its_supervisor_drains_and_ends(
    cluster: Cluster, topic: str, link: Namespace, tmp_path: Path
) -> None:
    live = Live.begin(cluster.bootstrap, topic, "--tx-ring", "65536", directory=tmp_path, inside=link)
    engine = os.pidfd_open(live.engine)
    try:
        with frozen(cluster):
            link.generate(50_000, rate=50_000)
            live.signal(signal.SIGKILL)
            live.process.communicate(timeout=10)
        assert wait_for_exit(engine, 30), "the engine outlived its supervisor"
    finally:
        os.close(engine)
    assert numbers(cluster.bootstrap, topic, COUNTER) == list(range(50_000))


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_frozen_and_continued_with_a_file(
    cluster: Cluster, topic: str, million: Path, tmp_path: Path, producer: str
) -> None:
    # For longer than a broker may take for its answer: what had been answered meanwhile must not be there twice.
    options = ("-c", "700000", "--producer", producer, "-X", "request.timeout.ms=1000")
    live = Live.begin(cluster.bootstrap, topic, "-r", str(million), *options, directory=tmp_path)
    both = (live.process.pid, live.engine)
    with growing(cluster.bootstrap, topic, below=700_000):
        for pid in both:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)  # the freeze itself: nothing happens that could be waited for
        for pid in both:
            os.kill(pid, signal.SIGCONT)
    report = live.end()
    assert_drained(report)
    assert numbers(cluster.bootstrap, topic) == list(range(700_000))


def test_frozen_and_continued_on_an_interface(cluster: Cluster, topic: str, link: Namespace, tmp_path: Path) -> None:
    live = Live.begin(cluster.bootstrap, topic, "--rx-buffer-mb", "8", directory=tmp_path, inside=link)
    both = (live.process.pid, live.engine)
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    link.generate(300_000)
    for pid in both:
        os.kill(pid, signal.SIGCONT)
    report = live.stop()
    assert report["source"]["missed"] > 0, "the kernel's ring held them all: the test shows nothing"
    lost = report["source"]["missed"] + report["source"]["no_mbuf"] + report["rx"]["ring_full_drops"]
    assert report["source"]["in"] == report["kafka"]["delivered"] + lost == 300_000
    assert len(set(numbers(cluster.bootstrap, topic, COUNTER))) == report["kafka"]["delivered"]
