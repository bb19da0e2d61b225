"""Several queues on a kernel interface, into Apache Kafka: spread, whole conversations, and losses to the packet."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from support import frames, probe, scapy_frames, topics
from support.capture_files import Frame, write_pcap
from support.frames import VLAN
from support.kafka_reader import read_all
from support.live import Live
from support.message_headers import assert_ordered_in_partitions, by_queue
from support.netns import COUNTER, Namespace
from support.probe import Report
from support.site import Site, dropped

GENERATED = 100_000
CONVERSATIONS = 60
SHAPES = scapy_frames.every_kind()


def conversation(flow: int, number: int, *, back: bool) -> bytes:
    ends = ((f"10.1.{flow}.1", 40_000 + flow), ("10.2.0.1", 443))
    if flow % 3 == 0:
        ends = ((f"2001:db8::{flow + 1:x}", 40_000 + flow), ("2001:db8:1::1", 443))
    (source, source_port), (target, target_port) = reversed(ends) if back else ends
    return frames.ip(
        frames.TCP, number.to_bytes(20, "big"), source=source, target=target, ports=(source_port, target_port)
    )


def queue_rows(report: Report) -> list[dict[str, int]]:
    return [row for row in report["workers"] if row["role"] == "rx"]


def verify(bootstrap: str, topic: str) -> tuple[int, int]:
    """What `read --verify` says: its exit code, and how many packets are missing."""
    run = probe.fastcapa("read", "-b", bootstrap, "-t", topic, "--verify")
    found = re.fullmatch(r"not complete: (\d+) packets missing, 0 twice", run.stdout.splitlines()[-1])
    return run.status, int(found[1]) if found else 0


@pytest.mark.parametrize("queues", [2, 4])
def test_fan_out_spreads_and_keeps_conversations_whole(site: Site, queues: int) -> None:
    topic = topics.create(site.bootstrap, 4)
    ring = str(65_536 // queues)
    live = site.begin(topic, "--rx-queues", str(queues), "--tx-ring", ring, "--headers", "-s", "2048")
    site.inside.generate(GENERATED, flows=256, rate=25_000)
    number = 0
    sent: list[bytes] = []
    for turn in range(20):
        for flow in range(CONVERSATIONS):
            sent.append(conversation(flow, number, back=turn % 2 == 1))
            number += 1
    site.inside.send(sent)
    report = live.stop()
    total = GENERATED + len(sent)
    assert report["source"]["in"] == report["kafka"]["delivered"] == total
    records = read_all(site.bootstrap, topic)
    assert len(records) == total
    assert_ordered_in_partitions(records)
    of_queue = by_queue(records)
    assert sorted(of_queue) == [(site.inside.capture, queue) for queue in range(queues)]
    queues_of_flow: dict[bytes, set[int]] = {}
    queues_of_conversation: dict[int, set[int]] = {}
    generated, others = set(), Counter[bytes]()
    for (_, queue), entries in of_queue.items():
        assert [headers.sequence for headers, _ in entries] == list(range(len(entries)))
        last = -1
        for headers, record in entries:
            value = record.value
            assert headers.length == len(value)
            assert headers.time_ns // 1000 == int.from_bytes(record.key, "big")
            if value[12:14] == b"\x08\x00" and value[23] == frames.UDP:
                index = int.from_bytes(value[COUNTER], "big")
                assert index > last, "the order on the wire is kept"
                last = index
                generated.add(index)
                queues_of_flow.setdefault(value[34:36], set()).add(queue)
            else:
                others[value] += 1
                index = int.from_bytes(value[-20:], "big")
                queues_of_conversation.setdefault(index % CONVERSATIONS, set()).add(queue)
        (row,) = (row for row in queue_rows(report) if row["queue"] == queue)
        assert row["in"] == row["out"] == len(entries) > total // queues // 3
    assert generated == set(range(GENERATED))
    assert others == Counter(sent)
    assert len(queues_of_flow) == 256 and all(len(seen) == 1 for seen in queues_of_flow.values())
    assert len(queues_of_conversation) == CONVERSATIONS
    assert all(len(seen) == 1 for seen in queues_of_conversation.values())
    assert verify(site.bootstrap, topic) == (0, 0)


@pytest.mark.parametrize("queues", [1, 4])
def test_overload_to_the_packet(site: Site, queues: int) -> None:
    """The engine is stopped while the wire goes on: delivered and the named drops are all that was sent."""
    topic = topics.create(site.bootstrap, 3)
    live = site.begin(topic, "--rx-queues", str(queues), "--rx-buffer-mb", "1", "--headers")
    engine = live.engine
    os.kill(engine, SIGSTOP)
    site.inside.generate(GENERATED, flows=256)
    os.kill(engine, SIGCONT)
    time.sleep(1)  # the kernel's counters are looked at ten times a second
    site.inside.generate(2000, flows=256, rate=20_000)
    report = live.stop()
    assert report["source"]["in"] == GENERATED + 2000
    assert report["kafka"]["delivered"] + dropped(report) == GENERATED + 2000
    rows = queue_rows(report)
    assert len(rows) == queues
    assert all(row["missed"] > 0 for row in rows)
    for name in ("missed", "errors", "no_mbuf"):
        assert sum(row[name] for row in rows) == report["source"][name]
    # A reader sees each of the losses, as gaps in the sequences.
    assert verify(site.bootstrap, topic) == (1, dropped(report))


def test_drops_at_a_small_ring_are_gaps(site: Site) -> None:
    topic = topics.create(site.bootstrap, 2)
    live = site.begin(topic, "--rx-queues", "2", "--tx-ring", "16", "--tx-burst", "4", "--headers")
    site.inside.generate(GENERATED, flows=64)
    time.sleep(0.5)
    for flow in range(64):  # so slowly that none of them is lost: no loss is a queue's last packet
        site.inside.send([frames.udp_of_size(64, flow, flow)])
        time.sleep(0.02)
    report = live.stop()
    assert report["rx"]["ring_full_drops"] > 0
    assert report["kafka"]["delivered"] + dropped(report) == GENERATED + 64
    assert verify(site.bootstrap, topic) == (1, dropped(report))


def test_runs_of_one_topic_are_told_apart(site: Site) -> None:
    topic = topics.create(site.bootstrap, 2)
    for _ in range(2):
        live = site.begin(topic, "--rx-queues", "2", "--headers")
        site.inside.generate(1000, flows=64, rate=10_000)
        assert live.stop()["kafka"]["delivered"] == 1000
    run = probe.fastcapa("read", "-b", site.bootstrap, "-t", topic, "--verify")
    assert run.status == 0, run.stdout
    assert run.stdout.count(", 2 runs\n") == 2
    assert run.stdout.endswith("complete: 2000 packets of 2 queues, none missing, none twice\n")


# ---- every shape of frame -------------------------------------------------------------------------------------------


def test_scapys_frames_through_an_interface(site: Site) -> None:
    sent = [frame for _, frame in SHAPES]
    report, records = site.capture(lambda: site.inside.send(sent), "--headers", "--rx-queues", "2", partitions=3)
    assert report["source"]["in"] == report["kafka"]["delivered"] == len(sent)
    assert Counter(record.value for record in records) == Counter(sent)
    assert {
        headers.length == len(record.value) for entries in by_queue(records).values() for headers, record in entries
    }
    # All fragments of a datagram are in one queue.
    fragments = {frame for name, frame in SHAPES if name == "fragment"}
    places = {
        queue for queue, entries in by_queue(records).items() for _, record in entries if record.value in fragments
    }
    assert len(places) == 1


def test_scapys_frames_through_a_file(site: Site, tmp_path: Path) -> None:
    now = time.time_ns()
    write_pcap(tmp_path / "all.pcap", [Frame(now + i, len(f), f) for i, (_, f) in enumerate(SHAPES)], nanoseconds=True)
    topic = topics.create(site.bootstrap, 3)
    probe.capture(site.bootstrap, topic, "-r", str(tmp_path / "all.pcap"), "--headers", "--rx-queues", "2")
    records = read_all(site.bootstrap, topic)
    assert Counter(record.value for record in records) == Counter(frame for _, frame in SHAPES)
    for entries in by_queue(records).values():
        for headers, record in entries:
            assert headers.length == len(record.value)
            assert record.value == SHAPES[headers.time_ns - now][1]


@pytest.mark.parametrize("device", ["net_pcap0,rx_pcap={}", "net_tap0,iface=tap9"])
def test_scapys_frames_through_a_device(site: Site, tmp_path: Path, device: str) -> None:
    # Jumbo frames are the longest of DPDK devices.
    sent = [frame for _, frame in SHAPES if len(frame) <= 9216]
    write_pcap(tmp_path / "all.pcap", [Frame(0, len(frame), frame) for frame in sent])
    topic = topics.create(site.bootstrap, 3)
    arguments = ("--device", device.format(tmp_path / "all.pcap"), "-c", str(len(sent)), "--headers")
    live = Live.begin(site.bootstrap, topic, *arguments, directory=site.directory, prefix=site.inside.prefix)
    if device.startswith("net_tap"):
        site.inside.run("ip", "link", "set", "tap9", "mtu", "9202", "up")
        site.inside.send(sent, "tap9")
    report = live.end()
    records = read_all(site.bootstrap, topic)
    assert report["source"]["in"] == report["kafka"]["delivered"] == len(sent)
    ((_, entries),) = by_queue(records).items()
    assert [record.value for _, record in entries] == sent
    assert [headers.length for headers, _ in entries] == [len(frame) for frame in sent]


def test_snaplen_keeps_the_length_of_each(site: Site) -> None:
    sent = [frame for _, frame in SHAPES]
    report, records = site.capture(lambda: site.inside.send(sent), "--headers", "-s", "50")
    ((_, entries),) = by_queue(records).items()
    assert [(record.value, headers.length) for headers, record in entries] == [(f[:50], len(f)) for f in sent]
    assert report["rx"]["truncated"] == sum(len(frame) > 50 for frame in sent)


def send_offloaded(inside: Namespace, sent: list[bytes]) -> None:
    """Send TCP frames that the device is to cut into segments of 1,448 bytes, as a host's own stack does."""
    needs_checksum, tcp_over_ipv4, packet_vnet_hdr = 1, 1, 15
    head = struct.pack("=BBHHHH", needs_checksum, tcp_over_ipv4, 54, 1448, 34, 16)  # struct virtio_net_hdr
    with inside.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
        packet.setsockopt(263, packet_vnet_hdr, 1)  # SOL_PACKET
        packet.bind((inside.generator, 0))
        for frame in sent:
            packet.send(head + frame)


def test_frames_of_segmentation_offload_arrive_uncut(fresh_site: Callable[..., Site]) -> None:
    site = fresh_site(offloads=True)
    sent = [frames.ip(frames.TCP, bytes(index + at & 0xFF for at in range(60_000 + index))) for index in range(30)]
    report, records = site.capture(lambda: send_offloaded(site.inside, sent), "--rx-queues", "2", "--headers")
    assert report["source"]["in"] == report["kafka"]["delivered"] == 30
    assert Counter(record.value for record in records) == Counter(sent)


# ---- life of an interface -------------------------------------------------------------------------------------------


def link_pair(inside: Namespace) -> None:
    """Make the pair of a namespace again, as namespace() does."""
    inside.run("ip", "link", "add", "name", inside.generator, "type", "veth", "peer", "name", inside.capture)
    for interface in (inside.generator, inside.capture):
        inside.run("ethtool", "-K", interface, *["tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"])
        inside.run("ip", "link", "set", interface, "up")


@pytest.mark.parametrize("queues", [1, 3])
def test_an_interface_goes_down_changes_is_removed_and_comes_back(fresh_site: Callable[..., Site], queues: int) -> None:
    site = fresh_site()
    inside = site.inside
    topic = topics.create(site.bootstrap, 2)
    live = site.begin(topic, "--rx-queues", str(queues), "--headers", "--tx-ring", "16384")
    inside.generate(5000, flows=64)
    inside.run("ip", "link", "set", inside.capture, "down")
    probe.wait_for_line(live.process, f"{inside.capture}: the link is down")
    inside.run("ip", "link", "set", inside.capture, "up")
    probe.wait_for_line(live.process, f"{inside.capture}: the link is up again")
    inside.generate(5000, flows=64)
    inside.run("ip", "link", "set", inside.capture, "mtu", "1400")
    probe.wait_for_line(live.process, f"{inside.capture}: the MTU is 1400 now, was 1500")
    for _ in range(2):
        inside.run("ip", "link", "delete", inside.capture)
        probe.wait_for_line(live.process, f"{inside.capture}: the interface was removed")
        time.sleep(0.5)
        link_pair(inside)
        probe.wait_for_line(live.process, f"{inside.capture}: the interface is back")
        time.sleep(0.3)
        inside.generate(5000, flows=64)
    report = live.stop()
    assert report["source"]["in"] == report["kafka"]["delivered"] == 20_000
    # Counters and sequences go on.
    assert verify(site.bootstrap, topic) == (0, 0)
    records = read_all(site.bootstrap, topic)
    assert set(Counter(int.from_bytes(record.value[COUNTER], "big") for record in records).values()) == {4}
    flows: dict[bytes, set[int]] = {}
    for (_, queue), entries in by_queue(records).items():
        for _, record in entries:
            flows.setdefault(record.value[34:36], set()).add(queue)
    assert len(flows) == 64 and all(len(seen) == 1 for seen in flows.values())


def test_a_probe_whose_interface_is_gone_drains_when_it_is_asked_to(fresh_site: Callable[..., Site]) -> None:
    site = fresh_site()
    topic = topics.create(site.bootstrap, 2)
    live = site.begin(topic, "--rx-queues", "2", "--tx-ring", "16384")
    site.inside.generate(5000, flows=64)
    site.inside.run("ip", "link", "delete", site.inside.capture)
    probe.wait_for_line(live.process, "the interface was removed")
    time.sleep(1.5)
    report = live.stop()
    assert report["source"]["in"] == report["kafka"]["delivered"] == 5000


# ---- the probe's own traffic ----------------------------------------------------------------------------------------


def outside(*words: str) -> str:
    """What `ip` says outside the namespace."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def begin_on_uplink(site: Site, topic: str, *arguments: str) -> Live:
    """Capture on the very link that carries the connection to Kafka."""
    return Live.begin(
        site.bootstrap, topic, "-i", "up0", *arguments, directory=site.directory, prefix=site.inside.prefix
    )


@pytest.mark.parametrize("words", [(), ("tcp", "or", "udp")])
def test_its_own_traffic_is_left_out_and_all_else_is_not(site: Site, words: tuple[str, ...]) -> None:
    topic = topics.create(site.bootstrap, 2)
    live = begin_on_uplink(site, topic, "--rx-queues", "2", *words)
    host, port = site.bootstrap.split(":")
    with site.inside.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        refused = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for number in range(500):
        sender.sendto(number.to_bytes(60, "big"), (host, 9))
    refused.connect_ex((host, 1))  # to the same host, another port: not ours
    time.sleep(2)  # what fed back would feed itself
    report = live.stop()
    records = read_all(site.bootstrap, topic)
    assert report["source"]["in"] == report["kafka"]["delivered"] == len(records)
    tcp = [record.value for record in records if record.value[12:14] == b"\x08\x00" and record.value[23] == frames.TCP]
    assert {int(port)}.isdisjoint({int.from_bytes(value[at : at + 2], "big") for value in tcp for at in (34, 36)})
    assert any(value[36:38] == b"\x00\x01" for value in tcp), "the other connection is captured"
    udp = [record.value[-60:] for record in records if record.value[23] == frames.UDP]
    assert sorted(udp) == [number.to_bytes(60, "big") for number in range(500)]


def test_its_own_traffic_in_a_vlan_is_left_out_too(site: Site) -> None:
    """What the probe sends through a VLAN of the link: the rx worker, not the kernel, filters tagged frames."""
    host, port = site.bootstrap.split(":")
    words = site.inside.run("ip", "-4", "route", "get", host).split()
    ours = words[words.index("src") + 1]
    outer = outside("-4", "-o", "route", "get", ours).split()
    made = [
        frames.ip(frames.TCP, bytes([i]), source=host, target=ours, ports=(int(port) + i % 2, 9), vlans=((VLAN, 100),))
        for i in range(100)
    ]
    topic = topics.create(site.bootstrap, 1)
    live = begin_on_uplink(site, topic, "vlan and tcp")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((outer[outer.index("dev") + 1], 0))
        for frame in made:
            sender.send(frame)
    report = live.stop()
    assert [record.value for record in read_all(site.bootstrap, topic)] == made[1::2]
    assert (report["source"]["in"], report["rx"]["filtered"]) == (50, 0)


def test_its_own_traffic_on_demand(site: Site) -> None:
    topic = topics.create(site.bootstrap, 2)
    live = begin_on_uplink(site, topic, "--include-own-traffic", "-c", "200")
    with site.inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"one datagram starts it", (site.bootstrap.split(":")[0], 9))
    live.end()
    assert len(read_all(site.bootstrap, topic)) == 200


def test_the_log_says_what_is_left_out(site: Site) -> None:
    topic = topics.create(site.bootstrap, 1)
    options = ("-b", site.bootstrap, "-t", topic, "--oversubscribe", "--duration", "0.5")
    host, port = site.bootstrap.split(":")
    run = probe.fastcapa("capture", "-i", "up0", "-i", site.inside.capture, *options, prefix=site.inside.prefix)
    line = (
        f"fastcapa: up0 carries our own traffic to Kafka ({host} port {port}): it is not captured"
        " (--include-own-traffic keeps it)\n"
    )
    assert run.stderr.count("our own traffic") == run.stderr.count(line) == 1
