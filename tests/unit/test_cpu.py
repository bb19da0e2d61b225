"""Processors that cannot run the data plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastcapa.cli import main
from fastcapa.errors import Exit, RunTimeError
from fastcapa.host import cpu

V2 = "fpu sse sse2 cx16 ssse3 sse4_1 sse4_2 popcnt"


def info(directory: Path, *flags: str) -> Path:
    path = directory / "cpuinfo"
    path.write_text("".join(f"processor\t: {k}\nflags\t\t: {each}\nbugs\t\t:\n\n" for k, each in enumerate(flags)))
    return path


def test_the_one_that_runs_this_is_one() -> None:
    cpu.check()


def test_what_is_lacking_is_named(tmp_path: Path) -> None:
    cpu.check(info(tmp_path, V2, "fpu"))
    with pytest.raises(RunTimeError, match=r"has no SSE4\.1, SSE4\.2, POPCNT; x86-64-v2 is needed"):
        cpu.check(info(tmp_path, "fpu sse sse2 cx16 ssse3", V2))


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    cpu.check(tmp_path / "missing")
    cpu.check(info(tmp_path))


def test_it_is_one_line_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu.check, "__defaults__", (info(tmp_path, "fpu"),))
    monkeypatch.setattr(main, "build_parser", lambda _: pytest.fail("it was loaded"))
    assert main.main(["capture"]) == Exit.RUN_TIME_FAILURE
    assert capsys.readouterr().err.count("\n") == 1
