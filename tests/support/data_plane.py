"""A data plane that only asks and takes: what the control side does is seen without a pipeline."""

from __future__ import annotations

import collections
import threading
import time
from dataclasses import dataclass, field

import pytest

from fastcapa._dataplane import Transport
from fastcapa.errors import RunTimeError
from fastcapa.kafka.control import Control
from fastcapa.kafka.data_plane import Question
from fastcapa.kafka.direct import direct_settings


@dataclass
class FakeDataPlane:
    """Its questions are put in by the test; the answers are kept."""

    questions: collections.deque[Question] = field(default_factory=collections.deque)
    topics: list[tuple[list[int], int]] = field(default_factory=list)
    identities: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    connections: dict[tuple[int, int], list[tuple[Transport, int]]] = field(default_factory=dict)
    busy: bool = False
    """Whether it takes nothing: its mailboxes are full."""

    def direct_next(self) -> Question | None:
        return self.questions.popleft() if self.questions else None

    def direct_topic(self, leaders: list[int], batch_bytes_max: int) -> None:
        self.topics.append((leaders, batch_bytes_max))

    def direct_producer_id(self, worker: int, producer_id: int, epoch: int) -> bool:
        if not self.busy:
            self.identities.setdefault(worker, []).append((producer_id, epoch))
        return not self.busy

    def direct_connection(self, worker: int, node: int, transport: Transport, version: int) -> bool:
        if not self.busy:
            self.connections.setdefault((worker, node), []).append((transport, version))
        return not self.busy

    # What a worker asks.

    def need_connection(self, worker: int, node: int, reason: str = "") -> None:
        self.questions.append(("connection", worker, node, -1, 0, reason))

    def need_topic(self, partition: int = 0, error: int = 6) -> None:
        self.questions.append(("topic", 0, -1, partition, error, ""))

    def need_producer_id(self, worker: int) -> None:
        self.questions.append(("producer_id", worker, -1, -1, 0, ""))


class Log:
    """Lines for the user, kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self.lines.append(line)


def control(plane: FakeDataPlane, log: Log, topic: str, properties: dict[str, str], *, workers: int = 1) -> Control:
    """The control side of that data plane."""
    return Control(plane, direct_settings(properties), topic, workers=workers, batch_bytes_max=1_000_000, log=log)


def failure(topic: str, properties: dict[str, str]) -> str:
    """What the control side says, in one line and soon, when it cannot prepare."""
    log = Log()
    began = time.monotonic()
    with pytest.raises(RunTimeError) as error:
        control(FakeDataPlane(), log, topic, properties).prepare()
    assert time.monotonic() - began < 12
    assert log.lines == []
    text = str(error.value)
    assert "\n" not in text
    return text
