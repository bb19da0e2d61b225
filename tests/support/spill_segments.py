"""Reads what --spill leaves, by the format in docs/spill.md and not by the probe's own code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from kafka.record.default_records import DefaultRecordBatch

_SEGMENT_HEAD_BYTES = 272
_BATCH_HEAD = struct.Struct(">4sHHIIIIQI4s")  # magic, version, its bytes, partition, bytes, packets, CRC, number, CRC


def waiting(directory: Path) -> Iterator[bytes]:
    """The values of all packets that are on the disk whole and are not settled, in order."""
    for path in sorted(directory.glob("*.spill")):
        data = memoryview(path.read_bytes())
        assert bytes(data[:8]) == b"FCSPILL\0"
        place = _SEGMENT_HEAD_BYTES
        while place + _BATCH_HEAD.size <= len(data):
            magic, _, head_bytes, _, batch_bytes, packets, *_, done = _BATCH_HEAD.unpack_from(data, place)
            begin = place + head_bytes
            if magic != b"FCSB" or begin + batch_bytes > len(data):
                break  # what the probe had not written to its end
            batch = DefaultRecordBatch(bytes(data[begin : begin + batch_bytes]))
            if not batch.validate_crc():
                break
            values = [record.value for record in batch]
            assert len(values) == packets
            if done != b"DONE":
                yield from values
            place = begin + batch_bytes
