"""The supervisor's side of an engine's end, with engines that are none."""

import socket

import pytest

from fastcapa.channel import Channel
from fastcapa.signals import Stop, stop_signals


def test_channel_carries_whole_messages_however_they_are_cut() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours)
        theirs.sendall(b'{"a": 1}\n{"b"')
        assert list(channel.receive()) == [{"a": 1}]
        theirs.sendall(b": 2}\n")
        assert list(channel.receive()) == [{"b": 2}]
        assert not channel.closed
        theirs.close()
        assert list(channel.receive()) == []
        assert channel.closed


def test_sending_to_a_peer_that_is_gone_closes_the_channel() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        channel = Channel(ours)
        channel.send({"x": "y" * 1_000_000})
        assert channel.closed


@pytest.mark.parametrize("times", [1, 2, 3])
def test_signals_are_counted_and_wake(times: int) -> None:
    woken: list[int] = []
    with stop_signals() as stop:
        stop.wake = lambda: woken.append(1)
        for _ in range(times):
            stop(15, None)
        assert isinstance(stop, Stop)
    assert stop.count == times == len(woken)
