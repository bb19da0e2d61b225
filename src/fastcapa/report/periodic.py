"""The report while a capture goes on: `--report-every`.

The supervisor's thread hears of each snapshot and says when one is due; a thread of its own writes. A disk that hangs
holds up that thread and nothing else: what is due meanwhile is left out, and counted.
"""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fastcapa.errors import FastcapaError
from fastcapa.log import Level, Log
from fastcapa.monitor import Monitor, Status
from fastcapa.report.files import ReportFiles
from fastcapa.threads import start_thread

_CLOSE_S = 2.0


class Counts:
    """How many reports were written while the capture went on."""

    def __init__(self) -> None:
        # Writer: the writing thread; of `skipped` the supervisor's.
        self.written = 0
        self.failed = 0
        self.skipped = 0

    def report(self) -> dict[str, Any]:
        """Return what the report says of those before it."""
        return {"written": self.written, "failed": self.failed, "skipped": self.skipped}


@contextmanager
def periodic_reports(
    files: ReportFiles | None,
    every_s: float,
    monitor: Monitor,
    log: Log,
    *,
    keep: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Counts]:
    """Write the report every so many seconds while the context lasts; never, for 0.

    `keep`: capabilities of the thread that writes. `clock`: seconds.
    """
    counts = Counts()
    if files is None or not every_s:
        yield counts
        return
    writer = _Writer(files, every_s, counts, log, clock)
    thread = start_thread("fc-report", writer.run, keep)
    monitor.listen(writer.hear)
    try:
        yield counts
    finally:
        writer.end()
        thread.join(_CLOSE_S)


class _Writer:
    def __init__(
        self, files: ReportFiles, every_s: float, counts: Counts, log: Log, clock: Callable[[], float]
    ) -> None:
        self._files = files
        self._every_s = every_s
        self._counts = counts
        self._log = log
        self._clock = clock
        self._fails = False
        self._due: float | None = None  # None: no snapshot has come yet
        # Writer: the supervisor's thread; reader: the writing one. None: the end.
        self._queue: queue.Queue[Status | None] = queue.Queue(1)

    def hear(self, status: Status) -> None:
        """Hear of a snapshot, in the supervisor's thread."""
        if status.report is None or status.phase not in ("running", "draining"):
            return
        now = self._clock()
        self._due = self._due or now + self._every_s
        if now < self._due:
            return
        self._due = max(self._due + self._every_s, now)
        try:
            self._queue.put_nowait(status)
        except queue.Full:
            self._counts.skipped += 1

    def end(self) -> None:
        """Have run() return when what waits is written; gives up on a disk that does not answer."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_S)

    def run(self) -> None:
        """Write what is due, until the end."""
        while (status := self._queue.get()) is not None:
            try:
                self._write(status)
            except FastcapaError as error:
                self._counts.failed += 1
                if not self._fails:
                    self._log(f"{error}; tried again every {self._every_s:g} s", Level.ERROR)
                self._fails = True
            else:
                self._counts.written += 1
                if self._fails:
                    self._log("reports are written again", Level.NOTICE)
                self._fails = False

    def _write(self, status: Status) -> None:
        # What has not left the engine yet is not missing.
        so_far = status.whole_report() | {"mbufs_missing": None}
        more = {"reloads": status.reloads.report(), "reports": self._counts.report()}
        self._files.write(so_far | more, final=False)
