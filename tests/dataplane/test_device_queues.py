"""DPDK devices with several rx queues: each with its worker and its ring, whole, in order."""

from collections import Counter
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.message_headers import assert_ordered_in_partitions, by_queue
from support.mock_reader import read_all
from support.numbered import NUMBER

FRAMES = 900


def number_of(value: bytes) -> int:
    return int.from_bytes(value[NUMBER], "big")


def rx_rows(report: probe.Report) -> list[dict[str, int]]:
    return [row for row in report["workers"] if row["role"] == "rx"]


@pytest.mark.parametrize("queues", [2, 4])
def test_null_device(broker: str, queues: int) -> None:
    device = ("--device", "net_null0,size=64", "--rx-queues", str(queues))
    report = probe.capture(broker, "t", *device, "-c", "20000", "--headers")
    assert report["rx"]["in"] == 20_000
    assert report["kafka"]["delivered"] + report["rx"]["ring_full_drops"] == 20_000
    rows = rx_rows(report)
    assert [row["queue"] for row in rows] == list(range(queues))
    records = read_all(broker, "t")
    assert {record.value for record in records} == {bytes(64)}
    assert_ordered_in_partitions(records)
    assert {queue: len(entries) for (_, queue), entries in by_queue(records).items()} == {
        row["queue"]: row["out"] for row in rows if row["out"]
    }


@pytest.mark.parametrize("queues", [2, 4])
def test_pcap_device_has_a_queue_for_each_file(broker: str, tmp_path: Path, queues: int) -> None:
    device = "net_pcap0"
    sent: dict[int, list[bytes]] = {}
    for queue in range(queues):
        # Some longer than a packet buffer.
        sent[queue] = [udp_of_size(60 + 37 * i % 9157, 1000 * queue + i, flow=queue) for i in range(FRAMES)]
        write_pcap(tmp_path / f"{queue}.pcap", [Frame(i, len(data), data) for i, data in enumerate(sent[queue])])
        device += f",rx_pcap={tmp_path / f'{queue}.pcap'}"
    arguments = ("--device", device, "--rx-queues", str(queues), "-c", str(queues * FRAMES), "--tx-ring", "4096")
    report = probe.capture(broker, "t", *arguments, "--headers")
    records = read_all(broker, "t")
    assert report["source"]["in"] == report["kafka"]["delivered"] == queues * FRAMES
    assert_ordered_in_partitions(records)
    of_queue = by_queue(records)
    for row in rx_rows(report):
        entries = of_queue[device, row["queue"]]
        assert [record.value for _, record in entries] == sent[row["queue"]]
        assert [headers.sequence for headers, _ in entries] == list(range(FRAMES))
        assert [headers.length for headers, _ in entries] == [len(data) for data in sent[row["queue"]]]
        assert row["in"] == row["out"] == FRAMES


def test_what_a_device_does_not_have_is_refused(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "one.pcap", [Frame(0, 64, udp_of_size(64))])
    pcap = f"net_pcap0,rx_pcap={tmp_path / 'one.pcap'}"
    for arguments, words in (
        (("--device", pcap, "--rx-queues", "2"), ("2 rx queues", "has 1", "rx_pcap=")),
        (("--device", "net_ring0", "--rx-queues", "17"), ("17 rx queues", "has 16", "--rx-queues 16")),
        (("--device", "net_null0,size=3000"), ("3000 bytes", "2048", "size=")),
        (("--device", "net_null0", "--rx-burst", "20"), ("--rx-burst 20", "multiple of 8", "24")),
    ):
        run = probe.fastcapa("capture", "-b", broker, "-t", "t", "--oversubscribe", *arguments)
        assert run.status == 2, run.stderr
        for word in words:
            assert word in run.stderr.splitlines()[-1]


def test_a_check_knows_the_limits_of_devices(tmp_path: Path) -> None:
    write_pcap(tmp_path / "one.pcap", [Frame(0, 64, udp_of_size(64))])
    options = ("capture", "-b", "127.0.0.1:1", "-t", "t", "--oversubscribe", "--check", "--device")
    for arguments, words in (
        ((f"net_pcap0,rx_pcap={tmp_path / 'one.pcap'}", "--rx-queues", "2"), "2 rx queues asked for, the device has 1"),
        (("net_ring0", "--rx-queues", "17"), "17 rx queues asked for, the device has 16"),
        (("net_nonsense0",), "no driver takes it"),
    ):
        run = probe.fastcapa(*options, *arguments)
        assert (run.status, run.stdout) == (2, "")
        assert words in run.stderr
    run = probe.fastcapa(*options, "net_ring0", "--rx-queues", "16")
    assert run.status == 0
    assert "# net_ring0 queue 15: rx and tx on any CPU" in run.stdout.splitlines()


def test_the_log_says_how_packets_spread_and_what_stamps_them(broker: str) -> None:
    run = probe.fastcapa(
        "capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", "net_null0", "--rx-queues", "2", "-c", "9"
    )
    assert run.status == 0
    assert "net_null0: 2 rx queues; each queue makes its own packets" in run.stderr
    assert "timestamps of net_null0: rx worker's clock, per fetch, 1 ns" in run.stderr


def test_extended_statistics_on_request(broker: str) -> None:
    device = ("--device", "net_null0,size=64", "-c", "3200", "--rx-burst", "32")
    (source,) = probe.capture(broker, "t", *device, "--xstats")["sources"]
    assert source["xstats"]["rx_good_packets"] >= 3200
    assert source["xstats_left_out"] == 0
    assert all(source["xstats"].values())
    assert "xstats" not in probe.capture(broker, "t", *device)["sources"][0]


def test_a_filter_is_compiled_or_the_log_says_why_not(broker: str, tmp_path: Path) -> None:
    frames = [udp_of_size(3000, i, flow=i % 4) for i in range(200)]
    write_pcap(tmp_path / "in.pcap", [Frame(0, len(f), f) for f in frames])
    device = ("--device", f"net_pcap0,rx_pcap={tmp_path / 'in.pcap'}", "--duration", "1", "--tx-ring", "4096")
    for topic, words, said, wanted in (
        ("a", "udp src port 1002 and ether[2999] >= 0", "the filter is compiled", frames[2::4]),
        ("b", "udp[udp[4:2] - 1] >= 0 and src port 1001", "interpreted by libpcap", frames[1::4]),
    ):
        run = probe.fastcapa("capture", "-b", broker, "-t", topic, "--oversubscribe", "--report", "-", *device, words)
        assert said in run.stderr
        probe.assert_identity(run.report)
        assert run.report["rx"]["filtered"] == 200 - len(wanted)
        assert Counter(record.value for record in read_all(broker, topic)) == Counter(wanted)
