"""Reports as an engine sends them, with numbers that a test chooses."""

from __future__ import annotations

from typing import Any

from fastcapa import stats
from fastcapa.config import CaptureConfig, validate
from fastcapa.monitor import Monitor
from fastcapa.stats import Report

RING = 2048
_RX = ("in", "out", "bytes", "filtered", "truncated", "time_clamped", "ring_full_drops", "full_bursts")
_TX = ("in", "held", "refused", "kafka_in", "delivered", "failed", "abandoned", "bytes", "batches", "retries")
_SPILL = ("recovered", "spilled", "spill_written", "spill_replayed", "spill_refusals")


def snapshot(
    seconds: float,
    *,
    names: tuple[str, ...] = ("eth1",),
    source: dict[str, int] | None = None,
    rx: dict[str, int] | None = None,
    tx: dict[str, int] | None = None,
    queued: int = 0,
    buffer_permille: int = 0,
    rx_busy: int = 0,
    tx_busy: int = 0,
    brokers: tuple[tuple[int, int, int], ...] = (),
) -> Report:
    """A report; each source has a queue with these counters. `brokers`: node, answers, sum of round trips in ms.

    Busy cycles are of `seconds` * 1000 in all.
    """
    place: Any = {"state": "running", "queue": 0, "worker": 0, "cpu": 3, "failed": False, "cpu_time_ns": 0}
    place |= {"total_cycles": int(seconds * 1000)}
    workers: list[Any] = []
    sources: list[Any] = []
    for index, _ in enumerate(names):
        counters = dict.fromkeys(_RX, 0) | (rx or {})
        workers.append(
            {**place, "role": "rx", "source": index, "busy_cycles": rx_busy, "ring_queued": queued, "losses": None}
            | {"longest_gap_ns": 2_500_000, "counters": counters}
        )
        counters = (
            dict.fromkeys((*_TX, *_SPILL, "buffer_permille"), 0) | (tx or {}) | {"buffer_permille": buffer_permille}
        )
        workers.append({**place, "role": "tx", "source": index, "busy_cycles": tx_busy, "counters": counters})
        row: Any = dict.fromkeys(("in", "missed", "errors", "no_mbuf", "no_mbuf_waits", "unfetched", "clock_steps"), 0)
        sources.append(row | {"clock": "kernel"} | (source or {}))
    seen: Any = [
        {"node": node, "connected": True, "round_trip_ns": ms * 1_000_000, "answers": answers}
        for node, answers, ms in brokers
    ]
    made = stats.report(workers, sources, names, seconds=seconds, producer="direct", brokers=seen)
    return made | {"rules": {"filter": "udp", "snaplen": 96, "since": 1.5, "changes": 2}}


def losing(seconds: float) -> Report:
    """A second, and a further one, of a probe whose Kafka does not keep up: 1,000 in, 400 delivered, 600 dropped."""
    many = int(seconds * 1000)
    return snapshot(
        seconds,
        source={"in": many},
        rx={"in": many, "out": many * 4 // 10, "ring_full_drops": many * 6 // 10},
        tx={"in": many * 4 // 10, "kafka_in": many * 4 // 10, "delivered": many * 4 // 10 - 50, "bytes": many * 100},
        queued=RING,
        buffer_permille=1000,
        rx_busy=many // 10,
        tx_busy=many // 5,
        brokers=((1, int(seconds * 10), int(seconds * 2500)),),
    )


def config(**values: Any) -> CaptureConfig:
    """Of a capture from eth1 to topic t."""
    return validate(
        {
            "sources": [{"kind": "interface", "name": "eth1"}],
            "topic": "t",
            "properties": {"bootstrap.servers": "b:9092", "sasl.password": "secret-of-sasl"},
            "tx_ring": RING,
            **values,
        }
    )


def monitor(*reports: Report, started: bool = True) -> Monitor:
    """A monitor that has heard these."""
    made = Monitor()
    made.starting(config(), "direct")
    if started:
        made.started()
        made.reloaded(taken=True)
    for report in reports:
        made.snapshot(report)
    return made
