"""`--restart`: engines die under load, the next one goes on, and the report says what is known and what is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import topics
from support.brokers import Cluster, frozen
from support.kafka_reader import read_all
from support.live import Live, wait_until
from support.load import Load
from support.memory_limit import memory_limit
from support.netns import COUNTER, Namespace
from support.numbered import numbers
from support.probe import Report, assert_books_close, wait_for_line
from support.remains import nothing_left
from support.site import Site, dropped

RATE = 2000
LOSS, RUN_TIME_FAILURE = 3, 1
SNAPSHOT_S = 1.0


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    with nothing_left(tmp_path / "temporary"):
        yield


def assert_honest(report: Report, arrived: list[int], sent: int) -> None:
    """What arrived did so once, all that counts as delivered is among it, and the rest of it is what nobody saw."""
    assert len(arrived) == len(set(arrived))
    unseen = sent - report["source"]["in"]
    assert unseen > 0, "no packet passed in the outage: the test shows nothing"
    lost = sum(report["lost_with_engine"].values())
    assert report["kafka"]["delivered"] <= len(arrived) <= report["kafka"]["delivered"] + lost + unseen


@pytest.mark.parametrize(
    ("producer", "number", "options", "status"),
    [
        ("direct", signal.SIGSEGV, (), 0),
        ("librdkafka", signal.SIGKILL, ("--fail-on-loss",), LOSS),
    ],
    ids=["direct-SIGSEGV", "librdkafka-SIGKILL"],
)
def test_a_dead_engine_is_replaced(
    site: Site, producer: str, number: signal.Signals, options: tuple[str, ...], status: int
) -> None:
    topic = topics.create(site.bootstrap)
    live = site.begin(topic, "--restart", "--producer", producer, "--report-every", "1", *options)
    with Load(site.inside, rate=RATE) as load:
        wait_until(lambda: topics.records_in(site.bootstrap, topic) > RATE)
        time.sleep(3 * SNAPSHOT_S)
        os.kill(live.engine, number)
        wait_for_line(live.process, f"the engine was killed by {number.name}; at its last report, ")
        wait_for_line(live.process, "in which nothing was captured (restart 1)")
        began_again = load.sent
        wait_until(lambda: load.sent > began_again + RATE)
        # What is reported meanwhile is of both engines.
        wait_until(lambda: live.raw_report()["source"]["in"] > began_again)
        assert (live.raw_report()["restarts"], live.raw_report()["final"]) == (1, False)
    report = live.stop(status=status)
    assert (report["restarts"], dropped(report)) == (1, 0)
    assert report["outage_seconds"] > 0.8
    assert 0 < report["unknown_seconds"] < 10
    arrived = numbers(site.bootstrap, topic)
    assert_honest(report, arrived, load.sent)
    # The second engine lost nothing.
    since = [number for number in arrived if number > began_again]
    assert since == list(range(began_again + 1, load.sent))


def test_a_signal_between_two_engines_ends_at_once(fresh_site: Callable[..., Site]) -> None:
    site = fresh_site()
    topic = topics.create(site.bootstrap)
    live = kill_one_that_has_delivered(site, topic)
    site.inside.run("ip", "link", "delete", site.inside.capture)
    for _ in range(3):
        wait_for_line(live.process, "fastcapa: no engine: ")
    began = time.monotonic()  # and the next wait, the fourth, is of 8 s, 20 % more or less
    live.signal(signal.SIGTERM)
    run = live.ended(timeout=20)
    assert time.monotonic() - began < 6
    assert run.status == RUN_TIME_FAILURE
    assert run.stderr.splitlines()[-1] == "fastcapa: the end came while no engine ran"
    report = live.raw_report()
    assert_books_close(report)
    assert (report["restarts"], report["kafka"]["delivered"], report["mbufs_missing"]) == (0, 1000, None)
    assert report["outage_seconds"] > 0.8 * 7
    assert sum(report["lost_with_engine"].values()) == 0


def kill_one_that_has_delivered(site: Site, topic: str) -> Live:
    """A capture whose engine has just died, with a snapshot in which a thousand packets are delivered."""
    live = site.begin(topic, "--restart")
    site.inside.generate(1000)
    wait_until(lambda: topics.records_in(site.bootstrap, topic) == 1000)
    time.sleep(3 * SNAPSHOT_S)
    os.kill(live.engine, signal.SIGKILL)
    return live


def test_what_keeps_an_engine_from_starting_is_waited_for(fresh_site: Callable[..., Site]) -> None:
    site = fresh_site()
    inside = site.inside
    topic = topics.create(site.bootstrap)
    live = kill_one_that_has_delivered(site, topic)
    inside.run("ip", "link", "delete", inside.capture)
    wait_for_line(live.process, "fastcapa: no engine: ")
    veth = ("type", "veth", "peer", "name", inside.capture)
    inside.run("ip", "link", "add", "name", inside.generator, *veth)
    for interface in (inside.capture, inside.generator):
        inside.run("ip", "link", "set", interface, "up")
    wait_for_line(live.process, "(restart 1)")
    inside.generate(500)
    report = live.stop()
    assert (report["source"]["in"], report["kafka"]["delivered"], report["restarts"]) == (1500, 1500, 1)
    assert report["outage_seconds"] > 0.8 + 1.6
    assert numbers(site.bootstrap, topic, COUNTER) == sorted([*range(1000), *range(500)])


def test_out_of_memory(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    inside, cluster = kafka_outside
    topic = topics.create(cluster.bootstrap)
    # What a library's queue takes when Kafka stalls and it is allowed more than the cgroup is.
    queue = ("-X", "queue.buffering.max.messages=1000000", "-X", "queue.buffering.max.kbytes=2000000")
    options = ("--restart", "-i", inside.capture, "--producer", "librdkafka", "--rx-buffer-mb", "8", *queue)
    with memory_limit(256 << 20) as limit:
        # Into the cgroup first: `ip netns exec` mounts a /sys without cgroups.
        prefix = (*limit.prefix, *inside.prefix)
        live = Live.begin(cluster.bootstrap, topic, *options, directory=tmp_path, prefix=prefix)
        with frozen(cluster), Load(inside, rate=20_000, sizes=(1500,)):
            wait_for_line(live.process, "the engine was killed by SIGKILL (the kernel has killed for want of memory ")
        wait_for_line(live.process, "(restart 1)")
        inside.generate(1000)
        report = live.stop()
    assert report["restarts"] == 1
    assert report["lost_with_engine"]["kafka"] > 0
    records = read_all(cluster.bootstrap, topic)
    assert report["kafka"]["delivered"] <= len(records)
    # What came while no engine waited for Kafka is there.
    small = [int.from_bytes(record.value[COUNTER]) for record in records if len(record.value) == 64]
    assert sorted(small) == list(range(1000))
