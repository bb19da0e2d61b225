"""Captures that are under way: started, watched, signalled, ended."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Self

from support.netns import Namespace
from support.probe import Report, Run, assert_identity, finish, start, wait_for_line

RUNNING = "timestamps of"  # the probe's line when the sources are open


@dataclass
class Live:
    """A capture that runs; every way to use it ends it."""

    process: subprocess.Popen[str]
    path: Path

    @classmethod
    def begin(
        cls,
        bootstrap: str,
        topic: str,
        *arguments: str,
        directory: Path,
        inside: Namespace | None = None,
        prefix: Sequence[str] = (),
    ) -> Self:
        """Start a capture, on the namespace's interface if there is one, and wait until it receives."""
        path = directory / "report.json"
        source = ("-i", inside.capture) if inside is not None else ()
        prefix = (*inside.prefix, *prefix) if inside is not None else prefix
        options = ("-b", bootstrap, "-t", topic, "--oversubscribe", *source, *arguments)
        live = cls(start("capture", *options, prefix=prefix, report=path), path)
        try:
            wait_for_line(live.process, RUNNING)
        except BaseException:
            live.process.kill()
            raise
        return live

    def signal(self, number: Signals) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    @property
    def engine(self) -> int:
        """Process id of the engine."""
        pid = self.process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)

    def end(self, *, status: int = 0, timeout: float = 60) -> Report:
        """Wait until it has ended by itself; its report, in which every packet is accounted for."""
        run = self.ended(timeout)
        assert run.status == status, run.stderr
        return self.report()

    def report(self) -> Report:
        """The report of one that has ended, in which every packet is accounted for."""
        report = self.raw_report()
        assert_identity(report)
        return report

    def raw_report(self) -> Report:
        """The report of one that has ended as it should not."""
        report: Report = json.loads(self.path.read_text())
        return report

    def ended(self, timeout: float = 60) -> Run:
        """Wait until it has ended by itself."""
        return finish(self.process, timeout)

    def stop(self, number: Signals = SIGTERM, *, status: int = 0) -> Report:
        """Ask it to drain; its report."""
        self.signal(number)
        return self.end(status=status)


def wait_until(condition: Callable[[], bool], timeout: float = 60) -> None:
    """Look at something that nobody reports, until it is so."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)


def wait_for_exit(descriptor: int, timeout: float = 60) -> bool:
    """Wait for the end of a process that is not our child, by its pidfd."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
