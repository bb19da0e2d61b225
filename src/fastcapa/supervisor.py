"""The supervisor: starts the engine, watches it, passes signals on, and turns its end into an exit code."""

import collections
import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from fastcapa.channel import Channel, Settings
from fastcapa.errors import FastcapaError, RunTimeError, UsageError
from fastcapa.host import oom
from fastcapa.log import Level, Log
from fastcapa.monitor import Monitor
from fastcapa.repeated import RepeatedLines
from fastcapa.service_manager import ServiceManager
from fastcapa.signals import STOP_SIGNALS, Stop, nothing
from fastcapa.stats import Report

# The engine may take this much longer than the drain's time-out: purging the producers, closing devices.
GRACE_S = 15.0
_LAST_WORDS = 20


class NoMemoryError(RunTimeError):
    """The engine did not get the packet memory that the plan promised."""

    def __init__(self, text: str, number: int) -> None:
        """`number` is the errno."""
        super().__init__(text)
        self.number = number


class EngineDiedError(RunTimeError):
    """The engine ended without a final report."""

    def __init__(self, text: str, snapshot: Report | None, unknown_s: float) -> None:
        """`snapshot` is its last one, None if it never ran; `unknown_s` is how long it went on after that."""
        super().__init__(text)
        self.snapshot = snapshot
        self.unknown_s = unknown_s


@dataclass
class Outcome:
    """How a run of the engine ended."""

    report: Report
    source_failed: bool
    failed: bool
    """It ended because its source or its producer failed, not because it was asked to or had what was asked for."""
    stopped_at_once: bool
    crashed: str | None
    """How the engine died after its final report, or that there was none at the end; None if it ended well."""


def _start_error(text: str, number: int) -> FastcapaError:
    """Return what kept the engine from starting as the error that it is for the user."""
    if number == errno.EINVAL:  # what was asked for, not what was found
        return UsageError(text)
    # EACCES is DPDK's word for hugepages that are not there.
    if number in (errno.ENOMEM, errno.EACCES):
        return NoMemoryError(text, number)
    return RunTimeError(text)


def _status(report: Report) -> str:
    return f"{report['rx']['in']} packets were captured and {report['kafka']['delivered']} delivered"


def _start_engine(connection: socket.socket, directory: str) -> subprocess.Popen[bytes]:
    """Start the engine; `directory` is for the EAL's files."""
    # Blocked signals stay blocked in the child until it has its handlers: Ctrl-C goes to the whole process group, and a
    # service manager signals every process. SIGHUP stays blocked there for good: it is for the supervisor.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, signal.SIGHUP))
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "fastcapa.engine", str(connection.fileno())],
            pass_fds=[connection.fileno()],
            env=os.environ | {"RUNTIME_DIRECTORY": directory},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor:
    """Runs one engine to its end."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        started: Callable[[], None] = nothing,
        monitor: Monitor | None = None,
        *,
        reload: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """`log` gets each line for the user, `monitor` what is heard of the engine; `started`: it receives.

        `reload` answers SIGHUP with what the engine is to be told.
        """
        self._settings = settings
        self._log = log
        self._started = started
        self._monitor = monitor or Monitor()
        self._reload = reload
        self._reloads_served = 0
        self._receiving = False
        self._last_words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS)
        self._final: dict[str, Any] | None = None
        self._snapshot: Report | None = None
        self._snapshot_at = 0.0  # monotonic
        self._oom_kills = oom.kills()
        self._error: FastcapaError | None = None
        self._deadline: float | None = None
        self._cpu_started = time.process_time()
        self._repeated = RepeatedLines()
        self._manager = ServiceManager()

    def run(self, stop: Stop) -> Outcome:
        """Start the engine and watch it until it ends.

        If it could not start, raises UsageError, NoMemoryError or RunTimeError with the engine's own words; if it died,
        EngineDiedError with the cause.
        """
        ours, theirs = socket.socketpair()
        directory = tempfile.TemporaryDirectory(prefix="fastcapa-", ignore_cleanup_errors=True)
        with ours, theirs, directory as runtime:
            self._monitor.starting(self._settings.config, self._settings.producer)
            process = _start_engine(theirs, runtime)
            theirs.close()
            channel = Channel(ours)
            try:
                channel.send(self._settings.model_dump(mode="json"))
                self._watch(process, channel, stop)
                ended_at = time.monotonic()
            finally:
                # Closing tells the engine, if it still runs, that it has to drain.
                ours.close()
                self._end(process)
                self._monitor.ended()
        if self._error is not None:
            raise self._error
        if self._final is None:
            unknown_s = ended_at - self._snapshot_at if self._snapshot is not None else 0.0
            cause = self._cause_of_death(process.returncode)
            raise EngineDiedError(cause + self._last_known(unknown_s), self._snapshot, unknown_s)
        ended_well = process.returncode == 0 and self._final["report"]["mbufs_missing"] is not None
        return Outcome(
            report=self._final["report"],
            crashed=None if ended_well else f"{self._cause_of_death(process.returncode)}, after its final report",
            source_failed=self._final["source_failed"],
            failed=self._final["failed"],
            stopped_at_once=stop.count > 1,
        )

    def _watch(self, process: subprocess.Popen[bytes], channel: Channel, stop: Stop) -> None:
        stderr = process.stderr
        assert stderr is not None  # noqa: S101 -- a pipe, as asked for above
        served = 0
        with stop.waking() as reader, selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ, lambda: self._serve_messages(channel))
            selector.register(stderr, selectors.EVENT_READ, lambda: self._read_last_words(stderr, selector))
            selector.register(reader, selectors.EVENT_READ, lambda: os.read(reader, 64))
            while not channel.closed:
                served = self._pass_on(channel, process, stop, served)
                for key, _ in selector.select(self._patience()):
                    key.data()
                if self._patience() == 0:
                    self._last_words.append(f"it did not end within {GRACE_S:g} s after the drain")
                    process.kill()
                    return

    def _pass_on(self, channel: Channel, process: subprocess.Popen[bytes], stop: Stop, served: int) -> int:
        """Serve signals: the first drains, the second gives up what is left, the third kills. Returns their number."""
        # Before the start there is nothing that it could change in the engine.
        if self._receiving and self._reloads_served < stop.reloads:
            self._reloads_served = stop.reloads
            if command := self._reload():
                channel.send(command)
        timeout_s = self._settings.config.drain_timeout
        while served < stop.count:
            served += 1
            if served == 1:
                self._log(f"draining for up to {timeout_s:g} s; stop again to give up what is left", Level.NOTICE)
                self._manager.stopping(f"draining for up to {timeout_s:g} s")
                channel.send({"stop": timeout_s})
                self._monitor.draining()
                self._deadline = time.monotonic() + timeout_s + GRACE_S
            elif served == 2:
                channel.send({"stop": 0})
                self._deadline = time.monotonic() + GRACE_S
            else:
                self._last_words.append("stopped a third time; what was left is not counted")
                process.kill()
        return served

    def _patience(self) -> float | None:
        """Seconds that the engine still has, None without limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _serve_messages(self, channel: Channel) -> None:
        for message in channel.receive():
            kind = message["type"]
            if kind == "log":
                self._log_event(message["level"], message["text"])
            elif kind == "started":
                self._cpu_started = time.process_time()
                self._receiving = True
                self._started()
                self._monitor.started()
                for clock in message["clocks"]:
                    self._log(f"timestamps of {clock}")
                self._manager.ready()
            elif kind == "snapshot":
                self._snapshot, self._snapshot_at = message["report"], time.monotonic()
                self._manager.alive(_status(message["report"]))
                self._monitor.snapshot(message["report"])
            elif kind == "final":
                self._final = message
                self._monitor.snapshot(message["report"])
                message["report"]["cost"]["cpu_seconds"] += time.process_time() - self._cpu_started
                self._final["report"]["mbufs_missing"] = None  # not known before it has closed everything
                self._deadline = time.monotonic() + GRACE_S
            elif kind == "closed" and self._final is not None:
                self._final["report"]["mbufs_missing"] = message["mbufs_missing"]
            elif kind == "error":
                self._error = _start_error(message["text"], message["errno"])

    def _log_event(self, level: int, text: str) -> None:
        """Log a line of the engine; one that repeats (a broker that is away) at powers of ten only.

        Notices are what happened (a link went down), each time anew.
        """
        if level == Level.NOTICE:
            self._log(text, Level.NOTICE)
            return
        known = Level(min(max(level, Level.ERROR), Level.INFO))
        count = self._repeated.count(text)
        if count == 1:
            self._log(text, known)
        elif str(count).rstrip("0") == "1":
            self._log(f"{text} (for the {count}th time)", known)

    def _read_last_words(self, stderr: IO[bytes], selector: selectors.BaseSelector) -> None:
        piece = os.read(stderr.fileno(), 1 << 16)
        if not piece:
            selector.unregister(stderr)
        self._last_words.extend(piece.decode("utf-8", "replace").splitlines())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave no process behind, whatever happened."""
        try:
            process.wait(self._settings.config.drain_timeout + GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            os.set_blocking(process.stderr.fileno(), False)
            self._last_words.extend((process.stderr.read() or b"").decode("utf-8", "replace").splitlines())
            process.stderr.close()

    def _last_known(self, before_s: float) -> str:
        if self._snapshot is None:
            return ""
        return f"; at its last report, {before_s:.1f} s before, {_status(self._snapshot)}"

    def _cause_of_death(self, status: int) -> str:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        if -status == signal.SIGKILL and oom.kills() > self._oom_kills:
            how += " (the kernel has killed for want of memory meanwhile)"
        words = [line.strip() for line in self._last_words if line.strip()]
        return f"the engine {how}" + (f"; its last words: {words[-1]}" if words else "")
