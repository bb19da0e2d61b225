"""Puts the frames of several partitions back into one order: pure, knows neither Kafka nor clocks.

Each partition is in order by itself; between partitions the receive times decide. The probe fills one batch
for one partition, then the next, so frames of one time lie together: among equal times the partition of the
frame before goes on, which keeps a burst that was stamped with one time in its order.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _State(Enum):
    WAITED_FOR = auto()  # more is on its way: an earlier frame may come
    IDLE = auto()  # nothing is written to it now: an earlier frame may still come, but is waited for briefly only
    ENDED = auto()  # nothing more comes


class _Partition(Generic[Item]):
    __slots__ = ("backlog_bytes", "entries", "state")

    def __init__(self) -> None:
        self.entries: deque[tuple[int, float, int, Item]] = deque()  # time, arrival, bytes, item
        self.backlog_bytes = 0
        self.state = _State.WAITED_FOR


class Merge(Generic[Item]):
    """K-way merge of partitions by time, of frames that arrive at any moment.

    A frame leaves when nothing earlier can be expected: every other partition has a frame to compare with or
    has ended. An idle partition (`idle`) is waited for `idle_s` after the frame arrived, any other one for
    `patience_s` (None: until it comes). Times are integers of any one unit, arrivals and `now` seconds of any
    one clock.
    """

    def __init__(self, partitions: Iterable[int], *, idle_s: float = 0.2, patience_s: float | None = None) -> None:
        self._partitions: dict[int, _Partition[Item]] = {number: _Partition() for number in sorted(partitions)}
        self._idle_s = idle_s
        self._patience_s = patience_s
        self._last = -1

    def push(self, number: int, time: int, item: Item, size: int, now: float) -> None:
        """Append a frame to its partition; `size` is what it costs in memory, in bytes."""
        partition = self._partitions[number]
        partition.entries.append((time, now, size, item))
        partition.backlog_bytes += size
        partition.state = _State.WAITED_FOR

    def idle(self, number: int) -> None:
        """Say that a partition has been read as far as it is written; the next push makes it busy again."""
        self._partitions[number].state = _State.IDLE

    def end(self, number: int) -> None:
        """Say that nothing more comes from a partition."""
        self._partitions[number].state = _State.ENDED

    def backlog_bytes(self, number: int) -> int:
        """Return how much of a partition waits for its turn."""
        return self._partitions[number].backlog_bytes

    @property
    def finished(self) -> bool:
        """Whether every partition has ended and every frame has left."""
        return all(part.state is _State.ENDED and not part.entries for part in self._partitions.values())

    def ready(self, now: float) -> Iterator[Item]:
        """Yield, in order, the frames that may leave at `now`; `drain` yields all the others."""
        heads = [
            (partition.entries[0][0], number != self._last, number)
            for number, partition in self._partitions.items()
            if partition.entries
        ]
        heapify(heads)
        arrived_by = now - self._wait_s()
        while heads:
            number = heappop(heads)[2]
            partition = self._partitions[number]
            entries = partition.entries
            limit = heads[0][0] if heads else None
            # On this partition for as long as no other one has an earlier frame.
            while entries:
                time, arrival, size, item = entries[0]
                if arrival > arrived_by:
                    return
                if limit is not None and time > limit:
                    heappush(heads, (time, True, number))
                    break
                entries.popleft()
                partition.backlog_bytes -= size
                self._last = number
                yield item
            else:
                arrived_by = now - self._wait_s()

    def drain(self) -> Iterator[Item]:
        """Yield in order all frames that are here, waiting for nothing."""
        for partition in self._partitions.values():
            partition.state = _State.ENDED
        yield from self.ready(inf)

    def _wait_s(self) -> float:
        """Return how long a frame must have been here to leave; 0: it may leave at once."""
        wait_s = 0.0
        for partition in self._partitions.values():
            if partition.entries or partition.state is _State.ENDED:
                continue
            if partition.state is _State.IDLE:
                wait_s = max(wait_s, self._idle_s)
            else:
                wait_s = max(wait_s, inf if self._patience_s is None else self._patience_s)
        return wait_s
