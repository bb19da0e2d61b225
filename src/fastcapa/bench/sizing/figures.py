"""The cost of a packet at any frame size, from a document that `fastcapa bench` made (document.py)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from fastcapa.bench.document import SCHEMA
from fastcapa.errors import UsageError

_Cost = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
_FIGURES_BYTES_MAX = 16 << 20


class Point(BaseModel):
    """One measured case, ns per delivered packet; other keys of the document are left alone."""

    producer: str
    frame_bytes: int = Field(ge=1, le=262_144)
    compression: str
    partitions: int
    cpu_ns_per_packet: _Cost
    rx_cpu_ns_per_packet: _Cost
    tx_cpu_ns_per_packet: _Cost
    runs: int


class _Machine(BaseModel):
    cpu: str = "a machine that the file does not name"
    cpus: int = 0


class _Document(BaseModel):
    # `schema` is a method of pydantic's own.
    version: int = Field(alias="schema")
    machine: _Machine = _Machine()
    broker: str = "a broker that the file does not name"
    results: list[Point]


@dataclass(frozen=True)
class Cost:
    """CPU of a packet, ns, and where that comes from."""

    rx_ns: float
    tx_ns: float
    other_ns: float
    origin: str
    measured: bool
    """At this size, or between two; False: beyond the largest or smallest."""


@dataclass(frozen=True)
class Figures:
    """The measured sizes of one producer and compression."""

    points: tuple[Point, ...]
    """By frame size; at least one."""
    where: str
    """Which machine and broker they are of."""

    def at(self, frame_bytes: int) -> Cost:
        """Return the cost of a frame: a straight line between the measured sizes on both sides of it.

        A packet's cost is a fixed part and one that grows with its bytes (copy, CRC, send), so that a line is what
        it should be. Beyond the largest size the last line goes on; a frame below the smallest costs as much as that.
        """
        first, last = self.points[0], self.points[-1]
        for point in self.points:
            if point.frame_bytes == frame_bytes:
                return _cost(point, point, 0, f"measured at {frame_bytes} bytes", True)
        if frame_bytes < first.frame_bytes:
            return _cost(first, first, 0, f"measured at {first.frame_bytes} bytes, the smallest", False)
        if len(self.points) < 2:
            raise UsageError(
                f"--mean-frame {frame_bytes}: measured is only {last.frame_bytes} bytes, and one point is no line;"
                f" measure two sizes around it, such as --sizes {last.frame_bytes},1500"
            )
        low, high = next(
            (pair for pair in pairwise(self.points) if frame_bytes < pair[1].frame_bytes), self.points[-2:]
        )
        share = (frame_bytes - low.frame_bytes) / (high.frame_bytes - low.frame_bytes)
        what = "between" if share <= 1 else "beyond"
        return _cost(low, high, share, f"line {what} {low.frame_bytes} and {high.frame_bytes} bytes", share <= 1)


def _cost(low: Point, high: Point, share: float, origin: str, measured: bool) -> Cost:
    def line(figure: str) -> float:
        a, b = float(getattr(low, figure)), float(getattr(high, figure))
        # Noise may let a line fall; a longer frame never costs less than the last one that was measured.
        return a + (b - a) * share if share <= 1 else max(a + (b - a) * share, b)

    rx, tx = line("rx_cpu_ns_per_packet"), line("tx_cpu_ns_per_packet")
    return Cost(rx, tx, max(0.0, line("cpu_ns_per_packet") - rx - tx), origin, measured)


def load(file: Path) -> dict[str, Any]:
    """Return what `bench --json` wrote; raise UsageError for a file that is none of it."""
    again = "name a file that `fastcapa bench --json FILE` wrote"
    try:
        if file.stat().st_size > _FIGURES_BYTES_MAX:
            raise UsageError(f"--figures {file}: has more than {_FIGURES_BYTES_MAX >> 20} MiB; {again}")
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--figures {file}: {error.strerror}; {again}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--figures {file}: is no JSON; {again}") from None
    if not isinstance(document, dict):
        raise UsageError(f"--figures {file}: is no JSON object; {again}")
    return document


def choose(
    document: dict[str, Any], producer: str, compression: str, partitions: Sequence[int] | None, origin: str
) -> Figures:
    """Return the figures of one producer and compression; `origin` names the document in a message.

    Raises UsageError for a document of another form, and for one that lacks them or has several.
    """
    try:
        found = _Document.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise UsageError(
            f"{origin}: {place}: {problem['msg'].lower()}; make it again with this version's `fastcapa bench --json`"
        ) from None
    if found.version != SCHEMA:
        raise UsageError(f"{origin}: schema {found.version} is not known, this version reads {SCHEMA}")
    points = [each for each in found.results if (each.producer, each.compression) == (producer, compression)]
    if not points:
        there = sorted({f"{each.producer} with {each.compression}" for each in found.results}) or ["nothing"]
        raise UsageError(
            f"{origin}: has no figures of producer {producer} with compression {compression}, it has"
            f" {', '.join(there)}; choose with --producers and --compression"
        )
    numbers = sorted({each.partitions for each in points})
    if partitions is not None:
        points = [each for each in points if each.partitions in partitions]
    if len({each.partitions for each in points}) != 1:
        raise UsageError(
            f"{origin}: has figures of {', '.join(map(str, numbers))} partitions; name one of them with --partitions"
        )
    machine = f"{found.machine.cpu}, {found.machine.cpus} CPUs" if found.machine.cpus else found.machine.cpu
    return Figures(
        tuple(sorted({each.frame_bytes: each for each in points}.values(), key=lambda each: each.frame_bytes)),
        f"{producer}, compression {compression}, {points[0].partitions} partitions, into {found.broker}, on {machine}",
    )
