"""What was sent beside what was read back."""

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fastcapa._pcap import CaptureReader
from fastcapa.errors import RunTimeError
from fastcapa.kafka import topics
from fastcapa.kafka.properties import BOOTSTRAP
from fastcapa.read import offsets
from fastcapa.read.reader import Reader

Packet = tuple[int, bytes]
"""Key (microseconds since the epoch) and frame."""

_READ_S = 20.0


def sent(file: Path, count: int) -> list[Packet]:
    """Return the first `count` frames of a capture file with the keys they must have; 0: all."""
    packets: list[Packet] = []
    with CaptureReader(file) as reader:
        for time_ns, _, frame in reader:
            packets.append((time_ns // 1000, frame))
            if len(packets) == count:
                break
    return packets


def delivered(properties: Mapping[str, str], topic: topics.Topic) -> list[Packet]:
    """Return all that is in the topic, in the order of `fastcapa read`."""
    deadline = time.monotonic() + _READ_S
    packets: list[Packet] = []
    with Reader(properties, topic, offsets.Span(), follow=False, stopped=lambda: False) as reader:
        for batch in reader.batches():
            packets.extend((frame.time_ns // 1000, frame.data) for frame in batch)
            if time.monotonic() > deadline:
                raise RunTimeError(f"reading back from {properties[BOOTSTRAP]} took more than {_READ_S:g} s")
    return packets


def differences(expected: list[Packet], actual: list[Packet]) -> list[str]:
    """Return what differs, a line each, at most five; empty if every key and every byte is there, once."""
    missing = Counter(expected) - Counter(actual)
    extra = Counter(actual) - Counter(expected)
    lines = [f"missing: key {key}, {len(frame)} bytes, {frame[:16].hex(' ')} …" for key, frame in missing]
    lines += [f"not sent: key {key}, {len(frame)} bytes, {frame[:16].hex(' ')} …" for key, frame in extra]
    if len(lines) > 5:
        lines[5:] = [f"and {len(lines) - 5} more"]
    return lines
