"""Work that blocks, away from the loop that wants its result."""

import queue
from collections.abc import Callable
from typing import TypeVar

from fastcapa.threads import start_thread

Result = TypeVar("Result")


class Tasks:
    """Runs work on threads of its own; results come back on the thread that calls serve().

    The threads are daemons: one that hangs in the resolver for half a minute must not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Not a SimpleQueue: stopped and continued at the wrong moment (SIGSTOP), its get() forgets the time-out (3.11).
        self._ended: queue.Queue[Callable[[], None]] = queue.Queue()
        self.running = 0

    def start(self, work: Callable[[], Result], done: Callable[[Result | Exception], None]) -> None:
        """Run `work` on another thread; serve() then calls `done` with its result, or with what it raised."""

        def run() -> None:
            result: Result | Exception
            try:
                result = work()
            except Exception as error:
                result = error
            self._ended.put(lambda: done(result))

        self.running += 1
        start_thread(self._name, run)

    def serve(self, wait_s: float) -> None:
        """Wait up to `wait_s` for the end of one, then call `done` of all that have ended."""
        try:
            done = self._ended.get(timeout=wait_s)
            while True:
                self.running -= 1
                done()
                done = self._ended.get_nowait()
        except queue.Empty:
            pass
