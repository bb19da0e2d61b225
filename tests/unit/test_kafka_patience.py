"""The control side while brokers hang: whom it asks next, how soon, and who must not be asked again at once."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest
from support.data_plane import FakeDataPlane, Log

from fastcapa.kafka import cluster as cluster_module
from fastcapa.kafka import links as links_module
from fastcapa.kafka.address import Address
from fastcapa.kafka.cluster import Cluster
from fastcapa.kafka.connection import AuthenticationFailed, Connection, ConnectionFailed
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import DirectSettings, direct_settings
from fastcapa.kafka.links import Links
from fastcapa.kafka.metadata import Leader, Metadata
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.topic_watch import TopicWatch
from fastcapa.kafka.troubles import Troubles

A, B = Address("a", 1), Address("b", 2)


def settings(**properties: str) -> DirectSettings:
    return direct_settings({"bootstrap.servers": "a:1,b:2"} | properties)


class Hanging:
    """A dialer whose brokers take so many seconds to answer."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.dialed: list[tuple[str, float | None]] = []

    def dial(self, address: Address, wait_s: float | None = None) -> Connection:
        self.dialed.append((address.host, wait_s))
        needed = self.seconds[address.host]
        time.sleep(needed if wait_s is None else min(needed, wait_s))
        if wait_s is not None and needed > wait_s:
            raise ConnectionFailed(f"broker {address} does not answer")
        return cast(Connection, address)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(cluster_module, "_IMPATIENCE_S", 0.05)
    return 0.05


def _connected(dialer: Hanging) -> object:
    return Cluster(settings(), cast(Dialer, dialer), "t")._connect()


def test_a_broker_that_hangs_is_left_for_one_that_answers(impatience: float) -> None:
    for _ in range(8):  # in random order
        dialer = Hanging(a=3600, b=0)
        assert _connected(dialer) == B
        assert dialer.dialed in ([("b", impatience)], [("a", impatience), ("b", impatience)])


def test_when_all_are_slow_they_get_their_time(impatience: float) -> None:
    dialer = Hanging(a=0.2, b=0.2)
    assert _connected(dialer) in (A, B)
    assert [wait for _, wait in dialer.dialed] == [impatience, impatience, None]


class Wishes:
    """Of a topic watch, what links need."""

    def __init__(self) -> None:
        self.metadata = Metadata({1: A}, (Leader(1, 0),))
        self.wanted = 0

    def want(self) -> None:
        self.wanted += 1


def test_a_leader_that_hangs_may_have_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "_DIAL_S", 0.05)
    gate, log, topic = threading.Event(), Log(), Wishes()

    class Dead:
        def dial(self, address: Address) -> Connection:
            gate.wait()
            raise ConnectionFailed(f"broker {address} does not answer")

    tasks = Tasks("test")
    parts: Any = (FakeDataPlane(), settings(), tasks, Troubles(log))
    links = Links(*parts, dialer=cast(Dialer, Dead()), topic=cast(TopicWatch, topic))
    links.ask(0, 1, "")
    links.step()
    links.step()
    assert topic.wanted == 0
    time.sleep(0.1)
    links.step()
    assert topic.wanted == 1
    gate.set()
    tasks.serve(10)


def test_wishes_do_not_bring_back_who_was_refused() -> None:
    asked: list[float] = []

    class Refusing:
        def metadata(self) -> Metadata:
            asked.append(time.monotonic())
            raise AuthenticationFailed("no")

    plane, log, tasks = FakeDataPlane(), Log(), Tasks("test")
    limits = settings(**{"reconnect.backoff.max.ms": "1000", "retry.backoff.max.ms": "10"})
    parts: Any = (plane, Refusing(), limits, tasks, Troubles(log))
    watch = TopicWatch(*parts, topic="t", batch_bytes_max=1000)
    began = time.monotonic()
    while time.monotonic() - began < 0.6:
        watch.want()
        watch.step()
        tasks.serve(0.01)
    assert len(asked) == 1  # the next one 0.8 to 1.2 s later
    assert log.lines == ["cannot refresh the topic's metadata: no"]
