"""What a soak has to show: every frame accounted for, once, in order, byte for byte; and nothing that grows."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from fastcapa import stats
from support.kafka_reader import iterate
from support.load import Load
from support.numbered import NUMBER
from support.soak.lanes import Lane
from support.soak.samples import Sample

READ_S = 1200
BIN_S = 5
# Between the second and the last quarter of a run, KiB and pieces. Memory of the library's queue comes and goes.
GROWTH_MAX = {
    "supervisor_kib": 4 << 10,
    "supervisor_descriptors": 2,
    "supervisor_threads": 2,
    "engine_kib": 12 << 10,
    "engine_descriptors": 3,
    "engine_threads": 3,
}
LIBRARY_KIB = 96 << 10


@dataclass(frozen=True)
class Latency:
    """From the receive time of frames to their broker's clock when it wrote them; of those received in some seconds."""

    seconds: float
    median_ms: float
    longest_ms: float


@dataclass
class Verdict:
    """Of one lane."""

    lane: str
    sent: int
    captured: int
    arrived: int
    counted: dict[str, int]
    """What the probe says was lost, by cause."""
    unseen: int
    """Frames that no engine saw: none ran, or it died before its next snapshot."""
    fatal: bool
    """The library has given up before the end."""
    restarts: int
    retries: int
    written: int
    """Packets that were on the disk."""
    growth: dict[str, list[float]] = field(default_factory=dict)
    """See growth()."""
    problems: list[str] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    median_ms: float = 0


def judge(bootstrap: str, lane: Lane, load: Load, started: float) -> Verdict:
    """Read its topic and hold it against its report. `started` is the epoch's second that the load began in."""
    report = lane.report
    seen = bytearray(load.sent)
    last: dict[int, int] = {}
    bins: dict[int, array[float]] = {}
    wrong: Counter[str] = Counter()
    for record in iterate(bootstrap, lane.topic, timeout=READ_S):
        number = int.from_bytes(record.value[NUMBER])
        if number >= load.sent or record.value != load.frame(number):
            wrong["altered, or never sent"] += 1
            continue
        wrong["there twice"] += seen[number]
        wrong["out of order"] += number <= last.get(record.partition, -1)
        seen[number], last[record.partition] = 1, number
        received = int.from_bytes(record.key) / 1e6
        bins.setdefault(int((received - started) // BIN_S), array("d")).append(record.timestamp_ms / 1e3 - received)
    verdict = Verdict(
        lane.name,
        load.sent,
        report["source"]["in"],
        sum(seen),
        {cause: count for cause, count in stats.losses(report).items() if count},
        load.sent - report["source"]["in"],
        lane.fatal,
        report["restarts"],
        report["kafka"]["retries"],
        report["spill"]["written"],
    )
    verdict.problems = [f"{lane.name}: {count} frames are {what}" for what, count in wrong.items() if count]
    for number, seconds in sorted(bins.items()):
        verdict.latencies.append(Latency(number * BIN_S, 1e3 * median(seconds), 1e3 * max(seconds)))
    verdict.median_ms = 1e3 * median([each for seconds in bins.values() for each in seconds])
    return verdict


def not_accounted(lane: Lane, verdict: Verdict) -> list[str]:
    """What does not add up between the topic and the report."""
    delivered, lost = lane.report["kafka"]["delivered"], sum(verdict.counted.values())
    sent, arrived, unseen = verdict.sent, verdict.arrived, verdict.unseen
    if not lane.kind.restart and not verdict.fatal:
        holds = [unseen == 0, arrived == delivered == sent - lost]
    else:  # what an engine had when it died or gave up, or took after its last snapshot, may have been written or not
        unknown = verdict.counted.get("lost_with_engine", 0) + verdict.counted.get("failed", 0) + unseen
        holds = [delivered <= arrived <= delivered + unknown, sent - arrived <= lost + unseen]
        holds.append((unseen > 0) == (verdict.restarts > 0 or verdict.fatal))
    if all(holds):
        return []
    return [f"{lane.name}: {arrived} of {sent} arrived, {delivered} delivered, {verdict.counted}, {unseen} unseen"]


def growth(samples: Sequence[Sample], lane: str) -> dict[str, list[float]]:
    """Of the second quarter of a run and of the last one, and the largest value, of all that must not grow.

    Of memory the median. Of descriptors and threads what a quarter of the samples are below: while something is wrong,
    connections are being made, and an engine that starts has few.
    """
    mine = [sample for sample in samples if sample.lane == lane]
    end = mine[-1].seconds
    found = {}
    for name in GROWTH_MAX:
        quarters: list[list[float]] = [[], [], [], []]
        for sample in mine:
            if (value := getattr(sample, name)) is not None:
                quarters[min(int(4 * sample.seconds / end), 3)].append(value)
        middle = median if name.endswith("_kib") else _low
        found[name] = [middle(quarters[1]), middle(quarters[3]), max(max(each, default=0) for each in quarters)]
    return found


def _low(values: list[float]) -> float:
    return sorted(values)[len(values) // 4]


def grown(verdict: Verdict, producer: str) -> list[str]:
    """What has grown by more than it may."""
    found = []
    for name, (second, last, _) in verdict.growth.items():
        limit = LIBRARY_KIB if (name, producer) == ("engine_kib", "librdkafka") else GROWTH_MAX[name]
        if last - second > limit:
            found.append(f"{verdict.lane}: {name} grew from {second} to {last}")
    return found
