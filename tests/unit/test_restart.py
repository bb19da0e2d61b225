"""When another engine is started, and what the run then was, with engines that are none and time that does not pass."""

from collections.abc import Callable
from typing import Any

import pytest
from support.probe import assert_books_close
from support.reports import snapshot

from fastcapa.capture import exit_code
from fastcapa.config import CaptureConfig, validate
from fastcapa.errors import Exit, RunTimeError, UsageError
from fastcapa.restart import Restarts
from fastcapa.signals import Stop
from fastcapa.stats import Report
from fastcapa.supervisor import EngineDiedError, Outcome

LIVE: dict[str, Any] = {
    "sources": [{"kind": "interface", "name": "eth1"}],
    "topic": "t",
    "properties": {"bootstrap.servers": "b:9092"},
    "restart": True,
}


class Clock:
    """Time that passes only when somebody waits, and a stop that comes at a moment of it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stop_at = float("inf")
        self.waits: list[float] = []

    def pass_by(self, seconds: float, stop: Stop) -> None:
        self.waits.append(seconds)
        self.now = min(self.now + seconds, max(self.now, self.stop_at))
        if self.now >= self.stop_at and not stop.requested():
            stop.count = 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("fastcapa.restart.time.monotonic", lambda: made.now)
    monkeypatch.setattr(Stop, "wait", lambda self, seconds: made.pass_by(seconds, self))
    return made


class Engines:
    """A script of engines, a generator of what becomes of each."""

    def __init__(self, clock: Clock, *lives: "Report | Exception | Outcome", ran_s: float = 5.0) -> None:
        self._clock, self._lives, self._ran_s = clock, list(lives), ran_s
        self.configs: list[CaptureConfig] = []

    def start(self, config: CaptureConfig, started: Callable[[], None]) -> Outcome:
        self.configs.append(config)
        life = self._lives.pop(0)
        if isinstance(life, Exception):
            raise life
        started()
        self._clock.now += self._ran_s
        if isinstance(life, Outcome):
            return life
        raise EngineDiedError("the engine was killed by SIGSEGV", life, 0.5)


def ended(*, failed: bool = False) -> Outcome:
    """An engine that drained."""
    return Outcome(snapshot(1, drained=True) | {"mbufs_missing": 0}, failed, failed, False, None)


def run(engines: Engines, stop: Stop | None = None, **options: Any) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    config = validate({**LIVE, **options})
    outcome = Restarts(config, lambda line, *_: lines.append(line), engines.start).run(stop or Stop())
    assert_books_close(outcome.report)
    return outcome, lines


def test_an_engine_that_ends_as_asked_is_the_only_one(clock: Clock) -> None:
    outcome, lines = run(Engines(clock, ended()))
    assert (outcome.report["restarts"], outcome.report["outage_seconds"], lines) == (0, 0, [])
    assert outcome.report["mbufs_missing"] == 0


def test_a_dead_engine_is_replaced_and_the_outage_counted(clock: Clock) -> None:
    outcome, lines = run(Engines(clock, snapshot(1), ended()))
    report = outcome.report
    (wait_s,) = clock.waits
    assert 0.8 <= wait_s <= 1.2
    assert report["restarts"] == 1
    assert report["outage_seconds"] == pytest.approx(wait_s, abs=0.001)
    assert report["unknown_seconds"] == 0.5
    assert report["source"]["in"] == 200
    assert sum(report["lost_with_engine"].values()) == 20
    assert lines[0].startswith("the engine was killed by SIGSEGV; the next one starts in ")
    assert lines[1].startswith("a new engine runs, after ")
    assert len(lines) == 2


def test_waits_grow_to_half_a_minute_and_are_short_again_after_a_minute(clock: Clock) -> None:
    run(Engines(clock, *[snapshot(1)] * 8, ended()))
    for wait, expected in zip(clock.waits, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert 0.8 * expected <= wait <= 1.2 * expected
    clock.waits.clear()
    run(Engines(clock, *[snapshot(1)] * 3, ended(), ran_s=61))
    assert all(0.8 <= wait <= 1.2 for wait in clock.waits)


def test_a_failed_source_is_tried_again_and_one_that_is_not_there_yet_too(clock: Clock) -> None:
    outcome, lines = run(Engines(clock, ended(failed=True), RunTimeError("no such interface: eth1"), ended()))
    assert outcome.report["restarts"] == 1
    assert outcome.report["outage_seconds"] == pytest.approx(sum(clock.waits), abs=0.001)
    assert sum(outcome.report["lost_with_engine"].values()) == 0
    assert not outcome.source_failed
    assert lines[0].startswith("the engine ended, for its source or its producer failed; ")
    assert lines[1].startswith("no engine: no such interface: eth1; ")


@pytest.mark.parametrize("error", [RunTimeError("no"), UsageError("no"), EngineDiedError("dead", None, 0)])
def test_the_first_engine_has_to_start(clock: Clock, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(Engines(clock, error))
    assert clock.waits == []


def test_a_signal_while_waiting_ends_at_once(clock: Clock) -> None:
    stop = Stop()
    clock.stop_at = clock.now + 5.5
    outcome, lines = run(Engines(clock, snapshot(1)), stop)
    assert outcome.crashed == "the end came while no engine ran"
    assert outcome.report["outage_seconds"] == 0.5
    assert outcome.report["restarts"] == 0
    assert len(lines) == 1


def test_a_death_in_the_drain_is_the_end(clock: Clock) -> None:
    outcome, lines = run(Engines(clock, snapshot(1)), Stop(count=1))
    assert outcome.crashed == "the engine was killed by SIGSEGV"
    assert (lines, clock.waits) == ([], [])


def test_duration_and_count_are_of_all_engines_together(clock: Clock) -> None:
    engines = Engines(clock, snapshot(1), ended())
    run(engines, duration=20, count=1000)
    first, second = engines.configs
    assert (first.duration, first.count) == (20, 1000)
    assert second.duration == pytest.approx(20 - 5 - clock.waits[0])
    assert second.count == 1000 - 93  # 98 in, 5 filtered


@pytest.mark.parametrize("options", [{"duration": 5.25}, {"count": 93}])
def test_no_new_engine_for_nothing(clock: Clock, options: dict[str, Any]) -> None:
    outcome, _ = run(Engines(clock, snapshot(1)), **options)
    assert outcome.crashed
    assert outcome.report["restarts"] == 0
    assert outcome.report["outage_seconds"] == pytest.approx(options.get("duration", 5) - 5)


def test_exit_codes(clock: Clock) -> None:
    said: list[str] = []

    def code(*lives: "Report | Outcome", stop: Stop | None = None, fail_on_loss: bool = False) -> Exit:
        outcome, _ = run(Engines(clock, *lives), stop)
        outcome.report["kafka"]["failed"] = 0
        return exit_code(validate({**LIVE, "fail_on_loss": fail_on_loss}), outcome, lambda line, *_: said.append(line))

    assert code(snapshot(1), ended()) == Exit.DONE
    assert code(snapshot(1), ended(), fail_on_loss=True) == Exit.LOSS
    assert "besides what nobody saw in " in said[-1]
    assert code(snapshot(1), stop=Stop(count=1)) == Exit.RUN_TIME_FAILURE


def test_files_are_not_begun_again() -> None:
    with pytest.raises(UsageError, match=r"--restart: a\.pcap would be sent again from its beginning"):
        validate({**LIVE, "sources": [*LIVE["sources"], {"kind": "read", "name": "a.pcap"}]})
