"""Captures under constant load while something goes wrong with Kafka, and what they have to show for it afterwards.

Several captures see the same frames, each into its own topic: both producers, and the direct one both where it may go
around a partition in trouble (sticky) and where it has to wait for it (flow). Topics are stamped by their brokers, so
that it can be read from them when something was written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from signal import SIGTERM

from kafka.errors import KafkaError

from fastcapa import stats
from support import topics
from support.kafka_reader import Record, read_all
from support.live import Live
from support.load import Load
from support.netns import Namespace
from support.numbered import NUMBER
from support.probe import Report
from support.trio import Trio

RATE = 1000
LANES = {
    "direct": ("--producer", "direct"),
    "direct, flow": ("--producer", "direct", "--partition", "flow"),
    "librdkafka": ("--producer", "librdkafka"),
}
# Beyond what the engine has when it starts. The direct producer's memory is all there from the beginning; the
# library's queue grows to queue.buffering.max.kbytes, and what it keeps of each message.
GROWTH_MIB_MAX = {"direct": 24, "librdkafka": 160}
# What is said of an outage, however long: its causes, per broker, and that they are over. The library says more.
LINES_MAX = {"direct": 40, "librdkafka": 150}
# `make test-faults` names the file that the rows of the table are collected in.
COLLECT = "FASTCAPA_FAULTS"


@dataclass(frozen=True)
class Row:
    """What one capture made of one fault. Times in seconds, memory in MiB."""

    fault: str
    test: str
    producer: str
    sent: int
    lost: int
    """Frames that are not in the topic."""
    counted: dict[str, int]
    """What the probe says was lost, by cause."""
    duplicated: int
    out_of_order: int
    recovery_s: float
    """From the end of the fault until each partition was written to again."""
    silence_s: float
    """The longest time that a partition was not written to."""
    ring_full_drops: int
    stall_ms: float
    """The longest time between two fetches of the rx worker."""
    rss_mib: int
    growth_mib: int
    retries: int
    lines: int

    @property
    def nothing_lost(self) -> bool:
        return (self.lost, self.counted, self.duplicated, self.out_of_order) == (0, {}, 0, 0)


@dataclass
class Lane:
    """One capture."""

    name: str
    topic: str
    live: Live
    start_mib: int
    lines: list[str] = field(default_factory=list)
    status: int = 0
    report: Report = field(default_factory=dict)
    row: Row | None = None


@dataclass
class Trial:
    """A fault, while it happens."""

    bootstrap: str
    lanes: list[Lane]
    load: Load
    ended_ns: int = 0
    first: int = 0
    """Frames before this one do not count: what they were written into is gone."""

    @property
    def topics(self) -> list[str]:
        return [lane.topic for lane in self.lanes]

    def more(self, count: int = RATE, timeout: float = 90) -> None:
        """Wait until each topic has so many more records."""
        wanted = {topic: self._until_told(topic, 0) + count for topic in self.topics}
        for topic, number in wanted.items():
            self._until_told(topic, number, timeout)

    def _until_told(self, topic: str, at_least: int, timeout: float = 90) -> int:
        """How many records the topic has, when they are so many. The reader's own time-outs are not what is tested."""
        deadline = time.monotonic() + timeout
        while True:
            with suppress(KafkaError):
                found = topics.records_in(self.bootstrap, topic)
                if found >= at_least:
                    return found
            assert time.monotonic() < deadline, f"not within {timeout} s"
            time.sleep(0.01)

    def fault_ended(self) -> None:
        """From now on everything is as it should be."""
        self.ended_ns = time.time_ns()

    @property
    def rows(self) -> dict[str, Row]:
        return {lane.name: lane.row for lane in self.lanes if lane.row is not None}


@contextmanager
def under_load(
    trio: Trio,
    directory: Path,
    fault: str,
    *words: str,
    clients: str | None = None,
    inside: Namespace | None = None,
    own_words: Mapping[str, tuple[str, ...]] | None = None,
    names: Collection[str] = tuple(LANES),
) -> Iterator[Trial]:
    """Inside, captures of these lanes run and have records; then they have more, end, and have their rows.

    `clients`: the brokers' address that captures are told, if not the usual one. `inside`: where they run, likewise.
    `own_words` are for one of the producers only.
    """
    lanes: list[Lane] = []
    inside = inside or trio.inside
    try:
        for name in names:
            lane_words = LANES[name]
            topic = trio.topic()
            place = directory / name.replace(", ", "-")
            place.mkdir()
            own = (own_words or {}).get(lane_words[1], ())
            options = (*lane_words, *words, *own)
            live = Live.begin(clients or trio.bootstrap, topic, *options, directory=place, inside=inside)
            lanes.append(Lane(name, topic, live, _memory_mib(live.engine, "VmRSS")))
        with Load(inside, rate=RATE) as load:
            trial = Trial(trio.bootstrap, lanes, load)
            trial.more()
            yield trial
            trial.more()
        peaks = {lane.name: _memory_mib(lane.live.engine, "VmHWM") for lane in lanes}
        for lane in lanes:
            lane.live.signal(SIGTERM)
        for lane in lanes:
            run = lane.live.ended()
            lane.lines, lane.status = run.stderr.splitlines(), run.status
            (lane.live.path.parent / "stderr").write_text(run.stderr)
            lane.report = lane.live.report()
    finally:
        for lane in lanes:
            if lane.live.process.poll() is None:  # the test has failed: what did it say?
                lane.live.process.kill()
                (lane.live.path.parent / "stderr").write_text(lane.live.process.communicate()[1])
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].partition(" ")[0].removeprefix("test_")
    for lane in lanes:
        lane.row = _row(trial, lane, fault, test, peaks[lane.name])
        collect(lane.row)
        assert len(lane.lines) <= LINES_MAX[LANES[lane.name][1]], lane.lines
        assert lane.row.growth_mib <= GROWTH_MIB_MAX[LANES[lane.name][1]], lane.row


def assert_nothing_lost(trial: Trial, *but: str) -> None:
    """Every frame is in each topic once, in order in its partition, and nothing else was counted.

    `but` are lanes for which that does not hold.
    """
    for lane in trial.lanes:
        if lane.name in but:
            continue
        assert lane.row is not None
        assert lane.row.nothing_lost, (lane.row, lane.lines)
        assert lane.status == 0, lane.lines


def collect(row: Row) -> None:
    """Add the row to those of the table, if one is being made."""
    if path := os.environ.get(COLLECT):
        with Path(path).open("a") as rows:
            rows.write(json.dumps(asdict(row)) + "\n")


def _row(trial: Trial, lane: Lane, fault: str, test: str, peak_mib: int) -> Row:
    report, load = lane.report, trial.load
    records = read_all(trial.bootstrap, lane.topic)
    numbers = [int.from_bytes(record.value[NUMBER]) for record in records]
    for number, record in zip(numbers, records, strict=True):
        assert record.value == load.frame(number), "altered"
    last: dict[int, int] = {}
    behind = 0
    for number, record in zip(numbers, records, strict=True):
        behind += number < last.get(record.partition, -1)
        last[record.partition] = number
    assert report["source"]["in"] == load.sent, lane.name
    recovery_s, silence_s = _times(records, trial.ended_ns / 1e9)
    return Row(
        fault=fault,
        test=test,
        producer=lane.name,
        sent=load.sent,
        lost=len(set(range(trial.first, load.sent)) - set(numbers)),
        counted={cause: count for cause, count in stats.losses(report).items() if count},
        duplicated=len(numbers) - len(set(numbers)),
        out_of_order=behind,
        recovery_s=recovery_s,
        silence_s=silence_s,
        ring_full_drops=report["rx"]["ring_full_drops"],
        stall_ms=max(row["longest_gap_ns"] for row in report["workers"] if row["role"] == "rx") / 1e6,
        rss_mib=peak_mib,
        growth_mib=peak_mib - lane.start_mib,
        retries=report["kafka"]["retries"],
        lines=len(lane.lines),
    )


def _times(records: list[Record], ended: float) -> tuple[float, float]:
    """Recovery and silence, of the partition where each was longest."""
    recovery = silence = 0.0
    for partition in {record.partition for record in records}:
        written = [record.timestamp_ms / 1e3 for record in records if record.partition == partition]
        silence = max([silence, *(after - before for before, after in pairwise(written))])
        recovery = max(recovery, min((at for at in written if at >= ended), default=ended) - ended)
    return round(recovery, 2), round(silence, 2)


def _memory_mib(process: int, name: str) -> int:
    """A line of /proc/PID/status, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) >> 10
