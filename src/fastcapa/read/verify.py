"""Proves that nothing is missing: the sequences in the message headers (`fastcapa capture --headers`).

A queue of a source numbers its packets from 0 on, those that were lost afterwards too. The messages of a queue are
spread over partitions, so a number may come before a smaller one: what has been seen is kept as a set of intervals.

A probe that starts again numbers from 0 again. A number that was seen before begins a new run if its packet is
later, by more than `_RESTART_NS`, than every packet of the run so far; else it is the same packet twice. Losses behind
the last packet of a run leave no trace: the probe's own report has them.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

# No probe starts again as fast as this; clocks of one queue do not disagree by as much.
_RESTART_NS = 100_000_000
# Gaps of one queue that are still open for a late packet. Beyond that the oldest one is closed, and a packet that would
# have filled it counts as twice: memory is bounded, and the verdict is the same.
_GAPS_OPEN_MAX = 65_536
GAP_LINES_MAX = 100


class Origin(NamedTuple):
    """Where a message says that its packet came from."""

    interface: str
    queue: int
    sequence: int
    partition: int


class _Intervals:
    """A set of numbers as sorted disjoint intervals [start, end), of which only the last ones are kept."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.floor = 0  # below it everything is decided

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number)
        return number < self.floor or (at > 0 and number < self._ends[at - 1])

    def add(self, number: int) -> None:
        """Add a number that is not in it."""
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1]:  # nearly always
            ends[-1] += 1
            return
        at = bisect_right(starts, number)
        joins_left = at > 0 and ends[at - 1] == number
        joins_right = at < len(starts) and starts[at] == number + 1
        if joins_left and joins_right:
            ends[at - 1] = ends[at]
            del starts[at], ends[at]
        elif joins_left:
            ends[at - 1] += 1
        elif joins_right:
            starts[at] -= 1
        else:
            starts.insert(at, number)
            ends.insert(at, number + 1)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield [first, behind last) of what is missing from the floor to the last number."""
        before = self.floor
        for start, end in zip(self._starts, self._ends, strict=True):
            if start > before:
                yield before, start
            before = end

    def close_first_gap(self) -> tuple[int, int] | None:
        """Decide the oldest gap if too many are open: return it and forget what is below its end."""
        if len(self._starts) <= _GAPS_OPEN_MAX:
            return None
        gap = next(self.gaps())
        while self._starts and self._starts[0] <= gap[1]:
            self.floor = self._ends.pop(0)
            del self._starts[0]
        return gap


class _Queue:
    """One queue of one source, over all its runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 1
        self.packets = 0
        self.missing = 0
        self.gap_count = 0
        self.twice = 0
        self.reordered = 0
        self.gap_lines: list[str] = []
        self._seen = _Intervals()
        self._latest_ns = 0
        self._last_in: dict[int, int] = {}  # {partition: the last number in it}

    def take(self, sequence: int, partition: int, time_ns: int) -> None:
        self.packets += 1
        if sequence in self._seen:
            if time_ns <= self._latest_ns + _RESTART_NS:
                self.twice += 1
                return
            self.end_run()
            self.runs += 1
        self._seen.add(sequence)
        self._latest_ns = max(self._latest_ns, time_ns)
        if sequence < self._last_in.get(partition, 0):
            self.reordered += 1
        self._last_in[partition] = sequence
        if (gap := self._seen.close_first_gap()) is not None:
            self._count(*gap)

    def end_run(self) -> None:
        """Count what is missing in the run, and be ready for the next one."""
        for gap in self._seen.gaps():
            self._count(*gap)
        self._seen = _Intervals()
        self._last_in.clear()

    def _count(self, first: int, behind: int) -> None:
        self.missing += behind - first
        self.gap_count += 1
        if len(self.gap_lines) < GAP_LINES_MAX:
            place = f"{self.name}, run {self.runs}" if self.runs > 1 else self.name
            numbers = f"seq {first}" if behind == first + 1 else f"seq {first} to {behind - 1}"
            self.gap_lines.append(f"{place}: {behind - first} missing, {numbers}")


class Verifier:
    """Takes the origin of every message, in the order of the packets' times, and says what is missing or twice."""

    def __init__(self) -> None:
        self.without_headers = 0
        self._queues: dict[tuple[str, int], _Queue] = {}

    def take(self, origin: Origin | None, time_ns: int) -> None:
        """Note one message; `origin` is None if it has not all the headers."""
        if origin is None:
            self.without_headers += 1
            return
        key = (origin.interface, origin.queue)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(f"{origin.interface} queue {origin.queue}")
        queue.take(origin.sequence, origin.partition, time_ns)

    def finish(self) -> tuple[bool, list[str]]:
        """Return whether everything is there once, and the lines that say so or what is not."""
        queues = [queue for _, queue in sorted(self._queues.items())]
        for queue in queues:
            queue.end_run()
        gap_lines = [line for queue in queues for line in queue.gap_lines]
        gaps = sum(queue.gap_count for queue in queues)
        lines = gap_lines[:GAP_LINES_MAX]
        if gaps > len(lines):
            lines.append(f"and {gaps - len(lines)} more gaps")
        lines += [
            f"{queue.name}: {queue.packets} packets, {queue.missing} missing in {queue.gap_count} gaps,"
            f" {queue.twice} twice, {queue.reordered} out of order in their partition"
            + (f", {queue.runs} runs" if queue.runs > 1 else "")
            for queue in queues
        ]
        if self.without_headers:
            lines.append(
                f"{self.without_headers} packets have no headers, so that nothing can be proved of them; capture with"
                " --headers"
            )
        packets = sum(queue.packets for queue in queues)
        missing, twice = sum(queue.missing for queue in queues), sum(queue.twice for queue in queues)
        complete = packets > 0 and not (missing or twice or self.without_headers)
        if complete:
            lines.append(f"complete: {packets} packets of {len(queues)} queues, none missing, none twice")
        elif missing or twice:
            lines.append(f"not complete: {missing} packets missing, {twice} twice")
        elif self.without_headers:
            lines.append(f"not proved: {packets} packets have headers, {self.without_headers} have none")
        else:
            lines.append("nothing to prove: no packets were read")
        return complete, lines
