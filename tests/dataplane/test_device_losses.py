"""Devices on kernel interfaces: every drop that the kernel counts has its name, to the packet; links come and go."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from support import frames
from support.live import Live, wait_until
from support.message_headers import by_queue
from support.mock_reader import read_all
from support.netns import Namespace, namespace

from fastcapa.kafka.embedded import EmbeddedBroker

SENT = 3000


@contextmanager
def site() -> Iterator[tuple[Namespace, str]]:
    """A namespace, entered by this thread, and a broker on its loopback."""
    with namespace() as inside, inside.entered(), EmbeddedBroker() as embedded:
        yield inside, embedded.bootstrap


def add_tap(inside: Namespace) -> None:
    """Bring up the interface that net_tap has made."""
    inside.run("ip", "link", "set", "tap9", "mtu", "9202", "up")


# What a queue holds while nobody reads: descriptors; a ring of so many frames; tun's queue of 1,000 skbs.
DEVICES = {
    "af_xdp": ("net_af_xdp0,iface=cap0", "gen0", 1, 1024),
    "af_packet": ("net_af_packet0,iface=cap0,qpairs=2,framecnt=512,blocksz=4096,framesz=2048", "gen0", 2, 512),
    "tap": ("net_tap0,iface=tap9", "tap9", 1, 1000),
    "tap, 2 queues": ("net_tap0,iface=tap9", "tap9", 2, 1000),
}


@pytest.mark.parametrize("device", DEVICES)
def test_overload_is_counted_to_the_packet(tmp_path: Path, device: str) -> None:
    devargs, interface, queues, held = DEVICES[device]
    sent = [frames.udp_of_size(60 + i % 900, i, flow=i % 64) for i in range(SENT)]
    with site() as (inside, bootstrap):
        arguments = ("--device", devargs, "--rx-queues", str(queues), "--headers", "--tx-ring", "4096")
        live = Live.begin(bootstrap, "t", *arguments, directory=tmp_path, prefix=inside.prefix)
        if interface == "tap9":
            add_tap(inside)
        os.kill(live.engine, SIGSTOP)
        inside.send(sent, interface)
        time.sleep(0.5)  # a busy kernel hands over what was sent a little later
        os.kill(live.engine, SIGCONT)
        time.sleep(1.5)  # more than a look at the counters, and all is fetched
        report = live.stop()
        records = read_all(bootstrap, "t")
    (source,) = report["sources"]
    assert source["in"] == SENT
    # Some may be fetched before it has stopped.
    assert source["missed"] == SENT - report["kafka"]["delivered"] > 0
    assert report["kafka"]["delivered"] >= held
    assert (source["errors"], source["no_mbuf"], source["unfetched"]) == (0, 0, 0)
    assert report["rx"]["ring_full_drops"] == 0
    # In order on each queue, and as it was sent.
    for entries in by_queue(records).values():
        numbers = [int.from_bytes(record.value[42:50], "big") for _, record in entries]
        assert numbers == sorted(set(numbers))
        assert [record.value for _, record in entries] == [sent[number] for number in numbers]
    rows = [row for row in report["workers"] if row["role"] == "rx"]
    if device != "tap, 2 queues":  # the kernel counts those for the interface as a whole
        assert sum(row["missed"] for row in rows) == source["missed"]
    else:
        assert {row["missed"] for row in rows} == {None}


@pytest.mark.parametrize("queues", [2, 4])
def test_tap_keeps_conversations_whole_and_jumbo_frames_too(tmp_path: Path, queues: int) -> None:
    pairs = [
        frames.ip(
            frames.UDP,
            i.to_bytes(8, "big") + bytes(9166 if i % 50 == 0 else 20),
            source=f"10.0.0.{1 + i % 16}" if i // 16 % 2 else "10.0.1.1",
            target="10.0.1.1" if i // 16 % 2 else f"10.0.0.{1 + i % 16}",
            ports=(1000 + i % 16, 2000) if i // 16 % 2 else (2000, 1000 + i % 16),
        )
        for i in range(800)
    ]
    assert max(map(len, pairs)) == 9216
    with site() as (inside, bootstrap):
        arguments = ("--device", "net_tap0,iface=tap9", "--rx-queues", str(queues), "--headers", "--tx-ring", "4096")
        live = Live.begin(bootstrap, "t", *arguments, directory=tmp_path, prefix=inside.prefix)
        add_tap(inside)
        inside.send(pairs, "tap9")
        time.sleep(0.5)
        report = live.stop()
        records = read_all(bootstrap, "t")
    assert (report["source"]["in"], report["source"]["missed"]) == (800, 0)
    of_flow: dict[int, set[int]] = {}
    seen = 0
    for (_, queue), entries in by_queue(records).items():
        numbers = [int.from_bytes(record.value[42:50], "big") for _, record in entries]
        assert numbers == sorted(numbers)
        assert [record.value for _, record in entries] == [pairs[number] for number in numbers]
        seen += len(numbers)
        for number in numbers:
            of_flow.setdefault(number % 16, set()).add(queue)
    assert seen == 800
    assert all(len(places) == 1 for places in of_flow.values()), of_flow
    assert len(set.union(*of_flow.values())) > 1


def test_a_link_goes_down_and_up_and_away(tmp_path: Path) -> None:
    with site() as (inside, bootstrap):
        live = Live.begin(
            bootstrap, "t", "--device", "net_af_xdp0,iface=cap0", directory=tmp_path, prefix=inside.prefix
        )
        said: list[str] = []
        stderr = live.process.stderr
        assert stderr is not None
        for command, words in (
            (("ip", "link", "set", "cap0", "down"), "the link is down"),
            (("ip", "link", "set", "cap0", "up"), "the link is up again"),
        ):
            inside.run(*command)
            while not said or words not in said[-1]:
                said.append(stderr.readline())
                assert said[-1], said
        inside.send([frames.udp_of_size(100, i) for i in range(500)])
        wait_until(lambda: len(read_all(bootstrap, "t")) == 500, 20)
        inside.run("ip", "link", "delete", "cap0")
        run = live.ended(30)
        assert run.status == 1
        assert "the device is gone" in run.stderr
        report = live.report()
    assert report["kafka"]["delivered"] == 500
