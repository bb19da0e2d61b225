"""`-o`: its forms, and what they mean for each partition."""

import pytest

from fastcapa.errors import UsageError
from fastcapa.read.offsets import Span, parse, resolve

MARKS = {0: (0, 100), 1: (50, 60), 2: (0, 0)}


def no_times(time_ms: int) -> dict[int, int]:
    raise AssertionError("no time was asked for")


@pytest.mark.parametrize(
    ("options", "span"),
    [
        ([], Span()),
        (["beginning"], Span("beginning")),
        (["end"], Span("end")),
        (["17"], Span("offset", 17)),
        (["-3"], Span("last", 3)),
        (["s@1000"], Span("time", 1000)),
        (["e@2000"], Span("beginning", 0, 2000)),
        (["e@2000", "s@1000"], Span("time", 1000, 2000)),
        (["5", "e@2000"], Span("offset", 5, 2000)),
    ],
)
def test_forms(options: list[str], span: Span) -> None:
    assert parse(options) == span


@pytest.mark.parametrize(
    "options",
    [
        ["x"], [""], ["-"], ["--3"], ["+3"], ["1_0"], ["s@"], ["s@x"], ["e@-1"], ["s@1.5"], ["99999999999999999999"],
        ["1", "2"], ["s@1", "beginning"], ["e@1", "e@2"], ["s@2", "e@2"], ["stored"], ["٣"],
    ],
)  # fmt: skip
def test_what_is_no_offset(options: list[str]) -> None:
    with pytest.raises(UsageError, match="-o "):
        parse(options)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(), {0: (0, 100), 1: (50, 60), 2: (0, 0)}),
        (Span("end"), {0: (100, 100), 1: (60, 60), 2: (0, 0)}),
        (Span("offset", 55), {0: (55, 100), 1: (55, 60), 2: (0, 0)}),
        (Span("offset", 100), {0: (100, 100), 1: (60, 60), 2: (0, 0)}),
        (Span("last", 20), {0: (80, 100), 1: (50, 60), 2: (0, 0)}),
        (Span("last", 0), {0: (100, 100), 1: (60, 60), 2: (0, 0)}),
    ],
)
def test_resolve(span: Span, expected: dict[int, tuple[int, int]]) -> None:
    assert resolve(span, MARKS, no_times) == expected


def test_resolve_times() -> None:
    answers = {1000: {0: 10, 1: 50, 2: -1}, 2000: {0: 40, 1: -1, 2: -1}}
    assert resolve(Span("time", 1000, 2000), MARKS, answers.__getitem__) == {
        0: (10, 40),
        1: (50, 60),
        2: (0, 0),
    }
    # Written between the two questions: what came after the watermark is not part of this reading.
    assert resolve(Span(stop_ms=1), MARKS, lambda _: {0: 120})[0] == (0, 100)


def test_offset_that_is_nowhere() -> None:
    with pytest.raises(UsageError, match="partition 1: 50 to 60"):
        resolve(Span("offset", 101), MARKS, no_times)
