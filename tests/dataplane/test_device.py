"""DPDK devices that need no hardware: net_null, net_ring and net_pcap (net_af_xdp: tests/integration)."""

import time
from collections import Counter
from pathlib import Path

from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.mock_reader import read_all


def test_null_device_makes_exactly_the_wanted_number(broker: str) -> None:
    report = probe.capture(broker, "t", "--device", "net_null0,size=64", "-c", "50000")
    assert report["source"]["in"] == report["rx"]["in"] == 50_000
    # Nobody waits for a device: what the ring could not take is counted where it was lost.
    assert report["kafka"]["delivered"] + report["rx"]["ring_full_drops"] == 50_000
    records = read_all(broker, "t")
    assert len(records) == report["kafka"]["delivered"]
    assert {len(record.value) for record in records} == {64}


def test_full_bursts_are_fetched_again_and_counted(broker: str) -> None:
    arguments = ("--device", "net_null0,size=64", "-c", "6400", "--rx-burst", "32", "--rx-attempts", "4")
    report = probe.capture(broker, "t", *arguments)
    assert report["rx"]["full_bursts"] == 200  # this device always has a full burst


def test_overload_is_counted_to_the_packet(broker: str) -> None:
    report = probe.capture(
        broker, "t", "--device", "net_null0,size=512", "-c", "200000", "--tx-ring", "2", "--tx-burst", "1"
    )
    assert report["rx"]["ring_full_drops"] > 0
    assert report["kafka"]["delivered"] + report["rx"]["ring_full_drops"] == 200_000


def test_keys_are_the_time_of_receiving(broker: str) -> None:
    before = time.time()
    probe.capture(broker, "t", "--device", "net_null0,size=64", "-c", "1000")
    keys = [int.from_bytes(record.key, "big") / 1e6 for record in read_all(broker, "t")]
    assert keys
    assert before <= min(keys) <= max(keys) <= time.time()


def test_pcap_device_carries_every_byte(broker: str, tmp_path: Path) -> None:
    frames = [Frame(i * 10**9, 0, udp_of_size(60 + i % 1454, i)) for i in range(1500)]
    write_pcap(tmp_path / "in.pcap", [Frame(f.time_ns, len(f.data), f.data) for f in frames])
    report = probe.capture(broker, "t", "--device", f"net_pcap0,rx_pcap={tmp_path / 'in.pcap'}", "-c", "1500")
    assert report["rx"]["in"] == 1500
    delivered = Counter(record.value for record in read_all(broker, "t"))
    if report["rx"]["ring_full_drops"] == 0:
        assert delivered == Counter(f.data for f in frames)
    assert delivered <= Counter(f.data for f in frames)
    assert sum(delivered.values()) == report["kafka"]["delivered"]


def test_pcap_device_hands_over_jumbo_frames_whole(broker: str, tmp_path: Path) -> None:
    frames = [udp_of_size(9216, i) for i in range(20)]
    write_pcap(tmp_path / "jumbo.pcap", [Frame(0, len(f), f) for f in frames])
    probe.capture(broker, "t", "--device", f"net_pcap0,rx_pcap={tmp_path / 'jumbo.pcap'}", "-c", "20")
    assert Counter(record.value for record in read_all(broker, "t")) == Counter(frames)


def test_snaplen_and_filter_on_a_device(broker: str, tmp_path: Path) -> None:
    frames = [udp_of_size(9216, i, flow=i % 2) for i in range(20)]
    write_pcap(tmp_path / "jumbo.pcap", [Frame(0, len(f), f) for f in frames])
    device = f"net_pcap0,rx_pcap={tmp_path / 'jumbo.pcap'}"
    report = probe.capture(broker, "t", "--device", device, "-c", "10", "-s", "3000", "udp src port 1001")
    assert report["rx"]["truncated"] == report["kafka"]["delivered"] == 10
    assert Counter(record.value for record in read_all(broker, "t")) == Counter(f[:3000] for f in frames[1::2])


def test_ring_device_opens_and_drains(broker: str) -> None:
    report = probe.capture(broker, "t", "--device", "net_ring0", "--duration", "0.3")
    assert report["source"]["in"] == 0


def test_devices_that_cannot_be_opened(broker: str) -> None:
    for devargs, words in (("net_nonsense0", "no driver takes it"), ("0000:00:99.0", "No such device")):
        run = probe.fastcapa("capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", devargs)
        assert run.status == 1
        assert run.stderr.splitlines()[-1].startswith(f"fastcapa: cannot open DPDK device '{devargs}'")
        assert words in run.stderr


def test_more_descriptors_than_the_device_takes(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "one.pcap", [Frame(0, 64, udp_of_size(64))])
    run = probe.fastcapa(
        "capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", "net_null0", "--rx-descriptors", "40000"
    )
    assert run.status == 2
    assert "--rx-descriptors 40000" in run.stderr
    assert "32768" in run.stderr
