"""The arithmetic of bench/compare: what tools say of their losses, and what a reader makes of their messages."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from outcome import DELIMITER, Outcome, Reading, medians, told_by_loop, told_by_probe, told_by_tcpdump

SIZE = 64


def frame(number: int, size: int = SIZE) -> bytes:
    return bytes(8) + struct.pack(">I", number) + bytes(size - 12 - len(DELIMITER)) + DELIMITER


def stream(*numbers: int) -> bytes:
    """What `tcpdump -w -` writes of them."""
    records = (struct.pack("<IIII", 1, 2, SIZE, SIZE) + frame(number) for number in numbers)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1) + b"".join(records)


def test_each_frame_counts_once_and_what_is_no_frame_of_ours_is_told_apart() -> None:
    reading = Reading(3, SIZE)
    for message in (frame(0), frame(2), frame(2), frame(3), frame(1)[:-1], b""):
        reading.take(message)
    assert (reading.delivered, reading.twice, reading.others) == (2, 1, 3)


def test_the_stream_of_tcpdump_is_counted_piece_by_piece() -> None:
    reading = Reading(3, SIZE)
    *pieces, rest = stream(0, 1, 2).split(DELIMITER)
    assert rest == b""
    for piece in pieces:
        reading.take_piece(piece)
    assert (reading.delivered, reading.twice, reading.others) == (3, 0, 0)
    # Two frames that were not cut apart are none.
    reading.take_piece(pieces[0] + DELIMITER + pieces[1])
    assert reading.others == 1


def test_every_tool_says_its_losses_in_its_own_words() -> None:
    words = "12 packets captured\n15 packets received by filter\n3 packets dropped by kernel\n"
    assert told_by_tcpdump(words) == 3
    with pytest.raises(ValueError, match="no drops in what tcpdump says"):
        told_by_tcpdump("tcpdump: cap0: no such device")
    assert told_by_loop(json.dumps({"captured": 10, "delivered": 7, "failed": 3, "dropped": 2})) == 5
    report: dict[str, Any] = {
        "source": {"in": 100, "missed": 1, "errors": 2, "no_mbuf": 3},
        "rx": {"ring_full_drops": 4},
        "tx": {"refused": 5},
        "kafka": {"failed": 6},
    }
    assert told_by_probe(report) == 21


def test_lost_is_what_is_not_there_whatever_the_tool_says() -> None:
    run = Outcome(offered=1000, seconds=2, delivered=800, told=150, cpu_seconds=0.004)
    assert (run.lost, run.untold, run.cpu_ns) == (200, 50, 5000)
    nothing = Outcome(offered=1000, seconds=2, delivered=0, told=None, cpu_seconds=1)
    assert (nothing.lost, nothing.untold, nothing.cpu_ns) == (1000, None, None)


def test_medians_of_runs() -> None:
    runs = [
        Outcome(100, 4, delivered, 100 - delivered, 1e-6 * delivered, twice=delivered == 90)
        for delivered in (90, 70, 80)
    ]
    made = medians(runs)
    assert (made["delivered"], made["lost"], made["lost_told"]) == (80, 20, 20)
    assert made["cpu_ns_per_packet"] == pytest.approx(1000)
    assert made["offered_per_s"] == 25
    assert (made["twice"], made["others"], made["runs"]) == (1, 0, 3)
    made = medians([Outcome(100, 4, 0, None, 1)])
    assert (made["cpu_ns_per_packet"], made["lost_told"]) == (None, None)
