"""What a run comes to: pure arithmetic on what tools print and what a reader counts."""

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# What kcat is told to split at: the generator ends each frame with it. No real traffic does.
DELIMITER = bytes.fromhex("deadbeef")
# tcpdump's file: a header before the first packet and one before each (pcap-savefile(5)).
FILE_HEADER, PACKET_HEADER = 24, 16
# Where the generator counts, support.netns.COUNTER.
NUMBER = slice(8, 12)


@dataclass(frozen=True)
class Outcome:
    """One run of one tool."""

    offered: int
    """Frames that the generator sent."""
    seconds: float
    """In which it did; its own start is in it."""
    delivered: int
    """Of those, how many a reader found in Kafka, each counted once."""
    told: int | None
    """Frames that the tool itself says it lost; None: it says nothing."""
    cpu_seconds: float
    """User and system time of all its processes, from the moment it listened."""
    twice: int = 0
    """Messages of a frame that had been there before."""
    others: int = 0
    """Messages that are no frame of ours: cut, or joined with another."""

    @property
    def lost(self) -> int:
        """What is not in Kafka."""
        return self.offered - self.delivered

    @property
    def untold(self) -> int | None:
        """What is lost and the tool does not say so."""
        return None if self.told is None else self.lost - self.told

    @property
    def cpu_ns(self) -> float | None:
        """CPU time of a delivered packet; None if there is none."""
        return self.cpu_seconds * 1e9 / self.delivered if self.delivered else None


class Reading:
    """The frames of a topic, told apart by their numbers."""

    def __init__(self, offered: int, size: int) -> None:
        self._seen = bytearray(offered)
        self._size = size
        self.delivered = self.twice = self.others = 0

    def take(self, frame: bytes) -> None:
        """Count a frame as Fastcapa writes it."""
        number = int.from_bytes(frame[NUMBER]) if len(frame) == self._size else -1
        if not 0 <= number < len(self._seen):
            self.others += 1
        elif self._seen[number]:
            self.twice += 1
        else:
            self._seen[number] = 1
            self.delivered += 1

    def take_piece(self, message: bytes) -> None:
        """Count a piece of tcpdump's stream, cut where each frame ends."""
        for start in (PACKET_HEADER, FILE_HEADER + PACKET_HEADER):
            if len(message) == start + self._size - len(DELIMITER):
                self.take(message[start:] + DELIMITER)
                return
        self.others += 1


def told_by_probe(report: dict[str, Any]) -> int:
    """Return all losses of a capture's final report."""
    source = sum(report["source"][cause] for cause in ("missed", "errors", "no_mbuf"))
    return int(source + report["rx"]["ring_full_drops"] + report["tx"]["refused"] + report["kafka"]["failed"])


def told_by_tcpdump(words: str) -> int:
    """Return the drops of tcpdump's last lines; of kcat behind it there are none to be had."""
    found = re.search(r"^(\d+) packets? dropped by kernel", words, re.MULTILINE)
    if found is None:
        raise ValueError(f"no drops in what tcpdump says: {words!r}")
    return int(found[1])


def told_by_loop(words: str) -> int:
    """Return the losses in the JSON of pcap_loop.py: the kernel's drops, and what Kafka did not take."""
    counts = json.loads(words)
    return int(counts["dropped"] + counts["captured"] - counts["delivered"])


def medians(runs: Sequence[Outcome]) -> dict[str, float | None]:
    """Return the median of each figure of one tool under one load."""
    cpu = [run.cpu_ns for run in runs if run.cpu_ns is not None]
    told = [run.told for run in runs if run.told is not None]
    return {
        "offered": statistics.median(run.offered for run in runs),
        "offered_per_s": statistics.median(run.offered / run.seconds for run in runs),
        "delivered": statistics.median(run.delivered for run in runs),
        "lost": statistics.median(run.lost for run in runs),
        "lost_told": statistics.median(told) if len(told) == len(runs) else None,
        "twice": max(run.twice for run in runs),
        "others": max(run.others for run in runs),
        "cpu_ns_per_packet": statistics.median(cpu) if cpu else None,
        "runs": len(runs),
    }
