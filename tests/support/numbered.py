"""A long capture file whose frames carry their number, and what of them is in a topic."""

from __future__ import annotations

import time
from pathlib import Path

from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.kafka_reader import read_all

NUMBER = slice(42, 50)  # of frames.udp_of_size()


def write(path: Path, count: int, size: int = 64) -> Path:
    """So many frames of a size, a microsecond apart, from one second ago on."""
    start_ns = time.time_ns() - 10**9
    any_frame = udp_of_size(size)
    head, tail = any_frame[: NUMBER.start], any_frame[NUMBER.stop :]
    write_pcap(
        path, (Frame(start_ns + 1000 * number, size, head + number.to_bytes(8) + tail) for number in range(count))
    )
    return path


def numbers(bootstrap: str, topic: str, place: slice = NUMBER) -> list[int]:
    """The numbers that arrived, sorted."""
    return sorted(int.from_bytes(record.value[place]) for record in read_all(bootstrap, topic))
