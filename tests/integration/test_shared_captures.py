"""Every frame of the shared captures through Apache Kafka and back, byte for byte."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MakeTopic
from support.capture_files import Frame, read_capture
from support.kafka_reader import Record, read_all
from support.probe import Report, capture, fastcapa
from support.shared_captures import Expected, captures_directory, digest, manifest

FRAMES = 8510
FUTURE_FRAMES = 30
PROBES = 4
# What a broker may not see ahead of its clock is an hour; the probe stays five minutes below it.
AHEAD_MAX_S = 55 * 60
# The fraction of a second of one of its frames is beyond all seconds; a reader may make of it what it wants.
DAMAGED_TIME = "rx_serviceid_oobr.pcap"
# Names as `tcpdump -L` has them, by the number in the file's header.
LINK_TYPES = {0: "NULL", 9: "PPP", 105: "IEEE802_11", 107: "FRELAY", 113: "LINUX_SLL", 127: "IEEE802_11_RADIO"}


@dataclass(frozen=True)
class Passed:
    """A file that went through the probe, and when."""

    file: Expected
    report: Report
    began: float
    ended: float


def pass_through(bootstrap: str, topic: str, files: Sequence[Expected]) -> list[Passed]:
    """Capture file after file into a topic of one partition, where they lie in this order."""
    passed = []
    for file in files:
        began = time.time()
        report = capture(bootstrap, topic, "-r", str(file.path))
        passed.append(Passed(file, report, began, time.time()))
    return passed


def cut(records: Sequence[Record], passed: Sequence[Passed]) -> list[tuple[Passed, Sequence[Record]]]:
    """The records of each file."""
    pieces, at = [], 0
    for run in passed:
        count = run.report["kafka"]["delivered"]
        pieces.append((run, records[at : at + count]))
        at += count
    assert at == len(records)
    return pieces


def frames_differ(run: Passed, records: Sequence[Record]) -> str:
    """Why a file's frames are not those of the manifest; "" if they are."""
    values = [record.value for record in records]
    if len(values) != run.file.frames or run.report["source"]["in"] != run.file.frames:
        return f"{run.file.path.name}: {len(values)} frames, not {run.file.frames}"
    if sum(map(len, values)) != run.file.bytes or run.report["kafka"]["bytes"] != run.file.bytes:
        return f"{run.file.path.name}: {sum(map(len, values))} bytes, not {run.file.bytes}"
    return "" if digest(values) == run.file.sha256 else f"{run.file.path.name}: other bytes"


def times_differ(run: Passed, records: Sequence[Record]) -> str:
    """Why keys or CreateTimes are not what the reference parser's times ask for; "" if they are."""
    clamped = 0
    for number, (frame, record) in enumerate(zip(read_capture(run.file.path), records, strict=True)):
        place = f"{run.file.path.name}, frame {number}"
        (key_us,) = struct.unpack(">Q", record.key)
        if key_us != frame.time_ns // 1000 and run.file.path.name != DAMAGED_TIME:
            return f"{place}: key {key_us}, not {frame.time_ns // 1000}"
        if key_us >= 1 << 63:
            return f"{place}: key {key_us} is beyond all dates"
        if record.timestamp_type != 0:
            return f"{place}: not CreateTime"
        if key_us / 1e6 > run.ended + AHEAD_MAX_S:
            clamped += 1
            if not run.began - 0.001 <= record.timestamp_ms / 1e3 <= run.ended:
                return f"{place}: CreateTime {record.timestamp_ms} is not the time of the run"
        # Kafka's clients take 0 for "now".
        elif record.timestamp_ms != max(key_us // 1000, 1):
            return f"{place}: CreateTime {record.timestamp_ms} with key {key_us}"
    counted = run.report["rx"]["time_clamped"]
    return "" if clamped == counted else f"{run.file.path.name}: {counted} counted as clamped, not {clamped}"


@pytest.mark.timeout(900)
def test_every_file_arrives_as_it_is(kafka: str, make_topic: MakeTopic) -> None:
    files = manifest()
    # Some probes at a time, each with its own topic of one partition: that keeps the order.
    shares = [files[first::PROBES] for first in range(PROBES)]
    topics = [make_topic(partitions=1) for _ in shares]
    with ThreadPoolExecutor(PROBES) as pool:
        runs = list(pool.map(pass_through, [kafka] * PROBES, topics, shares))
    pieces = [
        piece for topic, passed in zip(topics, runs, strict=True) for piece in cut(read_all(kafka, topic), passed)
    ]
    assert sum(run.report["kafka"]["delivered"] for run, _ in pieces) == FRAMES
    assert sum(run.report["rx"]["time_clamped"] for run, _ in pieces) == FUTURE_FRAMES
    assert [problem for piece in pieces if (problem := frames_differ(*piece))] == []
    assert [problem for piece in pieces if (problem := times_differ(*piece))] == []


def test_many_files_at_once(kafka: str, topic: str) -> None:
    files = manifest()[::16]
    frames = [frame for file in files for frame in read_capture(file.path)]
    sources = [word for file in files for word in ("-r", str(file.path))]
    report = capture(kafka, topic, *sources, "--tx-ring", "256")
    assert [source["in"] for source in report["sources"]] == [file.frames for file in files]
    records = read_all(kafka, topic)
    arrived = Counter((struct.unpack(">Q", record.key)[0], record.value) for record in records)
    assert arrived == Counter((frame.time_ns // 1000, frame.data) for frame in frames)


def test_another_link_type_is_refused_by_name(kafka: str) -> None:
    files = sorted((captures_directory() / "other-linktypes").iterdir())
    assert len(files) == 12
    for file in files:
        name = LINK_TYPES[next(read_capture(file)).linktype]
        run = fastcapa("capture", "-b", kafka, "-t", "other-link-types", "-r", str(file))
        assert (run.status, run.stdout) == (1, "")
        assert run.stderr.startswith(f"fastcapa: {file}: link type is {name} ("), run.stderr
        assert len(run.stderr.splitlines()) == 1
    # Not even the topic was made.
    with pytest.raises(LookupError):
        read_all(kafka, "other-link-types")


def ordered(path: Path) -> bool:
    times = [frame.time_ns for frame in read_capture(path)]
    return times == sorted(times) and times[-1] < 2**32 * 10**9


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_read_gives_the_file_back(kafka: str, topic: str, tmp_path: Path, suffix: str) -> None:
    # Only what is in order in the file can be put in order again when it comes from four partitions.
    file = max((file for file in manifest() if file.frames and ordered(file.path)), key=lambda file: file.frames)
    capture(kafka, topic, "-r", str(file.path), "-X", "batch.num.messages=7")
    assert len({record.partition for record in read_all(kafka, topic)}) == 4
    back = tmp_path / f"back.{suffix}"
    run = fastcapa("read", "-b", kafka, "-t", topic, "-w", str(back))
    assert run.status == 0, run.stderr
    assert f"{file.frames} packets read, {file.frames} written" in run.stderr
    assert contents(back) == contents(file.path)


def contents(path: Path) -> list[tuple[int, bytes]]:
    return [microseconds(frame) for frame in read_capture(path)]


def microseconds(frame: Frame) -> tuple[int, bytes]:
    return frame.time_ns // 1000, frame.data
