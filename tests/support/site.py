"""A namespace to capture in, and Apache Kafka that it reaches over another link than the captured one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import topics
from support.kafka_reader import Record, read_all
from support.live import Live
from support.netns import Namespace
from support.probe import Report


@dataclass(frozen=True)
class Site:
    """A namespace, and a broker that it reaches over another link than the captured one."""

    inside: Namespace
    bootstrap: str
    directory: Path

    def begin(self, topic: str, *arguments: str) -> Live:
        return Live.begin(self.bootstrap, topic, *arguments, directory=self.directory, inside=self.inside)

    def capture(self, send: Callable[[], object], *arguments: str, partitions: int = 1) -> tuple[Report, list[Record]]:
        """What a capture makes of the frames that `send` sends: its report, and the topic."""
        topic = topics.create(self.bootstrap, partitions)
        live = self.begin(topic, *arguments)
        send()
        report = live.stop()
        return report, read_all(self.bootstrap, topic)


def dropped(report: Report) -> int:
    """Every named loss before Kafka."""
    source, rx = report["source"], report["rx"]
    return int(source["missed"] + source["errors"] + source["no_mbuf"] + rx["ring_full_drops"])
