"""Lists of CPUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcapa import cpu_list
from fastcapa.config import validate
from fastcapa.errors import UsageError


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("3", (3,)), ("2,4-7", (2, 4, 5, 6, 7)), ("7,0", (7, 0)), (" 1 , 3-3 ", (1, 3)), ("0-10:5", (0, 5, 10))],
)
def test_lists(text: str, cpus: tuple[int, ...]) -> None:
    assert cpu_list.parse(text) == cpus


@pytest.mark.parametrize("text", ["", ",", "a", "-1", "1-", "3-2", "1-5:0", "0-99999999", "1,,2", "0-9999", "²", "1 2"])
def test_what_is_no_list_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (CPU|range)"):
        cpu_list.parse(text)


@given(st.frozensets(st.integers(0, 500), min_size=1))
def test_shown_and_parsed_again(cpus: frozenset[int]) -> None:
    assert set(cpu_list.parse(cpu_list.show(cpus))) == cpus


def test_the_option_says_what_is_wrong() -> None:
    source = {"kind": "interface", "name": "eth0"}
    with pytest.raises(
        UsageError, match=r"--lcores 1-x: '1-x' is not a CPU or a range of CPUs; write for example 2,4-7"
    ):
        validate({"sources": [source], "topic": "t", "properties": {}, "lcores": "1-x"})
