"""A kernel interface into Apache Kafka: what was generated on a veth pair is delivered, or counted by its cause."""

from __future__ import annotations

import struct
import time
from collections import Counter
from pathlib import Path

import pytest
from support import frames, topics
from support.brokers import Cluster
from support.kafka_reader import Record, iterate, read_all
from support.live import Live
from support.netns import COUNTER, Namespace, namespace, unused_address
from support.site import Site, dropped

MILLION = 1_000_000


def key_of(record: Record) -> int:
    return int(struct.unpack(">Q", record.key)[0])


def number_of(record: Record) -> int:
    return int.from_bytes(record.value[COUNTER], "big")


def assert_all_ours(site: Site, topic: str, began: float, delivered: int) -> None:
    """The topic holds so many of the generated frames, each once, in order in each partition, dated now."""
    ended = time.time()
    seen = bytearray(MILLION)
    last = Counter[int]()
    count = 0
    template = None
    for record in iterate(site.bootstrap, topic):
        count += 1
        number = number_of(record)
        assert not seen[number], f"frame {number} came twice"
        seen[number] = 1
        assert number >= last[record.partition], f"frame {number} is out of order in its partition"
        last[record.partition] = number
        key_us = key_of(record)
        assert began <= key_us / 1e6 <= ended
        assert (record.timestamp_ms, record.timestamp_type) == (key_us // 1000, 0)
        # All else is the same in every frame of a flow.
        rest = record.value[:8] + record.value[12:34] + record.value[36:40] + record.value[42:]
        template = template or rest
        assert rest == template
        assert len(record.value) == 64
    assert count == delivered


def test_a_million_with_the_default_ring(site: Site) -> None:
    topic = topics.create(site.bootstrap)
    began = time.time()
    live = site.begin(topic)
    site.inside.generate(MILLION)
    report = live.stop()
    assert report["source"]["in"] == MILLION
    assert report["kafka"]["delivered"] + dropped(report) == MILLION
    assert (report["rx"]["filtered"], report["tx"]["refused"], report["kafka"]["failed"]) == (0, 0, 0)
    assert_all_ours(site, topic, began, report["kafka"]["delivered"])


def test_a_million_with_a_ring_that_holds_them(site: Site) -> None:
    topic = topics.create(site.bootstrap)
    began = time.time()
    live = site.begin(topic, "--tx-ring", "262144", "--rx-buffer-mb", "256", "-s", "2048")
    site.inside.generate(MILLION, rate=100_000)
    report = live.stop()
    assert dropped(report) == 0
    assert (report["source"]["in"], report["kafka"]["delivered"]) == (MILLION, MILLION)
    assert_all_ours(site, topic, began, MILLION)


def test_every_shape_of_frame_arrives_whole(site: Site) -> None:
    # A packet socket sends nothing shorter than an Ethernet header; that header alone is a runt too.
    sent = [frame for _, frame in frames.zoo() if len(frame) >= 14]
    report, records = site.capture(lambda: site.inside.send(sent))
    assert [record.value for record in records] == sent
    assert report["rx"]["truncated"] == 0


@pytest.mark.parametrize("size", [9014, 65_000])
def test_large_frames_arrive_whole(site: Site, size: int) -> None:
    # So few that their segments fit into the packet buffers, whatever Kafka's pace.
    report, records = site.capture(lambda: site.inside.generate(200, (size,)), partitions=4)
    assert report["kafka"]["delivered"] == 200
    assert sorted(map(number_of, records)) == list(range(200))
    assert {len(record.value) for record in records} == {size}
    assert {record.value[42:] for record in records} == {b"\x5a" * (size - 42)}


def test_tags_of_two_vlans_stay_in_place_by_the_thousand(site: Site) -> None:
    sent = [
        frames.ip(frames.UDP, index.to_bytes(18, "big"), vlans=((frames.QINQ, index), (frames.VLAN, 4094 - index)))
        for index in range(1, 1001)
    ]
    _, records = site.capture(lambda: site.inside.send(sent))
    assert [record.value for record in records] == sent


def test_snaplen_cuts_and_counts(site: Site) -> None:
    sent = [frames.udp_of_size(size, number) for number, size in enumerate((64, 96, 97, 1514, 9000) * 20)]
    report, records = site.capture(lambda: site.inside.send(sent), "-s", "96")
    assert [record.value for record in records] == [frame[:96] for frame in sent]
    assert report["rx"]["truncated"] == 60
    assert report["rx"]["bytes"] == sum(len(record.value) for record in records)


def test_the_kernel_filters(site: Site) -> None:
    sent = [
        frames.ip(frames.UDP if index % 3 else frames.TCP, index.to_bytes(18, "big"), ports=(1000 + index % 5, 53))
        for index in range(900)
    ]
    words = ("udp", "and", "src", "port", "1003", "or", "arp")
    report, records = site.capture(lambda: site.inside.send([*sent, frames.arp()]), *words)
    wanted = [frame for index, frame in enumerate(sent) if index % 3 and index % 5 == 3]
    assert [record.value for record in records] == [*wanted, frames.arp()]
    # What does not match is not even seen.
    assert (report["source"]["in"], report["rx"]["filtered"]) == (len(wanted) + 1, 0)


def test_count_is_exact(site: Site) -> None:
    topic = topics.create(site.bootstrap, 1)
    live = site.begin(topic, "-c", "1234")
    site.inside.generate(5000)
    report = live.end()
    assert (report["rx"]["in"], report["kafka"]["delivered"]) == (1234, 1234)
    assert [number_of(record) for record in read_all(site.bootstrap, topic)] == list(range(1234))


def test_duration_ends_the_capture(site: Site) -> None:
    topic = topics.create(site.bootstrap, 1)
    live = site.begin(topic, "--duration", "1.5")
    site.inside.generate(100)
    report = live.end(timeout=30)
    assert 1.5 <= report["seconds"] < 10
    assert report["kafka"]["delivered"] == 100


def test_two_interfaces_at_once(site: Site) -> None:
    """One probe takes both ends of the link: each frame leaves one and enters the other."""
    sent = [frames.udp_of_size(100, number) for number in range(500)]
    report, records = site.capture(lambda: site.inside.send(sent), "-i", site.inside.generator, partitions=4)
    assert [source["in"] for source in report["sources"]] == [500, 500]
    assert Counter(record.value for record in records) == Counter(sent * 2)


def test_af_xdp_device_on_the_interface(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path) -> None:
    _, cluster = kafka_outside
    # XDP wants a frame in one page, so this link has the usual length.
    gateway = unused_address()
    with namespace(address=gateway) as inside:
        inside.run("ip", "route", "add", cluster.host, "via", gateway)
        topic = topics.create(cluster.bootstrap, 1)
        device = f"net_af_xdp0,iface={inside.capture}"
        live = Live.begin(cluster.bootstrap, topic, "--device", device, directory=tmp_path, prefix=inside.prefix)
        # As many as its queue holds: DPDK 22.11 does not report what this device drops beyond that.
        sent = [frames.udp_of_size(50 + number, number) for number in range(1024)]
        inside.send(sent)
        report = live.stop()
    records = read_all(cluster.bootstrap, topic)
    assert report["source"]["in"] == 1024
    assert (report["kafka"]["delivered"], dropped(report)) == (1024, 0)
    assert [record.value for record in records] == sent
