"""Runs of the direct producer into a broker whose script is the test, and what has to hold after each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.capture_files import read_capture
from support.probe import Report, assert_identity, fastcapa, property_words
from support.scripted_broker import ScriptedBroker

# Small batches, and no waits that make a test long: tries follow each other within some hundredths of a second.
QUICK = {
    "batch.size": "16384",
    "retry.backoff.ms": "10",
    "reconnect.backoff.ms": "10",
    "reconnect.backoff.max.ms": "10",
}


@dataclass(frozen=True)
class DirectRun:
    """A capture of a file that has ended."""

    status: int
    report: Report
    lines: list[str]
    """Standard error."""

    @property
    def delivered(self) -> int:
        return int(self.report["kafka"]["delivered"])

    @property
    def failed(self) -> int:
        return int(self.report["kafka"]["failed"])

    def lines_with(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]


def run(broker: ScriptedBroker, path: Path, *arguments: str, **properties: str) -> DirectRun:
    """Capture a file to its end; every packet is accounted for. `_` in a property's name stands for `.`."""
    named = QUICK | {name.replace("_", "."): value for name, value in properties.items()}
    options = property_words(named)
    source = ("-b", broker.bootstrap, "-t", broker.topic, "-r", str(path), "--oversubscribe", "--report", "-")
    ended = fastcapa("capture", *source, "--producer", "direct", *options, *arguments)
    assert ended.stdout, ended.stderr
    assert_identity(ended.report)
    made = DirectRun(ended.status, ended.report, ended.stderr.splitlines())
    assert made.report["kafka"]["in"] + made.report["tx"]["refused"] == made.report["source"]["in"]
    return made


def frames(path: Path) -> list[bytes]:
    """The frames of a file whose frames are all different."""
    found = [frame.data for frame in read_capture(path)]
    assert len(set(found)) == len(found)
    return found


def missing_of(broker: ScriptedBroker, sent: list[bytes]) -> list[bytes]:
    """Frames that are not in the topic. Fails if one is there twice, altered, or in another order than it was sent."""
    place = {frame: index for index, frame in enumerate(sent)}
    seen: set[int] = set()
    for partition in broker.values():
        places = [place[value] for value in partition]  # KeyError: not what was sent
        assert places == sorted(set(places)), "twice, or out of order"
        assert seen.isdisjoint(places), "in two partitions"
        seen.update(places)
    return [frame for index, frame in enumerate(sent) if index not in seen]


def assert_all_delivered(broker: ScriptedBroker, made: DirectRun, sent: list[bytes]) -> None:
    """Each frame is there once, byte for byte, in order in its partition, and counted as delivered."""
    assert missing_of(broker, sent) == []
    assert (made.status, made.delivered, made.failed) == (0, len(sent), 0), made.lines
