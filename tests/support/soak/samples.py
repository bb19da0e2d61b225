"""What is looked at while a soak runs: memory, descriptors and threads of the processes, and their counters."""

from __future__ import annotations

import csv
import urllib.error
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from support import scrape
from support.background import Background
from support.load import Load
from support.netns import Namespace
from support.soak.lanes import Lane

# Counters that never go back while an engine lives.
_GROWING = {
    "captured": "fastcapa_rx_in_total",
    "delivered": "fastcapa_kafka_delivered_total",
    "ring_full_drops": "fastcapa_rx_ring_full_drops_total",
    "retries": "fastcapa_kafka_retries_total",
    "written": "fastcapa_spill_written_total",
}
_LEVELS = {"in_flight": "fastcapa_kafka_in_flight", "spilled": "fastcapa_kafka_spilled"}


@dataclass(frozen=True)
class Usage:
    """What a process has of the machine."""

    kib: int
    """Resident memory."""
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """One lane at one time. None: there was no engine, or nobody answered."""

    seconds: float
    """From the start of the load."""
    lane: str
    rate: int
    """Offered, frames a second."""
    supervisor_kib: int
    supervisor_descriptors: int
    supervisor_threads: int
    engine: int | None
    """Process id."""
    engine_kib: int | None
    engine_descriptors: int | None
    engine_threads: int | None
    captured: int | None = None
    delivered: int | None = None
    ring_full_drops: int | None = None
    retries: int | None = None
    written: int | None = None
    in_flight: int | None = None
    spilled: int | None = None


def usage(process: int | None) -> Usage | None:
    """What the process has now; None if it has ended."""
    if process is None:
        return None
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{process}/status").read_text()
        kib, threads = (int(status.partition(f"\n{name}:")[2].split()[0]) for name in ("VmRSS", "Threads"))
        return Usage(kib, len(list(Path(f"/proc/{process}/fd").iterdir())), threads)
    return None  # a zombie has no memory any more


class Sampler(Background):
    """Samples all lanes every so many seconds, in a thread of its own that is in the namespace."""

    def __init__(
        self, inside: Namespace, lanes: Sequence[Lane], load: Load, clock: Callable[[], float], every_s: float
    ) -> None:
        super().__init__("soak-sampler")
        self.samples: list[Sample] = []
        self._inside, self._lanes, self._load, self._clock, self._every_s = inside, lanes, load, clock, every_s

    def _run(self) -> None:
        with self._inside.entered():
            while not self._ended.is_set():
                self.samples += [sample for lane in self._lanes if (sample := self._sample(lane)) is not None]
                self._ended.wait(self._every_s - self._clock() % self._every_s)

    def _sample(self, lane: Lane) -> Sample | None:
        ours = usage(lane.supervisor)
        if ours is None:
            return None
        pid = lane.engine()
        engine = usage(pid)
        return Sample(
            round(self._clock(), 2),
            lane.name,
            self._load.rate,
            ours.kib,
            ours.descriptors,
            ours.threads,
            pid if engine else None,
            engine.kib if engine else None,
            engine.descriptors if engine else None,
            engine.threads if engine else None,
            **_counters(lane.metrics),
        )


def _counters(address: str) -> dict[str, int]:
    """The counters that are served; {} while nobody does."""
    try:
        status, text = scrape.get(f"{address}metrics")
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return {}
    if status != 200:
        return {}
    found: dict[str, int] = {}
    names = {metric: name for name, metric in (_GROWING | _LEVELS).items()}
    for family in text_string_to_metric_families(text.decode()):
        for each in family.samples:
            if name := names.get(each.name):
                found[name] = found.get(name, 0) + int(each.value)
    return found


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """A row a sample."""
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, [field.name for field in fields(Sample)])
        rows.writeheader()
        rows.writerows(asdict(sample) for sample in samples)


def gone_back(samples: Sequence[Sample], lane: str, restarts: int) -> list[str]:
    """The counters that went back, but for when another engine began: they are the engine's."""
    found = []
    for name in _GROWING:
        values = [value for each in samples if each.lane == lane and (value := getattr(each, name)) is not None]
        if not values or sum(after < before for before, after in pairwise(values)) > restarts:
            found.append(f"{lane}: {name} was never served, or went back: {values[:3]}")
    return found
