"""Capture files through the whole data plane: every frame whole, every key right, every packet accounted for."""

import time
from collections import Counter
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, Interface, write_pcap, write_pcapng
from support.frames import udp_of_size, zoo
from support.kafka_reader import Record
from support.mock_reader import read_all

SECOND = 10**9
START_NS = 1_700_000_000 * SECOND


def frames_of(data: list[bytes], *, step_ns: int = 1_234_567) -> list[Frame]:
    return [Frame(START_NS + i * step_ns, len(d), d) for i, d in enumerate(data)]


def assert_same(records: list[Record], frames: list[Frame]) -> None:
    """Records carry exactly the frames, in the order of the file as far as their partitions go."""
    expected = Counter((f.time_ns // 1000, f.data) for f in frames)
    assert Counter((int.from_bytes(r.key, "big"), r.value) for r in records) == expected
    for record in records:
        assert len(record.key) == 8
        assert record.timestamp_ms == int.from_bytes(record.key, "big") // 1000
        assert record.timestamp_type == 0  # CreateTime
    order = {(f.time_ns // 1000, f.data): i for i, f in enumerate(frames)}
    for number in {r.partition for r in records}:
        places = [order[int.from_bytes(r.key, "big"), r.value] for r in records if r.partition == number]
        assert places == sorted(places)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_every_shape(broker: str, tmp_path: Path, order: str, nanoseconds: bool) -> None:
    frames = frames_of([data for _, data in zoo()])
    write_pcap(tmp_path / "zoo.pcap", frames, order=order, nanoseconds=nanoseconds)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "zoo.pcap"))
    assert report["rx"]["in"] == report["kafka"]["delivered"] == len(frames)
    assert report["kafka"]["bytes"] == sum(len(f.data) for f in frames)
    assert_same(read_all(broker, "t"), frames)


@pytest.mark.parametrize("tsresol", [6, 9, 0x80 | 20])
def test_pcapng_of_every_shape(broker: str, tmp_path: Path, tsresol: int) -> None:
    # Times that all three resolutions can tell exactly.
    frames = frames_of([data for _, data in zoo()], step_ns=SECOND)
    write_pcapng(tmp_path / "zoo.pcapng", frames, interfaces=(Interface(tsresol=tsresol),))
    probe.capture(broker, "t", "-r", str(tmp_path / "zoo.pcapng"))
    assert_same(read_all(broker, "t"), frames)


def test_many_frames_through_a_tiny_ring_wait_instead_of_being_dropped(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(64 + i % 64, i) for i in range(4000)], step_ns=1000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"), "--tx-ring", "2", "--tx-burst", "1")
    assert report["rx"]["ring_full_drops"] == 0
    assert report["kafka"]["delivered"] == len(frames)
    assert_same(read_all(broker, "t"), frames)


@pytest.mark.parametrize("workers", [1, 3])
def test_several_tx_workers_on_one_ring(broker: str, tmp_path: Path, workers: int) -> None:
    frames = frames_of([udp_of_size(64, i) for i in range(10_000)], step_ns=1000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"), "--tx-workers", str(workers))
    rows = [row for row in report["workers"] if row["role"] == "tx"]
    assert len(rows) == workers
    assert sum(row["delivered"] for row in rows) == len(frames)
    expected = Counter(f.data for f in frames)
    assert Counter(r.value for r in read_all(broker, "t")) == expected


def test_sticky_partitions_make_large_batches_and_use_all_partitions(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(1000, i) for i in range(4000)], step_ns=1000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"))
    # 4 MB in batches of up to 1 MB; not one per packet, not one per burst.
    assert report["kafka"]["batches"] <= 16
    assert len({r.partition for r in read_all(broker, "t")}) == 4


def test_snaplen_cuts_and_counts(broker: str, tmp_path: Path) -> None:
    sizes = [60, 100, 101, 2048, 2049, 9216, 65_535]
    frames = frames_of([udp_of_size(size, i) for i, size in enumerate(sizes)])
    write_pcap(tmp_path / "sizes.pcap", frames)
    for snaplen in (1, 100, 2049):
        topic = f"snap{snaplen}"
        report = probe.capture(broker, topic, "-r", str(tmp_path / "sizes.pcap"), "-s", str(snaplen))
        assert report["rx"]["truncated"] == sum(size > snaplen for size in sizes)
        cut = [Frame(f.time_ns, f.length, f.data[:snaplen]) for f in frames]
        assert_same(read_all(broker, topic), cut)


def test_filter_counts_what_it_leaves_out(broker: str, tmp_path: Path) -> None:
    frames = frames_of([data for _, data in zoo()])
    write_pcap(tmp_path / "zoo.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "zoo.pcap"), "arp", "or", "vlan")
    records = read_all(broker, "t")
    wanted = [f for (name, _), f in zip(zoo(), frames, strict=True) if name in ("arp", "vlan", "qinq")]
    assert_same(records, wanted)
    assert report["rx"]["filtered"] == len(frames) - len(wanted)


def test_filter_on_a_frame_of_several_segments(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(9216, 1), udp_of_size(9216, 2)])
    write_pcap(tmp_path / "jumbo.pcap", frames)
    # Byte 9,000 is in the fifth packet buffer.
    value = frames[0].data[9000]
    probe.capture(broker, "t", "-r", str(tmp_path / "jumbo.pcap"), f"ether[9000] == {value} and ether[49] == 1")
    assert_same(read_all(broker, "t"), frames[:1])


def test_count_is_exact_with_and_without_a_filter(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(64, i, flow=i % 2) for i in range(5000)], step_ns=1000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(broker, "all", "-r", str(tmp_path / "many.pcap"), "-c", "1777")
    assert report["rx"]["in"] == report["kafka"]["delivered"] == 1777
    assert_same(read_all(broker, "all"), frames[:1777])
    report = probe.capture(broker, "some", "-r", str(tmp_path / "many.pcap"), "-c", "1000", "udp src port 1001")
    assert report["kafka"]["delivered"] == 1000
    assert_same(read_all(broker, "some"), frames[1:2000:2])


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_times_beyond_2038_and_before_now(broker: str, tmp_path: Path, producer: str) -> None:
    times = [0, 1_000_000, START_NS, (2**31 + 5) * SECOND, (2**32 - 1) * SECOND]
    frames = [Frame(t, 64, udp_of_size(64, i)) for i, t in enumerate(times)]
    write_pcap(tmp_path / "times.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "times.pcap"), "--producer", producer)
    by_value = {r.value: r for r in read_all(broker, "t")}
    assert [int.from_bytes(by_value[f.data].key, "big") for f in frames] == [t // 1000 for t in times]
    # librdkafka takes 0 for "now", so the first millisecond of 1970 is dated as the second one.
    first = 0 if producer == "direct" else 1
    stamps = [by_value[f.data].timestamp_ms for f in frames]
    assert stamps[:3] == [first, 1, START_NS // 10**6]
    # A broker would reject the whole batch for a time that far ahead.
    assert report["rx"]["time_clamped"] == 2
    assert all(abs(stamp / 1000 - time.time()) < 60 for stamp in stamps[3:])


def test_timestamps_now(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "old.pcap", frames_of([udp_of_size(64)]))
    before = time.time()
    probe.capture(broker, "t", "-r", str(tmp_path / "old.pcap"), "--timestamps", "now")
    (record,) = read_all(broker, "t")
    assert before <= int.from_bytes(record.key, "big") / 1e6 <= time.time()


def test_several_files_at_once(broker: str, tmp_path: Path) -> None:
    files = []
    frames = []
    for number in range(5):
        part = frames_of([udp_of_size(64 + number, number * 1000 + i) for i in range(300)])
        write_pcap(tmp_path / f"{number}.pcap", part)
        files += ["-r", str(tmp_path / f"{number}.pcap")]
        frames += part
    report = probe.capture(broker, "t", *files)
    assert [source["in"] for source in report["sources"]] == [300] * 5
    assert Counter(r.value for r in read_all(broker, "t")) == Counter(f.data for f in frames)


def test_frames_larger_than_the_producer_takes_are_refused_and_counted(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(size) for size in (100, 800, 2000, 9000)])
    write_pcap(tmp_path / "sizes.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "sizes.pcap"), "-X", "message.max.bytes=1000")
    assert report["tx"]["refused"] == 2
    assert_same(read_all(broker, "t"), frames[:2])


def test_loss_is_exit_code_3_only_when_asked_for(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "large.pcap", frames_of([udp_of_size(9000)]))
    arguments = ("-r", str(tmp_path / "large.pcap"), "-X", "message.max.bytes=1000")
    probe.capture(broker, "t", *arguments)
    probe.capture(broker, "t", *arguments, "--fail-on-loss", status=3)


def test_cut_off_file_sends_what_it_has_and_says_so(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(500, i) for i in range(100)])
    write_pcap(tmp_path / "whole.pcap", frames)
    whole = (tmp_path / "whole.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-100])
    report = probe.capture(broker, "t", "-r", str(tmp_path / "cut.pcap"), status=1)
    assert report["kafka"]["delivered"] == 99
    assert_same(read_all(broker, "t"), frames[:-1])


def test_empty_but_valid_file(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "none.pcap", [])
    report = probe.capture(broker, "t", "-r", str(tmp_path / "none.pcap"))
    assert report["source"]["in"] == 0


def test_a_filter_that_only_the_kernel_can_run_is_refused(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "one.pcap", frames_of([udp_of_size(64)]))
    run = probe.fastcapa("capture", "-b", broker, "-t", "t", "-r", str(tmp_path / "one.pcap"), "inbound")
    assert run.status == 2
    assert run.stderr.startswith("fastcapa: filter 'inbound': works on kernel interfaces only")


def test_a_frame_larger_than_the_librarys_queue_does_not_block_the_others(broker: str, tmp_path: Path) -> None:
    frames = frames_of([udp_of_size(size, i) for i, size in enumerate([100, 1400, 200, 1500, 300])])
    write_pcap(tmp_path / "sizes.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "sizes.pcap"), "-X", "queue.buffering.max.kbytes=1")
    assert report["tx"]["refused"] == 2
    assert_same(read_all(broker, "t"), frames[::2])
