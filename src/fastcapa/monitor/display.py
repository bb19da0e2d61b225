"""What standard error shows of a running capture: a live table, a line now and then, or nothing; and the log's lines.

The live table has a thread of its own. A terminal that was stopped (Ctrl-S) stops that thread, and nothing else.
"""

import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from rich.console import Console
from rich.live import Live

from fastcapa.log import Logger
from fastcapa.monitor import Monitor, Status
from fastcapa.monitor.table import line, table
from fastcapa.threads import start_thread

Stats = Literal["auto", "live", "lines", "none"]

# What waits for a stopped terminal: more than that is not written.
_WAITING_MAX = 1000
_CLOSE_S = 2.0


@contextmanager
def display(stats: Stats, interval_s: float, monitor: Monitor, log: Logger, *, keep: int = 0) -> Iterator[None]:
    """Show the monitor's status while the context lasts: as a table, with the log's lines above it, or in the log.

    Lines in the log come every `interval_s` seconds. `keep`: capabilities of the table's thread.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if stats == "auto":
        stats = "live" if terminal else "none"
    if stats == "live" and not terminal:
        stats = "lines"
    if stats == "live":
        screen = _Screen(Console(stderr=True, highlight=False), monitor, keep)
        write, log.write = log.write, screen.say
        try:
            yield
        finally:
            log.write = write
            screen.close()
        return
    if stats == "lines":
        monitor.listen(_Lines(interval_s, log))
    yield


class _Lines:
    """Says a line when the interval is over, in the supervisor's thread, as it does with the log."""

    def __init__(self, interval_s: float, log: Logger) -> None:
        self._interval_s = interval_s
        self._log = log
        self._due = time.monotonic() + interval_s

    def __call__(self, status: Status) -> None:
        now = time.monotonic()
        if now < self._due or status.view is None or status.phase not in ("running", "draining"):
            return
        self._due = max(self._due + self._interval_s, now)
        self._log(line(status.view))


class _Screen:
    """The table and the lines above it."""

    def __init__(self, console: Console, monitor: Monitor, keep: int) -> None:
        self._console = console
        # Writers: the supervisor's thread; reader: the display's. None: the end.
        self._queue: queue.Queue[str | Status | None] = queue.Queue(_WAITING_MAX)
        self._thread = start_thread("fc-display", self._run, keep)
        monitor.listen(self._put)

    def say(self, text: str) -> None:
        """Write a line above the table."""
        self._put(text)

    def close(self) -> None:
        """Write what waits, and take the table away; gives up on a terminal that does not go on."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_S)
        self._thread.join(_CLOSE_S)

    def _put(self, item: str | Status) -> None:
        with suppress(queue.Full):
            self._queue.put_nowait(item)

    def _run(self) -> None:
        live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        # Nobody there to read it is no reason to lose packets.
        with suppress(OSError, ValueError), live:
            while (item := self._queue.get()) is not None:
                if isinstance(item, str):
                    self._console.print(item, markup=False, soft_wrap=True)
                elif item.view is not None and item.phase != "ended":
                    live.update(table(item, self._console.height), refresh=True)
