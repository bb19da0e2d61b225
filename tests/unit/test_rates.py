"""What two snapshots say together."""

from typing import Any

import pytest
from support.snapshots import RING, losing, snapshot

from fastcapa.monitor.rates import Limits, View, view

LIVE = Limits(RING, live=True)


def of(before: dict[str, Any], now: dict[str, Any], limits: Limits = LIVE) -> View:
    return view(snapshot(10, **before), snapshot(12, **now), limits)


def test_rates_are_per_second_between_the_two() -> None:
    seen = view(losing(4), losing(6), LIVE)
    assert [(hop.name, hop.in_rate, hop.out_rate) for hop in seen.hops] == [
        ("source", 1000, 1000),
        ("rx", 1000, 1000),
        ("ring", 1000, 400),
        ("tx", 400, 400),
        ("kafka", 400, 400),
    ]
    assert (seen.loss_rate, seen.lost) == (600, 3600)
    assert seen.byte_rate == 100_000
    (queue,) = seen.queues
    assert (queue.in_rate, queue.drop_rate, queue.ring_fill, queue.buffer_fill) == (1000, 600, 1, 1)
    assert (queue.rx_load, queue.tx_load) == (0.1, 0.2)


def test_round_trips_are_means_over_the_interval_only() -> None:
    now = {"brokers": ((1, 14, 1300), (2, 3, 30), (3, 7, 70))}
    seen = of({"brokers": ((1, 10, 1000), (3, 7, 70))}, now)
    assert [(b.node, b.round_trip_ms, b.answer_rate) for b in seen.brokers] == [(1, 75, 2), (2, 10, 1.5), (3, None, 0)]
    assert seen.round_trip_ms == 75


def test_the_first_snapshot_is_compared_with_the_start() -> None:
    assert view(None, losing(2), LIVE).hop("source").in_rate == 1000


def test_an_engine_that_was_started_again_has_no_negative_rates() -> None:
    seen = view(losing(100), losing(2), LIVE)
    assert seen.hop("source").in_rate == 1000
    assert all(loss.rate >= 0 for hop in seen.hops for loss in hop.losses)


def test_two_snapshots_at_one_time_have_no_rates() -> None:
    assert view(losing(4), losing(4), LIVE).hop("source").in_rate == 0


def test_filtered_packets_are_no_loss() -> None:
    seen = of({}, {"source": {"in": 20}, "rx": {"in": 20, "filtered": 12, "out": 8}})
    assert (seen.hop("rx").out_rate, seen.hop("ring").in_rate, seen.lost) == (4, 4, 0)
    assert seen.findings == ()


@pytest.mark.parametrize(
    ("hop", "words", "now"),
    [
        ("kafka", "Kafka does not keep up", {"rx": {"ring_full_drops": 9}, "buffer_permille": 990}),
        ("tx", "tx workers are busy", {"rx": {"ring_full_drops": 9}, "buffer_permille": 400, "tx_busy": 2000}),
        ("ring", "bursts are larger than the ring", {"rx": {"ring_full_drops": 9}, "buffer_permille": 400}),
        ("rx", "rx workers are busy", {"source": {"missed": 5}, "rx_busy": 1900}),
        ("source", "bursts are larger than its queue", {"source": {"missed": 5}}),
        ("source", "packet buffers run out", {"source": {"no_mbuf": 5}}),
        ("source", "damaged", {"source": {"errors": 5}}),
        ("tx", "larger than the topic takes", {"tx": {"refused": 5}}),
        ("kafka", "does not take packets", {"tx": {"kafka_in": 5, "failed": 5}}),
    ],
)
def test_a_loss_is_explained(hop: str, words: str, now: dict[str, Any]) -> None:
    (finding,) = of({}, now).findings
    assert finding.hop == hop
    assert words in finding.text
    assert finding.loss
    # It is over: the counter stays, nothing is lost any more.
    now = {**now, "rx_busy": 0, "tx_busy": 0}
    assert of(now, now).findings == ()


def test_a_ring_that_is_nearly_full_is_a_warning_but_not_with_a_file() -> None:
    now = {"queued": int(RING * 0.9), "buffer_permille": 1000}
    (finding,) = of({}, now).findings
    assert (finding.hop, finding.loss) == ("kafka", False)
    assert of({}, now, Limits(RING, live=False)).findings == ()
