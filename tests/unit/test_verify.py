"""What `fastcapa read --verify` makes of sequences: gaps, duplicates, other orders and restarts."""

import random

import pytest

from fastcapa.read import verify
from fastcapa.read.verify import Origin, Verifier

MS = 1_000_000
Seen = tuple[int, int]  # sequence, time in ms


def judge(*seen: Seen, partition: int = 0) -> tuple[bool, list[str]]:
    verifier = Verifier()
    for sequence, time_ms in seen:
        verifier.take(Origin("eth0", 1, sequence, partition), time_ms * MS)
    return verifier.finish()


def test_complete_in_order() -> None:
    complete, lines = judge(*((number, number) for number in range(100)))
    assert complete
    assert lines[-1] == "complete: 100 packets of 1 queues, none missing, none twice"


def test_complete_in_any_order_over_partitions() -> None:
    numbers = list(range(5000))
    random.Random(7).shuffle(numbers)  # noqa: S311
    verifier = Verifier()
    for at, number in enumerate(numbers):
        verifier.take(Origin("eth0", 0, number, at % 4), number)
    complete, lines = verifier.finish()
    assert complete, lines
    assert "0 missing in 0 gaps, 0 twice" in lines[0]
    assert not lines[0].endswith("0 out of order in their partition")


def test_order_between_partitions_is_no_disorder() -> None:
    verifier = Verifier()
    for number in (2, 3, 0, 1):
        verifier.take(Origin("eth0", 0, number, number // 2), number)
    assert verifier.finish()[1][0].endswith("0 out of order in their partition")


def test_each_gap_is_named() -> None:
    complete, lines = judge(*((number, number) for number in range(100) if number not in (0, 7, 8, 9, 50)))
    assert not complete
    assert lines == [
        "eth0 queue 1: 1 missing, seq 0",
        "eth0 queue 1: 3 missing, seq 7 to 9",
        "eth0 queue 1: 1 missing, seq 50",
        "eth0 queue 1: 95 packets, 5 missing in 3 gaps, 0 twice, 0 out of order in their partition",
        "not complete: 5 packets missing, 0 twice",
    ]


def test_twice() -> None:
    complete, lines = judge((0, 0), (1, 1), (1, 1), (2, 2), (0, 0))
    assert not complete
    assert lines[-1] == "not complete: 0 packets missing, 2 twice"


def test_a_restart_begins_a_new_run() -> None:
    complete, lines = judge(*((n, n) for n in range(50)), *((n, 5000 + n) for n in range(20)))
    assert complete
    assert lines[0].endswith("2 runs")
    # A loss before and one after it: neither hides the other.
    complete, lines = judge(*((n, n) for n in range(50) if n != 30), *((n, 5000 + n) for n in range(60) if n != 10))
    assert lines[:2] == ["eth0 queue 1: 1 missing, seq 30", "eth0 queue 1, run 2: 1 missing, seq 10"]
    assert not complete


def test_a_second_run_whose_first_packets_are_lost() -> None:
    complete, lines = judge(*((n, n) for n in range(50)), *((n, 5000 + n) for n in range(3, 60)))
    assert not complete
    assert lines[0] == "eth0 queue 1, run 2: 3 missing, seq 0 to 2"


def test_times_that_disagree_a_little_are_no_restart() -> None:
    complete, lines = judge((0, 10), (2, 12), (1, 13), (1, 13))
    assert not complete
    assert lines[-1] == "not complete: 0 packets missing, 1 twice"


def test_queues_and_interfaces_are_apart() -> None:
    verifier = Verifier()
    for interface in ("eth0", "eth1"):
        for queue in (0, 1):
            for number in range(10):
                if (interface, queue, number) != ("eth1", 0, 4):
                    verifier.take(Origin(interface, queue, number, 0), number)
    complete, lines = verifier.finish()
    assert not complete
    assert lines[0] == "eth1 queue 0: 1 missing, seq 4"
    assert len(lines) == 6


def test_without_headers_nothing_is_proved() -> None:
    verifier = Verifier()
    verifier.take(Origin("eth0", 0, 0, 0), 0)
    verifier.take(None, 0)
    complete, lines = verifier.finish()
    assert not complete
    assert lines[-2].startswith("1 packets have no headers")
    assert Verifier().finish() == (False, ["nothing to prove: no packets were read"])


def test_lines_are_bounded() -> None:
    complete, lines = judge(*((number, number) for number in range(0, 10_000, 2)))
    assert not complete
    assert len(lines) == verify.GAP_LINES_MAX + 3
    assert f"and {4999 - verify.GAP_LINES_MAX} more gaps" in lines
    assert lines[-1] == "not complete: 4999 packets missing, 0 twice"


@pytest.mark.parametrize("gaps_open_max", [1, 10])
def test_memory_is_bounded_and_the_sum_is_right(monkeypatch: pytest.MonkeyPatch, gaps_open_max: int) -> None:
    monkeypatch.setattr(verify, "_GAPS_OPEN_MAX", gaps_open_max)
    complete, lines = judge(*((number, number) for number in range(0, 3000, 3)))
    assert not complete
    assert lines[-1] == "not complete: 1998 packets missing, 0 twice"
    # What comes too late is not taken for a healed gap.
    complete, lines = judge(*((number, number) for number in range(0, 3000, 3)), (1, 1))
    assert not complete
