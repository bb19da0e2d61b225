"""The table and the line, as they are read."""

import io
import re

import pytest
from rich.console import Console
from support.snapshots import losing, monitor, snapshot

from fastcapa.monitor.table import line, short, table


def shown(*names: str, width: int = 80, height: int = 40) -> list[str]:
    made = monitor(losing(1), losing(2))
    if names:
        made.snapshot(snapshot(3, names=names))
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table(made.status, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_80_columns_hold_it_all() -> None:
    lines = shown()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    for hop in ("source", "rx workers", "tx rings", "tx workers", "Kafka"):
        assert re.search(rf"^{hop} +\d", text, re.MULTILINE), text
    assert re.search(r"tx rings +2,000 +1.00k +400 █+ 100% +2.05k ring full 1.20k \+600/s", text), text
    assert "broker 1 250.0 ms" in text
    assert "Kafka does not keep up" in text


@pytest.mark.parametrize("number", [0.4, 9, 999, 1000, 9_994, 99_940, 999_499, 1e6, 123_456_789, 9.994e9, 3e12, 7e14])
def test_short_numbers_are_short(number: float) -> None:
    assert len(short(number)) <= 5


def test_many_queues_fit_the_terminal() -> None:
    lines = shown(*(f"eth{number}" for number in range(40)), height=30)
    assert len(lines) <= 30
    assert any(re.search(r"and \d+ more", text) for text in lines)


def test_the_line_names_what_is_lost() -> None:
    view = monitor(losing(1), losing(2)).status.view
    assert view is not None
    assert line(view) == (
        "0:00:02, in 2000 (1.00k/s), delivered 750 (400/s), ring full 1200 (600/s), ring 100%, in flight 50,"
        " buffer 100%, round trip 250.0 ms"
    )
    quiet = monitor(snapshot(1)).status.view
    assert quiet is not None
    assert "nothing lost" in line(quiet)
