"""A steady stream of numbered frames into a namespace, for as long as a test wants it."""

from __future__ import annotations

import socket
import time
from types import TracebackType

from support.background import Background
from support.frames import udp_of_size
from support.netns import Namespace
from support.numbered import NUMBER

TICK_S = 0.01


class Load(Background):
    """Sends frames until its end: frame i carries number i, is of flow i % flows, and the sizes take turns."""

    def __init__(self, inside: Namespace, *, rate: int, flows: int = 64, sizes: tuple[int, ...] = (64, 600)) -> None:
        """`rate` is in frames a second; the test may change it at any time."""
        super().__init__("load")
        self.sent = 0
        self.flows = flows
        self.rate = rate
        shapes = [udp_of_size(sizes[number % len(sizes)], flow=number % flows) for number in range(flows * len(sizes))]
        self._ends = [(frame[: NUMBER.start], frame[NUMBER.stop :]) for frame in shapes]
        with inside.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((inside.generator, 0))
        self._error: OSError | None = None

    def frame(self, number: int) -> bytes:
        """Frame `number`, byte for byte."""
        head, tail = self._ends[number % len(self._ends)]
        return head + number.to_bytes(8) + tail

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None and self._error is not None:
            raise self._error

    def _free(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        due, before = 0.0, time.monotonic()
        try:
            while not self._ended.wait(TICK_S):
                now = time.monotonic()
                due, before = due + (now - before) * self.rate, now
                while self.sent < int(due):
                    self._socket.send(self.frame(self.sent))
                    self.sent += 1
        except OSError as error:
            self._error = error
