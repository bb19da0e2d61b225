"""What the supervisor hears of the engine, for those who look: the terminal's table, metrics and the status page.

The supervisor's thread writes, any thread reads: a Status is never changed, only replaced by the next one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fastcapa.combined import Past
from fastcapa.config import CaptureConfig
from fastcapa.kafka.properties import BOOTSTRAP
from fastcapa.monitor.rates import Limits, View, view
from fastcapa.stats import Report

HISTORY_S = 900
# The engine sends a snapshot every second; without one for so long it hangs, or its machine does.
SILENCE_S = 10.0
# Packets that wait for Kafka while none is acknowledged for so long: Kafka is not there.
STALL_S = 10.0

Phase = Literal["starting", "running", "draining", "ended"]


@dataclass(frozen=True)
class About:
    """What is constant in a run."""

    sources: tuple[str, ...]
    topic: str
    brokers: str
    """bootstrap.servers, as given."""
    producer: str
    tx_ring: int
    live: bool

    @classmethod
    def of(cls, config: CaptureConfig, producer: str) -> "About":
        """Return what there is to say of a configuration; no secret is in it."""
        return cls(
            sources=tuple(source.name for source in config.sources),
            topic=config.topic,
            brokers=config.properties[BOOTSTRAP],
            producer=producer,
            tx_ring=config.tx_ring,
            live=any(source.live for source in config.sources),
        )


@dataclass(frozen=True)
class Reloads:
    """How often the configuration was read again (SIGHUP) and taken, or refused for what is wrong in it."""

    taken: int = 0
    refused: int = 0
    taken_at: float | None = None
    """Unix time of the last one that was taken, seconds."""

    def report(self) -> dict[str, Any]:
        """Return what the report says of them."""
        return {"taken": self.taken, "refused": self.refused, "taken_at": self.taken_at}


@dataclass(frozen=True)
class Status:
    """All that is known at one time."""

    phase: Phase = "starting"
    about: About | None = None
    report: Report | None = None
    view: View | None = None
    reloads: Reloads = Reloads()
    past: Past = field(default_factory=Past)
    """Of the engines before this one; `report` and `view` are of this one."""
    started_at: float | None = None
    """Unix time of the engine's start, seconds."""
    heard_at: float = 0.0
    """Monotonic: when the engine was last heard of."""
    settled_at: float = 0.0
    """Monotonic: when Kafka last acknowledged a packet, or none waited for it."""

    def whole_report(self) -> Report:
        """Return the newest snapshot with all that was before; there has to be one."""
        assert self.report is not None  # noqa: S101 -- as said
        return self.past.and_now(self.report)

    def healthy(self, now: float) -> str | None:
        """Return what is wrong with the engine at a monotonic time, None if nothing is."""
        if self.phase in ("running", "draining") and now - self.heard_at > SILENCE_S:
            return f"nothing heard of the engine for {now - self.heard_at:.0f} s"
        return "the engine has ended" if self.phase == "ended" else None

    def ready(self, now: float) -> str | None:
        """Return why packets do not get from the source to Kafka, None if they do, or would."""
        if self.phase != "running":
            return self.phase
        if now - self.settled_at > STALL_S:
            return f"no acknowledgement from Kafka for {now - self.settled_at:.0f} s"
        return self.healthy(now)


Listener = Callable[[Status], None]


class Monitor:
    """Keeps the newest status and the last fifteen minutes, and tells listeners; the supervisor calls its methods."""

    def __init__(self) -> None:
        self.status = Status()
        self._listeners: list[Listener] = []
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY_S)
        self._lock = threading.Lock()

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with each new status, in the supervisor's thread: it must not wait."""
        self._listeners.append(listener)

    def history(self) -> list[dict[str, Any]]:
        """Return a point per snapshot, oldest first, as point() makes them."""
        with self._lock:
            return list(self._history)

    def starting(self, config: CaptureConfig, producer: str) -> None:
        """Note that an engine starts, with the producer that was chosen."""
        about = About.of(config, producer)
        self._set(replace(self.status, phase="starting", about=about, report=None, view=None))

    def started(self) -> None:
        """Note that its workers run."""
        now = time.monotonic()
        self._set(replace(self.status, phase="running", started_at=time.time(), heard_at=now, settled_at=now))

    def draining(self) -> None:
        """Note that it was asked to stop."""
        if self.status.phase == "running":
            self._set(replace(self.status, phase="draining"))

    def began(self, past: Past) -> None:
        """Note what was before the engine that has just started."""
        self._set(replace(self.status, past=past))

    def snapshot(self, report: Report) -> None:
        """Take a snapshot of it, or its final report."""
        before, about = self.status.report, self.status.about
        if about is None:
            return
        now = time.monotonic()
        kafka = report["kafka"]
        settled = kafka["in_flight"] == 0 or before is None or kafka["delivered"] != before["kafka"]["delivered"]
        seen = view(before, report, Limits(about.tx_ring, about.live))
        with self._lock:
            self._history.append(point(seen, time.time()))
        self._set(
            replace(
                self.status,
                report=report,
                view=seen,
                heard_at=now,
                settled_at=now if settled else self.status.settled_at,
            )
        )

    def reloaded(self, taken: bool) -> None:
        """Note that the configuration was read again."""
        before = self.status.reloads
        now = (
            replace(before, taken=before.taken + 1, taken_at=round(time.time(), 3))
            if taken
            else replace(before, refused=before.refused + 1)
        )
        self._set(replace(self.status, reloads=now))

    def ended(self) -> None:
        """Note that the engine is gone, whatever the reason."""
        self._set(replace(self.status, phase="ended"))

    def _set(self, status: Status) -> None:
        self.status = status
        for listener in self._listeners:
            listener(status)


def point(seen: View, unix_time: float) -> dict[str, Any]:
    """Return what the plots show of a view: rates per second, shares 0 to 1, milliseconds."""
    losses: Mapping[str, float] = {loss.cause: loss.rate for hop in seen.hops for loss in hop.losses}
    ring, kafka = seen.hop("ring"), seen.hop("kafka")
    return {
        "time": round(unix_time, 1),
        "in": round(seen.hop("source").in_rate, 1),
        "delivered": round(kafka.out_rate, 1),
        "bytes": round(seen.byte_rate),
        "losses": {cause: round(rate, 1) for cause, rate in losses.items()},
        "ring": round(ring.fill or 0, 3),
        "buffer": round(kafka.fill or 0, 3),
        "rx_load": round(seen.hop("rx").load or 0, 3),
        "tx_load": round(seen.hop("tx").load or 0, 3),
        "in_flight": kafka.waiting,
        "round_trip_ms": None if seen.round_trip_ms is None else round(seen.round_trip_ms, 3),
    }
