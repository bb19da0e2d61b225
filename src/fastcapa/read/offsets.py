"""Which part of a topic to read: `-o` in kcat's spelling, and what it means for each partition."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastcapa.errors import UsageError

FORMS = "beginning, end, OFFSET, -N (the last N of each partition), s@MS and e@MS (from and until a time)"

_OFFSET_MAX = 2**63 - 1


@dataclass(frozen=True)
class Span:
    """The part of a topic between a start and a stop; `value` belongs to the kind of start.

    Times are Kafka's message timestamps, in milliseconds since the Unix epoch; the stop is not included.
    """

    start: Literal["beginning", "end", "offset", "last", "time"] = "beginning"
    value: int = 0
    stop_ms: int | None = None


def parse(options: Sequence[str]) -> Span:
    """Return the span that all `-o` options together describe; raise UsageError for what is none."""
    start: Span | None = None
    stop_ms: int | None = None
    for option in options:
        if option.startswith("e@"):
            if stop_ms is not None:
                raise UsageError(f"-o {option}: an end is given twice; keep one e@MS")
            stop_ms = _number(option, option[2:])
            continue
        if start is not None:
            raise UsageError(f"-o {option}: a start is given twice; only a start and an e@MS combine")
        if option in ("beginning", "end"):
            start = Span("beginning" if option == "beginning" else "end")
        elif option.startswith("s@"):
            start = Span("time", _number(option, option[2:]))
        elif option.startswith("-"):
            start = Span("last", _number(option, option[1:]))
        else:
            start = Span("offset", _number(option, option))
    start = start or Span()
    if start.start == "time" and stop_ms is not None and stop_ms <= start.value:
        raise UsageError(f"-o e@{stop_ms}: ends before s@{start.value} starts; swap them")
    return Span(start.start, start.value, stop_ms)


def resolve(
    span: Span,
    watermarks: Mapping[int, tuple[int, int]],
    offsets_at: Callable[[int], Mapping[int, int]],
) -> dict[int, tuple[int, int]]:
    """Return {partition: (first offset, offset behind the last)}.

    `watermarks` is {partition: (low, high)}: the first offset that is kept, and the next to be written.
    `offsets_at(ms)` returns, per partition, the first offset from that time on, negative if there is none.
    Raises UsageError if an absolute offset is in no partition.
    """
    if span.start == "offset" and not any(low <= span.value <= high for low, high in watermarks.values()):
        kept = ", ".join(f"partition {number}: {low} to {high}" for number, (low, high) in sorted(watermarks.items()))
        raise UsageError(f"-o {span.value}: no partition has this offset ({kept}); use -o beginning or -o end")
    starts = offsets_at(span.value) if span.start == "time" else {}
    stops = offsets_at(span.stop_ms) if span.stop_ms is not None else {}
    spans: dict[int, tuple[int, int]] = {}
    for number, (low, high) in watermarks.items():
        match span.start:
            case "beginning":
                first = low
            case "end":
                first = high
            case "offset":
                first = min(max(span.value, low), high)
            case "last":
                first = max(low, high - span.value)
            case "time":
                first = starts.get(number, -1)
                first = first if first >= 0 else high
        behind = stops.get(number, -1)
        spans[number] = (first, min(behind, high) if behind >= 0 else high)
    return spans


def _number(option: str, text: str) -> int:
    """Return the unsigned number, which int() alone would also take with signs, spaces and underscores."""
    if not re.fullmatch(r"[0-9]+", text, re.ASCII) or int(text) > _OFFSET_MAX:
        raise UsageError(f"-o {option}: is no offset; the forms are {FORMS}")
    return int(text)
