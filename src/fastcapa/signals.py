"""SIGINT and SIGTERM, and SIGHUP where it is wanted: counted instead of died of."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def nothing() -> None:
    """Do nothing: what a signal calls when nobody waits for it."""


@dataclass
class Stop:
    """How often a signal asked to stop. `wake` is called, by the signal handler, after each was counted."""

    count: int = 0
    reloads: int = 0
    """How often SIGHUP asked to read the configuration again."""
    wake: Callable[[], None] = field(default=nothing)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Be the signal handler."""
        if number == signal.SIGHUP:
            self.reloads += 1
        else:
            self.count += 1
        self.wake()

    def requested(self) -> bool:
        """Return whether there was any."""
        return self.count > 0

    def wait(self, seconds: float) -> bool:
        """Wait for a signal, at most so long, on the thread that gets them; return whether there was any, ever."""
        with self.waking() as reader:
            if not self.requested():
                select.select([reader], [], [], seconds)
        return self.requested()

    @contextmanager
    def waking(self) -> Iterator[int]:
        """Give a descriptor, while the context lasts, that can be read from once a signal was counted."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self.wake = lambda: _write(writer)
        try:
            yield reader
        finally:
            self.wake = nothing
            os.close(reader)
            os.close(writer)


def _write(descriptor: int) -> None:
    with suppress(BlockingIOError):  # it is full: nobody can overlook that
        os.write(descriptor, b"\0")


@contextmanager
def stop_signals(*, reload: bool = False) -> Iterator[Stop]:
    """Count the signals while the context lasts; with `reload` SIGHUP too, which else ends a program."""
    stop = Stop()
    numbers = (*STOP_SIGNALS, signal.SIGHUP) if reload else STOP_SIGNALS
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
