"""What is measured: every combination of producer, frame size, compression and partitions, in turn."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from fastcapa.config import FRAME_BYTES_MAX, FRAME_BYTES_MIN, CaptureConfig
from fastcapa.errors import UsageError
from fastcapa.kafka.embedded import PARTITION_BYTES_MAX

# Whatever a capture can be told to use; the first one is what the others are compared with.
PRODUCERS: tuple[str, ...] = tuple(
    sorted(
        set(get_args(CaptureConfig.model_fields["producer"].annotation)) - {"auto"},
        key=lambda name: (name != "librdkafka", name),
    )
)
COMPRESSIONS = ("none", "lz4", "zstd")
SIZES = (64, 512, 1500)
PARTITIONS_MAX = 10_000
RUNS_MAX = 1000

# A run should take a second or more, as it is timed to hundredths and connects in between. Those bytes take the first
# producer that long; the others get through four times as many.
_RUN_BYTES = 640 << 20
_PACKETS_MAX = 2_000_000
_OTHERS_FACTOR = 4
# What a record adds to its frame, in a batch.
_RECORD_BYTES = 24


@dataclass(frozen=True)
class Case:
    """One combination."""

    producer: str
    frame_bytes: int
    compression: str
    partitions: int
    packets: int = field(compare=False)
    """Of a run; how many there are makes it no other case."""

    def __str__(self) -> str:
        return f"{self.producer}, {self.frame_bytes} bytes, {self.compression}, {self.partitions} partitions"

    @property
    def kept_bytes(self) -> int:
        """What the embedded broker keeps of a run, at most."""
        return min(self.partitions * PARTITION_BYTES_MAX, self.packets * (self.frame_bytes + _RECORD_BYTES))

    def beside(self, producer: str) -> "Case":
        """Return the same with another producer."""
        return replace(self, producer=producer)


def cases(
    producers: Sequence[str],
    sizes: Sequence[int],
    compressions: Sequence[str],
    partitions: Sequence[int],
    packets: int | None,
) -> list[Case]:
    """Return all combinations, producers in turn first; `packets` None: so many that a run takes seconds."""
    return [
        Case(producer, size, compression, number, packets or _packets(producer, size))
        for size, compression, number, producer in itertools.product(sizes, compressions, partitions, producers)
    ]


def rounds(plan: Sequence[Case], runs: int) -> Iterator[tuple[int, Case]]:
    """Yield (round, case): A B C, C B A, A B C ..., so that a machine that gets slower slows down all of them alike."""
    for number in range(runs):
        for case in plan if number % 2 == 0 else reversed(plan):
            yield number, case


def check(plan: Sequence[Case], free_bytes: int) -> None:
    """Raise UsageError for what the embedded broker could not keep in this machine's memory."""
    largest = max(plan, key=lambda case: case.kept_bytes)
    if largest.kept_bytes * 2 > free_bytes:  # the allocator's share, and the probe's
        raise UsageError(
            f"{largest}: the embedded broker keeps up to {largest.kept_bytes >> 20} MiB of {largest.packets} packets,"
            f" and {free_bytes >> 20} MiB of memory are free; use fewer --packets or a real broker with --brokers"
        )


def numbers(text: str, option: str, low: int, high: int) -> list[int]:
    """Return the numbers of "64,512"; raise UsageError for what is none, out of range or given twice."""
    values = []
    for word in words(text, option):
        if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
            raise UsageError(f"{option} {word}: whole numbers from {low} to {high} are needed, separated by commas")
        values.append(int(word))
    return values


def number(text: str, option: str, high: int, low: int = 1) -> int:
    """Return a single number from `low` to `high`; raise UsageError for anything else."""
    found = numbers(text, option, low, high)
    if len(found) > 1:
        raise UsageError(f"{option} {text}: one number is needed")
    return found[0]


def choices(text: str, option: str, known: Sequence[str]) -> list[str]:
    """Return the words of "none,lz4"; raise UsageError for one that is not known or given twice."""
    chosen = words(text, option)
    for word in chosen:
        if word not in known:
            raise UsageError(f"{option} {word}: not known; there are {', '.join(known)}")
    return chosen


def words(text: str, option: str) -> list[str]:
    """Return what is between the commas; raise UsageError for nothing and for what comes twice."""
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if not word:
            raise UsageError(f"{option} {text}: has an empty place; separate by single commas")
        if found.count(word) > 1:
            raise UsageError(f"{option} {text}: {word} is given twice")
    return found


def sizes(text: str) -> list[int]:
    """Return frame sizes; raise UsageError for what an Ethernet frame or a packet buffer cannot be."""
    return numbers(text, "--sizes", FRAME_BYTES_MIN, FRAME_BYTES_MAX)


def _packets(producer: str, size: int) -> int:
    packets = min(_PACKETS_MAX, _RUN_BYTES // (size + _RECORD_BYTES) // 1000 * 1000)
    return packets if producer == PRODUCERS[0] else packets * _OTHERS_FACTOR
