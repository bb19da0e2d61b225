"""Several rx queues on a capture file: whole conversations, the file's order in each queue, every frame once."""

from collections import Counter
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import TCP, UDP, VLAN, ip
from support.kafka_reader import Record
from support.message_headers import assert_ordered_in_partitions, by_queue, headers_of
from support.mock_reader import read_all

START_NS = 1_700_000_000 * 10**9
FLOWS = 60
Flow = tuple[int, bool, bool]


def conversation(flow: int, number: int, *, back: bool) -> bytes:
    """A frame of one of FLOWS conversations: IPv4 and IPv6, TCP and UDP, some of them tagged."""
    ends = ((f"10.0.{flow}.1", 40_000 + flow), ("192.0.2.1", 443))
    if flow % 3 == 0:
        ends = ((f"2001:db8::{flow + 1:x}", 40_000 + flow), ("2001:db8:1::1", 443))
    (source, source_port), (target, target_port) = reversed(ends) if back else ends
    return ip(
        UDP if flow % 2 else TCP,
        number.to_bytes(20, "big"),
        source=source,
        target=target,
        ports=(source_port, target_port),
        vlans=((VLAN, 5),) if flow % 5 == 0 else (),
    )


def conversations(count: int) -> list[Frame]:
    data = [conversation(i % FLOWS, i, back=i // FLOWS % 2 == 1) for i in range(count)]
    return [Frame(START_NS + i * 1001, len(d), d) for i, d in enumerate(data)]


def number_of(record: Record) -> int:
    return int.from_bytes(record.value[-20:], "big")


@pytest.mark.parametrize("queues", [1, 2, 4])
def test_conversations_stay_whole_and_in_order(broker: str, tmp_path: Path, queues: int) -> None:
    frames = conversations(6000)
    path = tmp_path / "many.pcap"
    write_pcap(path, frames, nanoseconds=True)
    report = probe.capture(broker, "t", "-r", str(path), "--rx-queues", str(queues), "--headers")
    records = read_all(broker, "t")
    assert sorted(map(number_of, records)) == list(range(len(frames)))
    assert_ordered_in_partitions(records)
    of_queue = by_queue(records)
    assert sorted(of_queue) == [(str(path), queue) for queue in range(queues)]
    queue_of_flow: dict[int, set[int]] = {flow: set() for flow in range(FLOWS)}
    for (_, queue), entries in of_queue.items():
        # The sequence has no gap, and follows the file.
        assert [headers.sequence for headers, _ in entries] == list(range(len(entries)))
        numbers = [number_of(record) for _, record in entries]
        assert numbers == sorted(numbers)
        for headers, record in entries:
            frame = frames[number_of(record)]
            assert record.value == frame.data
            assert (headers.time_ns, headers.length) == (frame.time_ns, frame.length)
            queue_of_flow[number_of(record) % FLOWS].add(queue)
        # Each queue has its worker and its ring, and a share of the work.
        (row,) = (row for row in report["workers"] if row["role"] == "rx" and row["queue"] == queue)
        assert row["in"] == row["out"] == len(entries) > len(frames) // queues // 3
        assert (row["missed"], row["errors"], row["no_mbuf"]) == (0, 0, 0)
    assert all(len(seen) == 1 for seen in queue_of_flow.values())
    assert [(row["queue"], row["in"]) for row in report["workers"] if row["role"] == "tx"] == [
        (queue, len(of_queue[str(path), queue])) for queue in range(queues)
    ]


def test_several_tx_workers_on_each_of_several_queues(broker: str, tmp_path: Path) -> None:
    frames = conversations(4000)
    write_pcap(tmp_path / "many.pcap", frames)
    options = ("--rx-queues", "3", "--tx-workers", "2", "--tx-ring", "64", "--tx-burst", "8", "--headers")
    report = probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"), *options)
    assert len(report["workers"]) == 9
    records = read_all(broker, "t")
    assert Counter(record.value for record in records) == Counter(frame.data for frame in frames)
    for entries in by_queue(records).values():
        assert [headers.sequence for headers, _ in entries] == list(range(len(entries)))


def test_count_is_exact_over_all_queues(broker: str, tmp_path: Path) -> None:
    frames = conversations(5000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"), "--rx-queues", "4", "-c", "1777")
    assert report["rx"]["in"] == report["kafka"]["delivered"] == 1777
    numbers = [number_of(record) for record in read_all(broker, "t")]
    assert len(set(numbers)) == len(numbers) == 1777


def test_filtered_packets_take_no_sequence(broker: str, tmp_path: Path) -> None:
    frames = conversations(3000)
    write_pcap(tmp_path / "many.pcap", frames)
    report = probe.capture(
        broker, "t", "-r", str(tmp_path / "many.pcap"), "--rx-queues", "2", "--headers", "udp or (vlan and udp)"
    )
    wanted = {i for i in range(len(frames)) if i % FLOWS % 2}
    assert report["rx"]["filtered"] == len(frames) - len(wanted)
    records = read_all(broker, "t")
    assert {number_of(record) for record in records} == wanted
    for entries in by_queue(records).values():
        assert [headers.sequence for headers, _ in entries] == list(range(len(entries)))


def test_snaplen_keeps_the_original_length(broker: str, tmp_path: Path) -> None:
    frames = conversations(200)
    write_pcap(tmp_path / "many.pcap", frames)
    probe.capture(broker, "t", "-r", str(tmp_path / "many.pcap"), "--headers", "-s", "40")
    for headers, record in (entry for entries in by_queue(read_all(broker, "t")).values() for entry in entries):
        assert record.value == frames[headers.sequence].data[:40]
        assert headers.length == frames[headers.sequence].length


def test_without_the_option_there_are_no_headers(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "few.pcap", conversations(10))
    probe.capture(broker, "t", "-r", str(tmp_path / "few.pcap"))
    assert [record.headers for record in read_all(broker, "t")] == [[]] * 10


def test_a_damaged_file_fails_once_for_all_queues(broker: str, tmp_path: Path) -> None:
    frames = conversations(1000)
    write_pcap(tmp_path / "whole.pcap", frames)
    (tmp_path / "cut.pcap").write_bytes((tmp_path / "whole.pcap").read_bytes()[:-30])
    path = tmp_path / "cut.pcap"
    run = probe.fastcapa(
        "capture", "-b", broker, "-t", "t", "-r", str(path), "--rx-queues", "3", "--oversubscribe", "--report", "-"
    )
    assert run.status == 1
    probe.assert_identity(run.report)
    assert run.stderr.count("truncated dump file") == 1, run.stderr
    assert sorted(map(number_of, read_all(broker, "t"))) == list(range(999))


def test_more_queues_than_there_can_be_are_refused(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "few.pcap", conversations(10))
    arguments = ("capture", "-b", broker, "-t", "t", "-r", str(tmp_path / "few.pcap"), "--oversubscribe")
    run = probe.fastcapa(*arguments, "--rx-queues", "65")
    assert run.status == 2
    assert run.stderr == "fastcapa: --rx-queues 65: input should be less than or equal to 64\n"
    run = probe.fastcapa(*arguments, "--rx-queues", "64", "--tx-workers", "2")
    assert run.status == 2
    assert "--rx-queues 64 of 1 sources, each with --tx-workers 2, are 192 workers; DPDK takes 127" in run.stderr


def test_headers_of_two_sources_name_them(broker: str, tmp_path: Path) -> None:
    frames = conversations(300)
    for name in ("one", "two"):
        write_pcap(tmp_path / f"{name}.pcap", frames)
    sources = ("-r", str(tmp_path / "one.pcap"), "-r", str(tmp_path / "two.pcap"))
    probe.capture(broker, "t", *sources, "--rx-queues", "2", "--headers")
    records = read_all(broker, "t")
    assert Counter(headers_of(record).interface for record in records) == {
        str(tmp_path / "one.pcap"): 300,
        str(tmp_path / "two.pcap"): 300,
    }
