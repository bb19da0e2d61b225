"""The source of frames in memory, and the benchmark that is made of it."""

import ipaddress
import json
from collections import Counter
from pathlib import Path

import pytest
from support import probe
from support.mock_reader import read_all

from fastcapa.capture import Capture
from fastcapa.config import CaptureConfig, validate
from fastcapa.signals import Stop
from fastcapa.stats import Report


def config(broker: str, frame_bytes: int, packets: int, **values: object) -> CaptureConfig:
    source = {"kind": "memory", "name": "memory", "frame_bytes": frame_bytes, "packets": packets}
    properties = {"bootstrap.servers": broker}
    return validate({"sources": [source], "topic": "t", "properties": properties, "oversubscribe": True, **values})


def run(broker: str, frame_bytes: int, packets: int, **values: object) -> Report:
    report = Capture(config(broker, frame_bytes, packets, **values), lambda *_: None).run(Stop()).report
    probe.assert_identity(report)
    return report


def checksum_ok(header: bytes) -> bool:
    total = sum(int.from_bytes(header[k : k + 2], "big") for k in range(0, len(header), 2))
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_it_gives_exactly_so_many_frames_and_waits_for_the_ring(broker: str) -> None:
    report = run(broker, 64, 30_000, tx_ring=64)
    assert report["source"]["in"] == report["kafka"]["delivered"] == 30_000
    assert report["rx"]["ring_full_drops"] == 0
    assert len(read_all(broker, "t")) == 30_000


@pytest.mark.parametrize("size", [60, 512, 2048])
def test_frames_are_real_ones_of_thousands_of_flows(broker: str, size: int) -> None:
    run(broker, size, 6000)
    frames = [record.value for record in read_all(broker, "t")]
    assert len(frames) == 6000
    flows = set()
    for frame in frames:
        assert len(frame) == size
        assert frame[12:14] == b"\x08\x00"
        assert int.from_bytes(frame[16:18], "big") == size - 14
        assert checksum_ok(frame[14:34])
        assert int.from_bytes(frame[38:40], "big") == size - 34
        flows.add((ipaddress.IPv4Address(frame[26:30]), frame[34:36]))
    assert len(flows) > 3000
    # Each flow has a payload of its own, and keeps it.
    assert len(set(frames)) == len(flows) == len({frame[42:] for frame in frames})


def test_queues_share_the_packets(broker: str) -> None:
    report = run(broker, 64, 10_001, rx_queues=3)
    assert report["kafka"]["delivered"] == 10_001
    assert [w["in"] for w in report["workers"] if w["role"] == "rx"] == [3334, 3334, 3333]


def test_snaplen_filter_and_count_leave_the_frames_as_they_were(broker: str) -> None:
    report = run(broker, 512, 20_000, snaplen=100, count=9000, filter="udp port 443 and src net 10.0.0.0/8")
    assert report["kafka"]["delivered"] == report["rx"]["truncated"] == 9000
    assert {len(record.value) for record in read_all(broker, "t")} == {100}
    assert run(broker, 512, 3000, filter="tcp")["rx"]["filtered"] == 3000


def test_what_a_run_cost_is_in_its_report(broker: str) -> None:
    report = run(broker, 64, 50_000)
    cost = report["cost"]
    workers = sum(worker["cpu_time_ns"] for worker in report["workers"]) / 1e9
    assert 0 < workers < cost["cpu_seconds"]
    assert 0 < cost["delivery_seconds"] <= report["seconds"]
    for worker in report["workers"]:
        assert 0 < worker["busy_cycles"] < cost["cycles_per_second"] * report["seconds"] * 1.1


def test_no_packets_at_all(broker: str) -> None:
    assert run(broker, 64, 0)["source"]["in"] == 0


def test_bench_measures_what_it_says(tmp_path: Path) -> None:
    json_file, program = tmp_path / "bench.json", tmp_path / "floor"
    program.write_text('#!/bin/sh\necho "$1"\n')
    program.chmod(0o755)
    result = probe.fastcapa(
        *("bench", "--sizes", "64,1500", "--compression", "none,lz4"),
        *("--partitions", "3", "--partition", "flow", "--packets", "3000", "--runs", "2"),
        *("--floor", str(program), "--json", str(json_file), "--plot", str(tmp_path / "bench.png")),
    )
    assert result.status == 0, result.stderr
    made = json.loads(json_file.read_text())
    assert set(made) == {"schema", "machine", "broker", "results", "floor_ns_per_packet"}
    assert made["floor_ns_per_packet"] == {"64": 64, "1500": 1500}
    keys = [(r["producer"], r["frame_bytes"], r["compression"], r["partitions"]) for r in made["results"]]
    assert Counter(keys) == Counter(
        (producer, size, compression, 3)
        for producer in ("librdkafka", "direct")
        for size in (64, 1500)
        for compression in ("none", "lz4")
    )
    for row in made["results"]:
        assert (row["packets"], row["runs"]) == (3000, 2)
        assert row["cpu_ns_per_packet"] > row["rx_busy_ns_per_packet"] * 0.1 > 0
        assert row["tx_busy_ns_per_packet"] > 0
        assert row["packets_per_s"] > 0
    assert "librdkafka" in result.stdout
    assert "direct" in result.stdout
    assert (tmp_path / "bench.png").stat().st_size > 0


def test_bench_into_a_broker_of_the_users(broker: str) -> None:
    arguments = ("-b", broker, "-t", "mine", "--sizes", "64", "--packets", "2000", "--runs", "1", "--json", "-")
    result = probe.fastcapa("bench", "--producers", "librdkafka", *arguments)
    assert result.status == 0, result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert row["partitions"] == 4
    assert len(read_all(broker, "mine")) == 2000


def test_bench_fails_when_not_everything_is_delivered(broker: str) -> None:
    options = ("-X", "message.max.bytes=1000", "--sizes", "1500", "--packets", "100", "--runs", "1")
    result = probe.fastcapa("bench", "--producers", "librdkafka", "-b", broker, "-t", "small", *options)
    assert result.status == 1
    assert result.stderr.splitlines()[-1] == (
        "fastcapa: bench: librdkafka, 1500 bytes, none, 4 partitions: 0 of 100 packets delivered, 100 refused;"
        " what it cost means nothing"
    )
