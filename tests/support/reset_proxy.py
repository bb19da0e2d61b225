"""A TCP proxy that resets connections in the middle of what they carry."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from support.background import Background

_PIECE_BYTES = 1 << 16
_LOOK_S = 0.05
# How much goes through before the reset. Requests are thousands of bytes, answers some tens: both end within one.
_TO_BROKER = (3_000, 60_000)
_TO_CLIENT = (200, 3_000)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: wait for nothing, tell the other side RST


@dataclass
class _Way:
    """One direction of a connection."""

    source: socket.socket
    sink: socket.socket
    span: tuple[int, int]
    left: int = 0
    """Bytes until the reset; it is looked at only while there are resets."""
    waiting: bytearray = field(default_factory=bytearray)


class ResetProxy(Background):
    """Forwards each of its ports to another one of the same host, in a thread of its own."""

    def __init__(self, host: str, targets: Mapping[int, int]) -> None:
        super().__init__("reset-proxy")
        self.resets = 0
        self.connections = 0
        """That clients have made."""
        self._resetting = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._ways: dict[socket.socket, _Way] = {}
        self._listeners: dict[socket.socket, tuple[str, int]] = {}
        for port, target in targets.items():
            listener = socket.create_server((host, port))
            listener.setblocking(False)
            self._listeners[listener] = (host, target)
            self._selector.register(listener, selectors.EVENT_READ)

    def _free(self) -> None:
        for each in (*self._ways, *self._listeners):
            each.close()
        self._selector.close()

    @contextmanager
    def resetting(self) -> Iterator[None]:
        """Inside, no connection lasts: each is reset after some bytes, in either direction."""
        self._resetting.set()
        try:
            yield
        finally:
            self._resetting.clear()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, events in self._selector.select(_LOOK_S):
                made = key.fileobj
                assert isinstance(made, socket.socket)
                if made in self._listeners:
                    self._accept(made)
                elif made in self._ways and events & selectors.EVENT_WRITE:
                    self._write(self._ways[self._ways[made].sink])
                elif made in self._ways:
                    self._read(self._ways[made])

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self.connections += 1
        try:
            broker = socket.create_connection(self._listeners[listener], timeout=5)
        except OSError:
            client.close()
            return
        for source, sink, span in ((client, broker, _TO_BROKER), (broker, client, _TO_CLIENT)):
            source.setblocking(False)
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ways[source] = _Way(source, sink, span, random.randint(*span))  # noqa: S311 -- no secret
            self._selector.register(source, selectors.EVENT_READ)

    def _read(self, way: _Way) -> None:
        try:
            data = way.source.recv(_PIECE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._close(way, reset=False)
            return
        if self._resetting.is_set() and len(data) >= way.left:
            # The first half of what is there still goes through: the reset is in the middle of something.
            with suppress(OSError):
                way.sink.send(data[: len(data) // 2])
            self.resets += 1
            self._close(way, reset=True)
            return
        if self._resetting.is_set():
            way.left -= len(data)
        way.waiting += data
        self._write(way)

    def _write(self, way: _Way) -> None:
        try:
            del way.waiting[: way.sink.send(way.waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._close(way, reset=False)
            return
        # While the sink is full, nothing more is read for it. The sink is read from, unless its own way is full.
        back = self._ways[way.sink]
        self._watch(way.source, read=not way.waiting, write=bool(back.waiting))
        self._watch(way.sink, read=not back.waiting, write=bool(way.waiting))

    def _watch(self, made: socket.socket, *, read: bool, write: bool) -> None:
        events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        if made in self._selector.get_map():
            self._selector.unregister(made)
        if events:
            self._selector.register(made, events)

    def _close(self, way: _Way, *, reset: bool) -> None:
        for made in (way.source, way.sink):
            if reset:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            if made in self._selector.get_map():
                self._selector.unregister(made)
            del self._ways[made]
            made.close()
