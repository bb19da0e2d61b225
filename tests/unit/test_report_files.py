"""Where reports go, and which of them stay; those that are written while a capture goes on."""

from __future__ import annotations

import errno
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.live import wait_until
from support.snapshots import losing, monitor

from fastcapa import stats
from fastcapa.combined import Past
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.log import Level
from fastcapa.report.files import ReportFiles
from fastcapa.report.periodic import periodic_reports

STEP_S = 3
NOON = 1_780_315_200.0  # 2026-06-01 12:00:00 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Clock:
    """The time that names are made of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr("fastcapa.report.files.time.time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def write(files: ReportFiles, number: int) -> None:
    files.write({"number": number}, final=False)


def test_a_plain_name_is_replaced(tmp_path: Path, clock: Clock) -> None:
    files = ReportFiles(str(tmp_path / "report.json"))
    files.check()
    write(files, 1)
    clock.now += 60
    write(files, 2)
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == {"final": False, "written_at": NOON + 60, "number": 2}


def test_names_have_the_time_and_the_newest_stay(tmp_path: Path, clock: Clock) -> None:
    others = [
        "report-20260601-1200.json",
        "report-.json",
        "report-20261301-120000.json",
        "report-20260601-115959.json~",
    ]
    for name in others:
        (tmp_path / name).write_text("not of this pattern")
    (tmp_path / "report-20260601-115900.json").mkdir()
    (tmp_path / "report-20260601-115901.json").symlink_to("report-.json")
    files = ReportFiles(str(tmp_path / "report-%Y%m%d-%H%M%S.json"), keep=3)
    files.check()
    for number in range(6):
        write(files, number)
        clock.now += 10
    left = {path.name for path in tmp_path.iterdir() if path.is_file() and not path.is_symlink()} - {*others}
    assert left == {f"report-20260601-1200{second}.json" for second in (30, 40, 50)}
    assert len(list(tmp_path.iterdir())) == 3 + len(others) + 2
    assert json.loads((tmp_path / "report-20260601-120050.json").read_text())["number"] == 5


def test_names_that_come_again_are_a_ring(tmp_path: Path, clock: Clock) -> None:
    files = ReportFiles(str(tmp_path / "%M.json"))
    for number in range(4):
        write(files, number)
        clock.now += 1800
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00.json", "30.json"]


@pytest.mark.parametrize(
    ("name", "keep", "said"),
    [
        ("report.json", 5, "is one, not many; give it a time, such as report-%Y%m%d-%H%M%S.json"),
        ("%s.json", 5, "does not tell again what time it stands for"),
        ("%Y-%U.json", 5, "does not tell again what time it stands for"),
        ("%D.json", 0, "conversions are for the file's name, not for directories"),
        ("%Y/report.json", 0, "conversions are for the file's name, not for directories"),
        ("missing/%Y.json", 0, "there is no directory"),
        ("%Y\0.json", 0, "no name can be made of it"),
    ],
)
def test_what_could_not_be_written_or_told_apart_is_refused_at_the_start(
    tmp_path: Path, name: str, keep: int, said: str
) -> None:
    with pytest.raises(UsageError, match=r"^--report") as raised:
        ReportFiles(str(tmp_path / name), keep).check()
    assert said in str(raised.value)


def test_older_ones_that_cannot_be_removed_are_one_line(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, **__: bool) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    files = ReportFiles(str(tmp_path / "%H%M%S.json"), keep=1)
    write(files, 1)
    clock.now += 1
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(
        RunTimeError, match=r"^--report-keep: cannot remove older reports in .*: Operation not permitted$"
    ):
        write(files, 2)
    assert len(list(tmp_path.iterdir())) == 2  # it is there all the same


def test_standard_output_keeps_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--report-keep 2: --report - is one"):
        ReportFiles("-", 2).check()
    write(ReportFiles("-"), 1)
    write(ReportFiles("-"), 2)
    one, two = capsys.readouterr().out.split("}\n{")
    assert json.loads(one + "}")["number"] + 1 == json.loads("{" + two)["number"] == 2


class Disk(ReportFiles):
    """Writes at once, fails, or hangs, as it is told."""

    def __init__(self) -> None:
        super().__init__("unused")
        self.written: list[stats.Report] = []
        self.full = False
        self.answers = threading.Event()
        self.answers.set()

    def write(self, report: stats.Report, *, final: bool) -> None:
        self.answers.wait()
        if self.full:
            raise RunTimeError("cannot write the report: No space left on device")
        assert not final
        self.written.append(report)


def ticks() -> Callable[[], float]:
    """A clock: every look at it is three seconds later than the one before."""
    moments = itertools.count(100, STEP_S)
    return lambda: float(next(moments))


def test_one_is_written_whenever_the_interval_is_over() -> None:
    disk, made = Disk(), monitor()
    with periodic_reports(disk, 2 * STEP_S, made, lambda *_: None, clock=ticks()) as counts:
        for number in range(1, 8):
            made.snapshot(losing(number))
            wait_until(lambda number=number: counts.written == (number - 1) // 2)  # type: ignore[misc]
    assert counts.report() == {"written": 3, "failed": 0, "skipped": 0}
    assert [report["source"]["in"] for report in disk.written] == [losing(each)["source"]["in"] for each in (3, 5, 7)]
    assert [report["reports"]["written"] for report in disk.written] == [0, 1, 2]
    assert all(report["mbufs_missing"] is None for report in disk.written)


def test_a_disk_that_is_full_is_said_once_and_that_it_is_not_any_more_too() -> None:
    disk, made = Disk(), monitor()
    lines: list[tuple[str, Level]] = []

    def log(text: str, level: Level = Level.INFO, /) -> None:
        lines.append((text, level))

    with periodic_reports(disk, STEP_S, made, log, clock=ticks()) as counts:
        disk.full = True
        made.snapshot(losing(1))
        for number in (2, 3, 4):
            made.snapshot(losing(number))
            wait_until(lambda number=number: counts.failed == number - 1)  # type: ignore[misc]
        disk.full = False
        made.snapshot(losing(5))
        wait_until(lambda: counts.written == 1)
    assert [level for _, level in lines] == [Level.ERROR, Level.NOTICE]
    assert lines[0][0] == "cannot write the report: No space left on device; tried again every 3 s"


def test_a_disk_that_hangs_holds_nobody_up_and_what_was_due_is_counted() -> None:
    disk, made = Disk(), monitor()
    disk.answers.clear()
    with periodic_reports(disk, 1, made, lambda *_: None, clock=ticks()) as counts:
        for number in range(1, 12):
            made.snapshot(losing(number))  # of them the first is not due, one is being written, one waits
        wait_until(lambda: counts.skipped in (8, 9))
        disk.answers.set()
        wait_until(lambda: counts.written + counts.skipped == 10)
    assert counts.failed == 0


def test_a_disk_that_never_answers_does_not_keep_the_capture_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastcapa.report.periodic._CLOSE_S", 0.05)
    disk, made = Disk(), monitor()
    disk.answers.clear()
    with periodic_reports(disk, 1e-9, made, lambda *_: None):
        for number in range(1, 5):
            made.snapshot(losing(number))
    disk.answers.set()


def test_without_an_interval_nothing_is_written() -> None:
    disk, made = Disk(), monitor()
    with periodic_reports(disk, 0, made, lambda *_: None) as counts:
        made.snapshot(losing(1))
    with periodic_reports(None, 5, made, lambda *_: None):
        made.snapshot(losing(2))
    assert (disk.written, counts.written) == ([], 0)


def test_engines_before_this_one_are_in_it_too() -> None:
    disk, made = Disk(), monitor()
    first = stats.of_dead_engine(losing(1), 0.5)
    made.began(Past((first,), restarts=1, outage_seconds=2.5))
    with periodic_reports(disk, STEP_S, made, lambda *_: None, clock=ticks()):
        made.snapshot(losing(2))
        made.snapshot(losing(2))
    (report,) = disk.written
    assert (report["restarts"], report["outage_seconds"], report["unknown_seconds"]) == (1, 2.5, 0.5)
    assert report["source"]["in"] == first["source"]["in"] + losing(2)["source"]["in"]
    assert first == stats.of_dead_engine(losing(1), 0.5)
