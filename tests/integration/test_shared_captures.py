"""Every frame of the shared captures through Apache Kafka and back, byte for byte."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MakeTopic
from support.capture_files import Frame, read_capture
from support.kafka_reader import Record, read_all
from support.message_headers import by_queue
from support.probe import capture, fastcapa
from support.shared_captures import Expected, captures_directory, digest, manifest

FRAMES = 8510
FUTURE_FRAMES = 30
FILES_PER_PROBE = 24
# What a broker may not see ahead of its clock is an hour; the probe stays five minutes below it.
AHEAD_MAX_S = 55 * 60
# The fraction of a second of one of its frames is beyond all seconds; a reader may make of it what it wants.
DAMAGED_TIME = "rx_serviceid_oobr.pcap"
# Names as `tcpdump -L` has them, by the number in the file's header.
LINK_TYPES = {0: "NULL", 9: "PPP", 105: "IEEE802_11", 107: "FRELAY", 113: "LINUX_SLL", 127: "IEEE802_11_RADIO"}


@dataclass(frozen=True)
class Passed:
    """A file that went through a probe, when, and what became of it."""

    file: Expected
    received: int
    clamped: int
    records: Sequence[Record]
    began: float
    ended: float


def pass_through(bootstrap: str, topic: str, files: Sequence[Expected], producer: str) -> list[Passed]:
    """Capture files with one probe, into a topic of their own."""
    sources = [word for file in files for word in ("-r", str(file.path))]
    few = ("--tx-ring", "256", "--buffer-memory", "8")
    began = time.time()
    report = capture(bootstrap, topic, *sources, "--headers", "--producer", producer, *few)
    ended = time.time()
    queues = by_queue(read_all(bootstrap, topic))
    assert set(queues) <= {(str(file.path), 0) for file in files}
    passed = []
    for number, file in enumerate(files):
        entries = queues.get((str(file.path), 0), [])
        assert [headers.sequence for headers, _ in entries] == list(range(len(entries)))
        (row,) = (row for row in report["workers"] if (row["role"], row["source"]) == ("rx", str(file.path)))
        received, clamped = report["sources"][number]["in"], row["time_clamped"]
        passed.append(Passed(file, received, clamped, [record for _, record in entries], began, ended))
    return passed


def frames_differ(run: Passed) -> str:
    """Why a file's frames are not those of the manifest; "" if they are."""
    values = [record.value for record in run.records]
    if len(values) != run.file.frames or run.received != run.file.frames:
        return f"{run.file.path.name}: {len(values)} frames, not {run.file.frames}"
    if sum(map(len, values)) != run.file.bytes:
        return f"{run.file.path.name}: {sum(map(len, values))} bytes, not {run.file.bytes}"
    return "" if digest(values) == run.file.sha256 else f"{run.file.path.name}: other bytes"


def times_differ(run: Passed, create_ms_min: int) -> str:
    """Why keys or CreateTimes are not what the reference parser's times ask for; "" if they are."""
    clamped = 0
    for number, (frame, record) in enumerate(zip(read_capture(run.file.path), run.records, strict=True)):
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
        elif record.timestamp_ms != max(key_us // 1000, create_ms_min):
            return f"{place}: CreateTime {record.timestamp_ms} with key {key_us}"
    return "" if clamped == run.clamped else f"{run.file.path.name}: {run.clamped} counted as clamped, not {clamped}"


# librdkafka takes a CreateTime of 0 for "now", so such packets get 1.
@pytest.mark.parametrize(("producer", "create_ms_min"), [("direct", 0), ("librdkafka", 1)])
@pytest.mark.timeout(600)
def test_every_file_arrives_as_it_is(kafka: str, make_topic: MakeTopic, producer: str, create_ms_min: int) -> None:
    files = manifest()
    shares = [files[at : at + FILES_PER_PROBE] for at in range(0, len(files), FILES_PER_PROBE)]
    topics = [make_topic(partitions=1) for _ in shares]
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(pass_through, itertools.repeat(kafka), topics, shares, itertools.repeat(producer))
    passed = [file for run in runs for file in run]
    assert sum(len(run.records) for run in passed) == FRAMES
    assert sum(run.clamped for run in passed) == FUTURE_FRAMES
    assert [problem for run in passed if (problem := frames_differ(run))] == []
    assert [problem for run in passed if (problem := times_differ(run, create_ms_min))] == []


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
