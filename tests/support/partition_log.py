"""The log of one partition as a broker keeps it, with a broker's rules for idempotent producers.

Those of Apache Kafka 3 and 4 (ProducerStateManager, ProducerAppendInfo): a batch among the last five of its producer is
a duplicate and not written again, a gap is refused, an older epoch is refused, a newer one begins with sequence 0.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from kafka.record.default_records import DefaultRecordBatch

NONE, OUT_OF_ORDER, INVALID_EPOCH = 0, 45, 47
_REMEMBERED = 5  # batches of a producer


@dataclass(frozen=True)
class Batch:
    """One record batch of a Produce request."""

    partition: int
    data: bytes = field(repr=False)
    producer_id: int
    epoch: int
    sequence: int
    count: int

    @classmethod
    def of(cls, partition: int, data: bytes) -> Batch:
        """Take it apart; fails if it is not whole, or not of an idempotent producer."""
        header = DefaultRecordBatch(data)
        assert header.magic == 2
        assert header.size_in_bytes == len(data)
        assert header.validate_crc(), "damaged"
        batch = cls(
            partition, data, header.producer_id, header.producer_epoch, header.base_sequence, header.records_count
        )
        assert batch.count == header.last_offset_delta + 1 > 0
        assert min(batch.producer_id, batch.epoch, batch.sequence) >= 0, batch
        return batch

    def values(self) -> list[bytes]:
        """The values of its records, in order."""
        return [record.value for record in DefaultRecordBatch(self.data)]

    @property
    def identity(self) -> tuple[int, int]:
        """Producer id and epoch."""
        return self.producer_id, self.epoch

    @property
    def next_sequence(self) -> int:
        """Of the batch that follows it."""
        return (self.sequence + self.count) % (1 << 31)


@dataclass
class _Producer:
    epoch: int
    next_sequence: int
    last: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


@dataclass
class PartitionLog:
    """What is written, and who wrote."""

    batches: list[Batch] = field(default_factory=list)
    _producers: dict[int, _Producer] = field(default_factory=dict)

    def is_duplicate(self, batch: Batch) -> bool:
        """Whether it is written already, as far as a broker remembers."""
        known = self._producers.get(batch.producer_id)
        return known is not None and known.epoch == batch.epoch and (batch.sequence, batch.count) in known.last

    def check(self, batch: Batch) -> int:
        """The error code that a broker answers it with; NONE for a duplicate too."""
        known = self._producers.get(batch.producer_id)
        if known is None or self.is_duplicate(batch):
            return NONE
        if batch.epoch < known.epoch:
            return INVALID_EPOCH
        due = known.next_sequence if batch.epoch == known.epoch else 0
        return NONE if batch.sequence == due else OUT_OF_ORDER

    def append(self, batch: Batch) -> int:
        """Write it unless it is a duplicate or refused; the error code."""
        error = self.check(batch)
        if error == NONE and not self.is_duplicate(batch):
            known = self._producers.get(batch.producer_id)
            if known is None or known.epoch != batch.epoch:
                known = self._producers[batch.producer_id] = _Producer(batch.epoch, 0)
            known.next_sequence = batch.next_sequence
            known.last.append((batch.sequence, batch.count))
            self.batches.append(batch)
        return error

    def values(self) -> list[bytes]:
        """Every value, in the order of the log."""
        return [value for batch in self.batches for value in batch.values()]
