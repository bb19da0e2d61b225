"""The headers of a message (`--headers`), taken apart as README's wire format says."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from support.kafka_reader import Record


class Headers(NamedTuple):
    """What one message says of its packet."""

    interface: str
    queue: int
    sequence: int
    time_ns: int
    length: int


def headers_of(record: Record) -> Headers:
    """Fails if a header is missing, there twice, or of another size."""
    assert [name for name, _ in record.headers] == ["if", "q", "seq", "ns", "len"]
    interface, queue, sequence, time_ns, length = (value for _, value in record.headers)
    return Headers(
        interface.decode(),
        *struct.unpack(">H", queue),
        *struct.unpack(">Q", sequence),
        *struct.unpack(">Q", time_ns),
        *struct.unpack(">I", length),
    )


def by_queue(records: Iterable[Record]) -> dict[tuple[str, int], list[tuple[Headers, Record]]]:
    """Records of each interface and queue, in the order of their sequence."""
    queues: dict[tuple[str, int], list[tuple[Headers, Record]]] = defaultdict(list)
    for record in records:
        headers = headers_of(record)
        queues[headers.interface, headers.queue].append((headers, record))
    for entries in queues.values():
        entries.sort(key=lambda entry: entry[0].sequence)
    return queues


def assert_ordered_in_partitions(records: Iterable[Record]) -> None:
    """In each partition the packets of a queue follow each other as they did on the queue."""
    last: dict[tuple[int, str, int], int] = {}
    for record in records:
        headers = headers_of(record)
        place = (record.partition, headers.interface, headers.queue)
        assert headers.sequence > last.get(place, -1)
        last[place] = headers.sequence
