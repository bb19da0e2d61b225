"""One run of the whole probe, from frames in memory to the last acknowledgement, and what it cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastcapa.bench.plan import Case
from fastcapa.capture import Capture
from fastcapa.config import SourceKind, validate
from fastcapa.errors import FastcapaError, RunTimeError
from fastcapa.signals import Stop
from fastcapa.stats import Report, losses
from fastcapa.supervisor import Outcome

NS = 1e9


@dataclass(frozen=True)
class Sample:
    """What one run cost; ns per delivered packet unless the name says otherwise."""

    cpu_ns: float
    """User and system time of supervisor and engine, all threads, from the start of the workers on."""
    rx_busy_ns: float
    tx_busy_ns: float
    """Time in which the worker had work, from its cycles; it goes on while the worker's CPU serves somebody else."""
    rx_cpu_ns: float
    tx_cpu_ns: float
    """User and system time of the worker's thread: its waiting counts, what others do on its CPU does not."""
    packets_per_s: float

    @property
    def other_cpu_ns(self) -> float:
        """What is neither rx nor tx worker: a Kafka library's threads, the control threads, the supervisor."""
        return self.cpu_ns - self.rx_cpu_ns - self.tx_cpu_ns


@dataclass(frozen=True)
class Target:
    """Where the packets go."""

    topic: str
    properties: Mapping[str, str]
    partition: str
    """How a packet's partition is chosen."""


def run(case: Case, target: Target, stop: Stop, log: Callable[[str], None]) -> Sample:
    """Run the probe once; raise RunTimeError if one packet was not delivered or is not accounted for.

    What the capture has to say goes to `log` only if it fails.
    """
    lines: list[str] = []
    source = {
        "kind": SourceKind.MEMORY,
        "name": "memory",
        "frame_bytes": case.frame_bytes,
        "packets": case.packets,
    }
    values: dict[str, Any] = {
        "sources": [source],
        "topic": target.topic,
        "properties": {**target.properties, "compression.type": case.compression},
        "producer": case.producer,
        "partition": target.partition,
        "oversubscribe": True,
    }
    config = validate(values)
    try:
        outcome = Capture(config, lambda line, *_: lines.append(line)).run(stop)
        if stop.requested():
            raise RunTimeError("bench: interrupted")
        check(case, outcome)
    except FastcapaError:
        for line in lines:
            log(line)
        raise
    return sample(outcome.report)


def check(case: Case, outcome: Outcome) -> None:
    """Raise RunTimeError unless every packet was delivered and every counter adds up: else the figures mean nothing."""
    report = outcome.report
    problems = [f"{number} {cause}" for cause, number in losses(report).items() if number]
    if report["kafka"]["delivered"] != case.packets:
        problems.insert(0, f"{report['kafka']['delivered']} of {case.packets} packets delivered")
    for key in ("unaccounted", "mbufs_missing"):
        if report[key]:
            problems.append(f"{report[key]} {key}")
    if outcome.crashed is not None:
        problems.append(outcome.crashed)
    if problems:
        raise RunTimeError(f"bench: {case}: {', '.join(problems)}; what it cost means nothing")


def sample(report: Report) -> Sample:
    """Return the cost that a final report tells."""
    cost, delivered = report["cost"], report["kafka"]["delivered"]

    def workers(role: str, key: str) -> float:
        return float(sum(row[key] for row in report["workers"] if row["role"] == role) / delivered)

    ns_per_cycle = NS / cost["cycles_per_second"]
    return Sample(
        cpu_ns=cost["cpu_seconds"] * NS / delivered,
        rx_busy_ns=workers("rx", "busy_cycles") * ns_per_cycle,
        tx_busy_ns=workers("tx", "busy_cycles") * ns_per_cycle,
        rx_cpu_ns=workers("rx", "cpu_time_ns"),
        tx_cpu_ns=workers("tx", "cpu_time_ns"),
        packets_per_s=delivered / cost["delivery_seconds"],
    )
