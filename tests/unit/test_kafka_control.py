"""The control side's parts that need no broker: back-off, what is logged, metadata that follow each other, tasks."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.protocol.metadata import MetadataResponse

from fastcapa.kafka.address import Address
from fastcapa.kafka.backoff import Backoff
from fastcapa.kafka.metadata import Leader, Metadata
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.troubles import INTERVAL_S, Troubles

NODES = {1: Address("a", 1), 2: Address("b", 2)}


def test_addresses() -> None:
    assert str(Address.parse("[::1]:9")) == "[::1]:9"
    assert Address.parse(" host ") == Address("host", 9092)
    assert Address.parse("[fe80::1]") == Address("fe80::1", 9092)
    for text in ("", ":1", "a:b"):
        with pytest.raises(ValueError, match=r"host|invalid"):
            Address.parse(text)


def test_backoff_doubles_to_its_limit_and_begins_again() -> None:
    backoff = Backoff(0.1, 1.0)
    for base in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert 0.8 * base <= backoff.next() <= 1.2 * base
    backoff.reset()
    assert backoff.next() <= 0.12
    assert backoff.at_most() >= 0.8
    assert backoff.next() >= 0.8
    assert Backoff(5, 1).next() <= 1.2


def test_a_row_of_failures_is_a_line_a_minute_and_one_for_its_end() -> None:
    now, lines = [0.0], list[str]()
    troubles = Troubles(lines.append, lambda: now[0])
    troubles.worked("a", "never failed")
    for second in range(150):
        now[0] = float(second)
        troubles.failed("a", f"failed at {second}")
    troubles.failed("b", "another")
    troubles.worked("a", "works")
    troubles.worked("a", "works")
    assert lines == ["failed at 0", f"failed at {INTERVAL_S:g}", f"failed at {2 * INTERVAL_S:g}", "another", "works"]


def test_rows_that_end_together_have_one_line_for_it() -> None:
    lines: list[str] = []
    troubles = Troubles(lines.append)
    troubles.failed("lost", "lost")
    troubles.failed("refused", "refused")
    troubles.worked("lost", "works", "refused")
    troubles.worked("refused", "works", "lost")
    assert lines == ["lost", "refused", "works"]


def _metadata(*leaders: tuple[int, int], error: int = 0, topic_id: Any = "id") -> Metadata:
    return Metadata(NODES, tuple(Leader(*leader) for leader in leaders), error, topic_id)


def test_metadata_of_a_response() -> None:
    part = MetadataResponse.MetadataResponseTopic.MetadataResponsePartition
    response = MetadataResponse(
        version=7,
        brokers=[
            MetadataResponse.MetadataResponseBroker(node_id=n, host=a.host, port=a.port) for n, a in NODES.items()
        ],
        topics=[
            MetadataResponse.MetadataResponseTopic(
                name="t",
                partitions=[
                    part(partition_index=2, leader_id=1, leader_epoch=5),
                    part(partition_index=0, leader_id=9, leader_epoch=6),
                ],
            )
        ],
    )
    made = Metadata.of(response, "t")
    assert made.nodes == NODES
    assert made.leaders == (Leader(9, 6), Leader(), Leader(1, 5))
    assert made.leader_nodes == (-1, -1, 1)  # broker 9 is not there
    assert Metadata.of(response, "other").missing


def test_a_broker_that_is_behind_does_not_bring_back_the_old_leader() -> None:
    before = _metadata((2, 7), (1, 3))
    assert _metadata((1, 6), (2, 4)).after(before).leader_nodes == (2, 2)
    assert _metadata((1, 0), (2, 0), topic_id="another").after(before).leader_nodes == (1, 2)
    assert _metadata((1, -1)).after(_metadata((2, -1))).leader_nodes == (1,)  # a broker that tells no epochs


def test_partitions_grow_and_never_shrink() -> None:
    before = _metadata((1, 0))
    assert _metadata((1, 0), (2, 0)).after(before).leader_nodes == (1, 2)
    assert before.after(_metadata((1, 0), (2, 0))).leader_nodes == (1, -1)


def test_a_topic_that_is_gone_has_no_leaders_and_other_errors_change_nothing() -> None:
    before = _metadata((1, 4), (2, 4))
    assert Metadata(NODES, error=3).after(before).leader_nodes == (-1, -1)
    assert Metadata(NODES, error=29).after(before).leader_nodes == (1, 2)
    # Made again: its elections begin anew.
    again = _metadata((2, 0), (1, 0), topic_id="new").after(Metadata(NODES, error=3).after(before))
    assert again.leader_nodes == (2, 1)


def test_tasks_give_results_and_errors_to_the_thread_that_serves() -> None:
    tasks = Tasks("test")
    got: list[object] = []
    gate = threading.Event()

    def work() -> int:
        gate.wait()
        return 7

    def fail() -> int:
        raise ValueError("no")

    tasks.start(work, lambda result: got.append((result, threading.current_thread())))
    began = time.monotonic()
    tasks.serve(0.01)
    assert time.monotonic() - began < 1
    assert got == []
    gate.set()
    tasks.start(fail, lambda result: got.append(SimpleNamespace(error=result)))
    while len(got) < 2:
        tasks.serve(1)
    assert (7, threading.current_thread()) in got
    assert any(isinstance(getattr(entry, "error", None), ValueError) for entry in got)
