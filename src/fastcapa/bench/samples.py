"""Samples of all runs, and what they come to: medians, spread, and ratios within a round.

A ratio is taken between two figures of the same round, a few seconds apart, and the median is of those ratios: a
machine that is slower for a while slows both.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastcapa.bench.plan import Case
from fastcapa.bench.run import Sample


@dataclass(frozen=True)
class Spread:
    """Median and extremes of a figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Samples:
    """What was measured: for each case, and for the floor of each frame size, a figure per round."""

    cases: dict[Case, list[Sample]] = field(default_factory=dict)
    floors: dict[int, list[float]] = field(default_factory=dict)
    """By frame size, ns per packet."""

    def spread(self, case: Case, figure: Callable[[Sample], float]) -> Spread:
        """Return the spread of a figure of a case."""
        return Spread.of([figure(sample) for sample in self.cases[case]])

    def times_less(self, case: Case, than: Case) -> Spread | None:
        """Return how many times less CPU a packet takes in `case` than in `than`; None without samples of that one."""
        if than == case or than not in self.cases:
            return None
        pairs = zip(self.cases[case], self.cases[than], strict=True)
        return Spread.of([other.cpu_ns / sample.cpu_ns for sample, other in pairs])

    def over_floor(self, case: Case, figure: Callable[[Sample], float]) -> Spread | None:
        """Return how many times the floor a figure of a case is; None without a floor."""
        floors = self.floors.get(case.frame_bytes)
        if not floors:
            return None
        pairs = zip(self.cases[case], floors, strict=True)
        return Spread.of([figure(sample) / floor for sample, floor in pairs])
