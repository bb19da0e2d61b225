"""The reports of several engines, one after the other, as one report of the same schema."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastcapa.stats import Report, unaccounted

# What tells the rows of a list apart.
_IDENTITY = ("name", "role", "source", "queue", "worker", "node")
# Numbers that are no counters: the newest is right, as it is of all that is no number.
_NEWEST = (
    "schema",
    "snaplen",
    "since",
    "queue",
    "worker",
    "lcore",
    "cycles_per_second",
    "node",
    "connections",
    "ring_queued",
    "held",
    "buffer_permille",
    "spilled",
)
_GREATEST = ("longest_gap_ns",)


@dataclass(frozen=True)
class Past:
    """What was before the engine that runs."""

    reports: tuple[Report, ...] = ()
    """Of the engines, oldest first; those that died have been closed with stats.of_dead_engine()."""
    restarts: int = 0
    outage_seconds: float = 0.0
    """For how long none ran, all in all."""

    def and_now(self, report: Report) -> Report:
        """Return a report of all of it, the present engine's included."""
        if not self.reports:
            return report
        return combined([*self.reports, report], restarts=self.restarts, outage_seconds=self.outage_seconds)


def combined(reports: Sequence[Report], *, restarts: int, outage_seconds: float) -> Report:
    """Return the sum of the engines' reports, oldest first; of what is no counter, the newest.

    Those that died have been closed with stats.of_dead_engine(). `outage_seconds` is how long none ran, all in all.
    """
    total: Report = functools.reduce(_add_rows, reports)
    # What a dead engine had on the disk is what the next one has recovered: it came in once.
    handed_over = sum(report["kafka"]["spilled"] for report in reports[:-1])
    total["kafka"] |= {"recovered": total["kafka"]["recovered"] - handed_over}
    total |= {"restarts": restarts, "outage_seconds": round(outage_seconds, 3)}
    total["unknown_seconds"] = round(total["unknown_seconds"], 3)
    # From the first start to the end, as the clock on the wall has it.
    total["seconds"] = round(total["seconds"] + total["unknown_seconds"] + outage_seconds, 3)
    total["unaccounted"] = unaccounted(total)
    for row in total["workers"]:
        row["busy"] = round(row["busy_cycles"] / row["total_cycles"], 4) if row["total_cycles"] else 0.0
    return total


def _add_rows(older: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in older.items() if key not in newer}
    return rest | {key: _join(key, older[key], value) if key in older else value for key, value in newer.items()}


def _join(key: str, older: Any, newer: Any) -> Any:
    if key in _NEWEST:
        return newer
    return max(older, newer) if key in _GREATEST else _add(older, newer)


def _add(older: Any, newer: Any) -> Any:
    if isinstance(newer, dict) and isinstance(older, dict):
        return _add_rows(older, newer)
    if isinstance(newer, list) and isinstance(older, list):
        before = {_identity(row): row for row in older}
        both = [_add_rows(before.pop(_identity(row), {}), row) for row in newer]
        return [*both, *before.values()]
    if isinstance(newer, str):
        return newer
    # A counter that one of them does not have is not known for the whole.
    return None if older is None or newer is None else older + newer


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in _IDENTITY)
