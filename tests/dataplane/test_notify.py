"""What a service manager hears: sd_notify(3) over a socket of the test's own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import Live


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@fastcapa-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def heard(manager: socket.socket) -> dict[str, str]:
    """The next message."""
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def drain(manager: socket.socket) -> list[dict[str, str]]:
    """The messages that are there."""
    messages = []
    manager.setblocking(False)
    try:
        while True:
            messages.append(heard(manager))
    except BlockingIOError:
        pass
    manager.settimeout(60)
    return messages


def test_ready_alive_and_stopping(broker: str, manager: socket.socket, tmp_path: Path) -> None:
    # A ring that nobody fills: it runs until it is told to stop.
    live = Live.begin(broker, "t", "--device", "net_ring0", directory=tmp_path)
    assert heard(manager) == {"READY": "1"}
    for _ in range(2):
        alive = heard(manager)
        assert alive.pop("WATCHDOG") == "1"
        assert alive == {"STATUS": "0 packets were captured and 0 delivered"}
    # An engine that hangs is not heard of, however well its supervisor is.
    engine = live.engine
    os.kill(engine, signal.SIGSTOP)
    time.sleep(1)  # what was under way
    drain(manager)
    time.sleep(3)  # three snapshots' time: nothing that could be waited for
    assert drain(manager) == []
    os.kill(engine, signal.SIGCONT)
    assert heard(manager)["WATCHDOG"] == "1"
    live.stop()
    last = drain(manager)
    assert next(message for message in last if "STOPPING" in message)["STATUS"] == "draining for up to 30 s"


def test_a_manager_that_is_gone_is_no_reason_to_fail(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    live = Live.begin(broker, "t", "--device", "net_ring0", "--duration", "1.5", directory=tmp_path)
    assert live.end()["source"]["in"] == 0
