"""SIGHUP with another filter and another snaplen: what changes, from which frame on, and that nothing is lost by it."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest
from support.frames import TCP, UDP, VLAN, ip
from support.live import Live, wait_until
from support.load import Load
from support.mock_reader import read_all
from support.netns import namespace
from support.numbered import NUMBER
from support.probe import wait_for_line

from fastcapa.kafka.embedded import EmbeddedBroker

RELOADS = 100


def change(live: Live, file: Path, text: str, said: str) -> None:
    """Have the probe read another file, and wait until all rx workers go by it."""
    # Whole or not at all: a hang-up of before may be answered only now.
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)
    live.signal(signal.SIGHUP)
    wait_for_line(live.process, said)


def values(broker: str, topic: str) -> list[bytes]:
    return [record.value for record in read_all(broker, topic)]


def all_there(broker: str, topic: str, count: int) -> bool:
    return len(values(broker, topic)) >= count


@pytest.mark.parametrize("kind", ["interface", "tap"])
def test_before_and_after(tmp_path: Path, kind: str) -> None:
    """Frames of three kinds before and after each change, on an interface and on a DPDK device."""
    file = tmp_path / "tap.toml"
    file.write_text("")
    sent = [
        [
            ip(UDP, b"u" * 200 + bytes([part, index])),
            ip(TCP, b"t" * 200 + bytes([part, index])),
            ip(UDP, b"v" * 200 + bytes([part, index]), vlans=((VLAN, 100),)),
        ]
        for part in range(4)
        for index in range(20)
    ]
    parts = [sent[part * 20 : part * 20 + 20] for part in range(4)]
    wanted = [frame for frames in parts[0] for frame in frames]
    wanted += [udp[:100] for udp, _, _ in parts[1]]
    wanted += [tagged for _, _, tagged in parts[2]]
    wanted += [frame[:60] for frames in parts[3] for frame in frames]
    with namespace() as inside, inside.entered(), EmbeddedBroker() as embedded:
        source = ("-i", inside.capture) if kind == "interface" else ("--device", "net_tap0,iface=tap9")
        live = Live.begin(
            embedded.bootstrap, "t", "--config", str(file), *source, directory=tmp_path, prefix=inside.prefix
        )
        if kind == "tap":
            inside.run("ip", "link", "set", "tap9", "up")
        count = 0
        for part, (text, said) in enumerate(
            (
                ("", ""),
                ('filter = "udp"\nsnaplen = 100\n', "the filter is 'udp', snaplen is 100, in all rx workers"),
                ('filter = "vlan 100"\n', "the filter is 'vlan 100', snaplen is 262144, in all rx workers"),
                ("snaplen = 60\n", "there is no filter, snaplen is 60, in all rx workers"),
            )
        ):
            if said:
                change(live, file, text, said)
            inside.send(
                [frame for frames in parts[part] for frame in frames],
                inside.generator if kind == "interface" else "tap9",
            )
            count += 20 if part in (1, 2) else 60
            wait_until(partial(all_there, embedded.bootstrap, "t", count), 60)
        # What is wrong changes nothing, and the probe goes on.
        change(live, file, 'filter = "udp prot"\n', f"all stays as it is: {file}:1: filter 'udp prot'")
        report = live.stop()
        assert sorted(values(embedded.bootstrap, "t")) == sorted(wanted)
    rules = report["rules"]
    assert (rules["filter"], rules["snaplen"], rules["changes"]) == ("", 60, 3)
    assert report["rx"]["truncated"] == 20 + 60
    if kind == "tap":
        assert (report["source"]["in"], report["rx"]["filtered"]) == (240, 80)
    else:
        # The kernel has judged the untagged ones; tagged ones come up to the worker, which takes those that do not fit.
        assert report["rx"]["filtered"] == 20
    assert (report["reloads"]["taken"], report["reloads"]["refused"]) == (3, 1)


def test_a_hundred_changes_under_load_lose_nothing(tmp_path: Path) -> None:
    """Both filters pass all of it, and each change goes through the socket of every queue."""
    file = tmp_path / "tap.toml"
    file.write_text("")
    with namespace() as inside, inside.entered(), EmbeddedBroker() as embedded:
        arguments = ("--config", str(file), "-i", inside.capture, "--rx-queues", "2", "--tx-ring", "65536")
        live = Live.begin(embedded.bootstrap, "t", *arguments, directory=tmp_path, prefix=inside.prefix)
        with Load(inside, rate=2000) as load:
            for number in range(RELOADS):
                text = f'filter = "udp or host 10.1.0.{number}"\nsnaplen = {1000 + number}\n'
                change(live, file, text, f"snaplen is {1000 + number}, in all rx workers")
        report = live.stop()
        arrived = sorted(int.from_bytes(value[NUMBER]) for value in values(embedded.bootstrap, "t"))
    assert arrived == list(range(load.sent))
    assert (report["rules"]["changes"], report["reloads"]["taken"]) == (RELOADS, RELOADS)
    assert (report["source"]["in"], report["source"]["missed"], report["rx"]["filtered"]) == (load.sent, 0, 0)
