"""`--restart`: engine after engine until one ends as it was asked to; together they make one report."""

import math
import time
from collections.abc import Callable

from fastcapa import stats
from fastcapa.combined import Past, combined
from fastcapa.config import CaptureConfig
from fastcapa.errors import FastcapaError, RunTimeError
from fastcapa.kafka.backoff import Backoff
from fastcapa.log import Level, Log
from fastcapa.signals import Stop
from fastcapa.supervisor import EngineDiedError, Outcome

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
# An engine that ran for so long was all right: the next wait is short again.
HEALTHY_S = 60.0

StartEngine = Callable[[CaptureConfig, Callable[[], None]], Outcome]


class Restarts:
    """The engines of one capture."""

    def __init__(
        self,
        config: CaptureConfig,
        log: Log,
        start: StartEngine,
        began: Callable[[Past], None] = lambda _: None,
    ) -> None:
        """`start` runs an engine to its end, as Supervisor.run() does, and calls back when that receives.

        `began` is told then what was before it.
        """
        self._config = config
        self._log = log
        self._start = start
        self._began = began
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        self._reports: list[stats.Report] = []  # of the engines that have ended
        self._restarts = 0
        self._outage_s = 0.0
        # All monotonic.
        self._first_start: float | None = None
        self._last_start = 0.0
        self._down_since: float | None = None

    def run(self, stop: Stop) -> Outcome:
        """Run engines until one ends as it was asked to, or until the end comes while none runs.

        The first one has to start: what keeps it from that is raised, as by Supervisor.run(). From then on all that
        ends an engine, or keeps one from starting, is a line, a wait and a new one.
        """
        while True:
            outcome, why = self._run_one()
            if outcome is not None and (not outcome.failed or stop.requested()):
                outcome.report = self._combined()
                return outcome
            self._down_since = self._down_since or time.monotonic()
            if self._over(stop):
                return self._ended_without_engine(stop, why)
            wait_s = self._backoff.next()
            self._log(f"{why}; the next one starts in {wait_s:.1f} s", Level.ERROR)
            stop.wait(min(wait_s, self._time_left()))
            if self._over(stop):
                return self._ended_without_engine(stop, "the end came while no engine ran")

    def _run_one(self) -> tuple[Outcome | None, str]:
        """Run an engine to its end; its outcome if it had one, and what was wrong."""
        outcome = None
        try:
            outcome = self._start(self._rest(), self._note_start)
            self._reports.append(outcome.report)
            why = outcome.crashed or "the engine ended, for its source or its producer failed"
        except FastcapaError as error:
            if self._first_start is None:
                raise
            why = str(error) if isinstance(error, EngineDiedError) else f"no engine: {error}"
            if isinstance(error, EngineDiedError) and error.snapshot is not None:
                self._reports.append(stats.of_dead_engine(error.snapshot, error.unknown_s))
        if time.monotonic() - self._last_start >= HEALTHY_S and self._down_since is None:
            self._backoff.reset()
        return outcome, why

    def _note_start(self) -> None:
        """An engine receives."""
        self._last_start = time.monotonic()
        if self._first_start is None:
            self._first_start = self._last_start
        if self._down_since is not None:
            away_s = self._last_start - self._down_since
            self._down_since = None
            self._outage_s += away_s
            self._restarts += 1
            self._log(
                f"a new engine runs, after {away_s:.1f} s in which nothing was captured (restart {self._restarts})"
            )
        self._began(Past(tuple(self._reports), self._restarts, self._outage_s))

    def _rest(self) -> CaptureConfig:
        """Return what is left to do of what was asked for."""
        update: dict[str, float] = {}
        if self._config.duration and self._first_start is not None:
            update["duration"] = max(self._time_left(), 0.001)  # 0 is no limit
        if self._config.count:
            update["count"] = self._config.count - self._counted()
        return self._config.model_copy(update=update)

    def _time_left(self) -> float:
        """Return the seconds that --duration leaves."""
        if not self._config.duration or self._first_start is None:
            return math.inf
        return max(0.0, self._first_start + self._config.duration - time.monotonic())

    def _counted(self) -> int:
        """Return how many packets of --count there have been, as far as is known."""
        return sum(report["rx"]["in"] - report["rx"]["filtered"] for report in self._reports)

    def _over(self, stop: Stop) -> bool:
        """Whether no other engine is wanted."""
        counted = self._config.count and self._counted() >= self._config.count
        return stop.requested() or self._time_left() == 0 or bool(counted)

    def _combined(self) -> stats.Report:
        down_s = time.monotonic() - self._down_since if self._down_since is not None else 0.0
        return combined(self._reports, restarts=self._restarts, outage_seconds=self._outage_s + down_s)

    def _ended_without_engine(self, stop: Stop, why: str) -> Outcome:
        if not self._reports:
            raise RunTimeError(why)
        return Outcome(
            report=self._combined() | {"mbufs_missing": None},  # nobody was there to count them
            source_failed=False,
            failed=True,
            stopped_at_once=stop.count > 1,
            crashed=why,
        )
