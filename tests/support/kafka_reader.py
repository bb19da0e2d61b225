"""An independent reader of a topic: kafka-python, which shares no code with the probe's producers."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

# kafka-python's own CRC-32C is pure Python and would take minutes; it uses this package where it is.
CHECK_CRCS = find_spec("crc32c") is not None


class Record(NamedTuple):  # half the cost of a frozen dataclass, a million times
    """One message as Kafka returned it. `timestamp_type` 0 is CreateTime."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp_ms: int
    timestamp_type: int
    headers: list[tuple[str, bytes]]


@dataclass
class Summary:
    """What is kept of a topic that is too large to keep."""

    records: int = 0
    bytes: int = 0
    per_partition: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    # The set of frames regardless of their order: the sum of their digests.
    digest: int = 0


def iterate(bootstrap: str, topic: str, *, timeout: float = 120) -> Iterator[Record]:
    """Every record from the beginning to the end that the topic has now, partitions interleaved.

    Raises TimeoutError if they do not all arrive in time. A million take 20 s, all of it in kafka-python.
    """
    deadline = time.monotonic() + timeout
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        check_crcs=CHECK_CRCS,
        max_poll_records=20000,
        max_partition_fetch_bytes=8 << 20,
        fetch_max_wait_ms=100,
        # A record that was deleted while we read is an error, not a reason to go to the end.
        auto_offset_reset="none",
        # Nobody told it to make the topic that it reads.
        allow_auto_create_topics=False,
    )
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            raise LookupError(f"there is no topic {topic}")
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        # Position, not the last record's offset: a transaction's markers take offsets too.
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not read in {timeout} s")
            for batch in consumer.poll(timeout_ms=500).values():
                for r in batch:
                    yield Record(r.partition, r.offset, r.key, r.value, r.timestamp, r.timestamp_type, list(r.headers))
    finally:
        consumer.close()


def read_all(bootstrap: str, topic: str, *, timeout: float = 120) -> list[Record]:
    """Every record of a topic, ordered by partition and offset."""
    return sorted(iterate(bootstrap, topic, timeout=timeout), key=lambda record: (record.partition, record.offset))


def count_and_digest(bootstrap: str, topic: str, *, timeout: float = 300) -> Summary:
    """Counts of a topic, without keeping its records."""
    summary = Summary()
    for record in iterate(bootstrap, topic, timeout=timeout):
        summary.records += 1
        summary.bytes += len(record.value)
        summary.per_partition[record.partition] += 1
        summary.sizes[len(record.value)] += 1
        summary.digest = (summary.digest + frame_digest(record.value)) & (1 << 128) - 1
    return summary


def frame_digest(frame: bytes) -> int:
    """What one frame adds to Summary.digest (modulo 2**128)."""
    return int.from_bytes(hashlib.blake2b(frame, digest_size=16).digest(), "big")
