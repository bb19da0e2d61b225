"""The report and its identity, on numbers that are given."""

from typing import Any

from fastcapa import stats
from fastcapa.rows import SourceRow, WorkerRow

RX = {"in": 980, "out": 900, "bytes": 90_000, "filtered": 50, "truncated": 3, "time_clamped": 2}
RX |= {"ring_full_drops": 30, "full_bursts": 4}
TX = {"in": 895, "held": 10, "refused": 5, "kafka_in": 880, "delivered": 800, "failed": 20, "abandoned": 15}
TX |= {"bytes": 88_000, "batches": 9, "retries": 1, "recovered": 40, "spilled": 70}
TX |= {"spill_written": 120, "spill_replayed": 90, "spill_refusals": 2, "buffer_permille": 250}


def rows() -> tuple[list[WorkerRow], list[SourceRow]]:
    place: Any = {"state": "running", "source": 0, "queue": 0, "worker": 0, "cpu": 3}
    rx: Any = {**place, "role": "rx", "busy_cycles": 25, "total_cycles": 100, "cpu_time_ns": 40, "ring_queued": 5}
    rx |= {"longest_gap_ns": 900, "losses": {"missed": 12, "errors": 7, "no_mbuf": 1}, "counters": RX}
    tx: Any = {**place, "role": "tx", "busy_cycles": 0, "total_cycles": 0, "cpu_time_ns": 0, "counters": TX}
    source: Any = {"in": 1000, "missed": 12, "errors": 7, "no_mbuf": 1, "clock": "kernel"}
    source |= {"no_mbuf_waits": 0, "unfetched": 0, "clock_steps": 0}
    return [rx, tx], [source]


def report() -> stats.Report:
    workers, sources = rows()
    return stats.report(workers, sources, ["eth1"], seconds=2.0, producer="librdkafka")


def test_every_term_has_its_place() -> None:
    made = report()
    assert made["schema"] == 1
    assert made["source"] == {"in": 1000, "missed": 12, "errors": 7, "no_mbuf": 1}
    assert made["rx"] == RX
    assert made["tx"] == {"in": 895, "ring_queued": 5, "held": 10, "refused": 5}
    assert made["kafka"]["in_flight"] == 30
    assert made["spill"] == {"written": 120, "replayed": 90, "refusals": 2}
    assert made["unaccounted"] == 0
    assert [row["busy"] for row in made["workers"]] == [0.25, 0.0]
    assert made["workers"][0]["longest_gap_ns"] == 900
    assert made["sources"][0]["name"] == "eth1"


def test_brokers_are_sums_over_workers() -> None:
    workers, sources = rows()
    seen: Any = [
        {"node": 2, "connected": True, "round_trip_ns": 5, "answers": 1},
        {"node": 1, "connected": False, "round_trip_ns": 7, "answers": 2},
        {"node": 2, "connected": True, "round_trip_ns": 10, "answers": 3},
    ]
    made = stats.report(workers, sources, ["eth1"], seconds=2.0, producer="direct", brokers=seen)
    assert made["brokers"] == [
        {"node": 1, "connections": 0, "round_trip_ns": 7, "answers": 2},
        {"node": 2, "connections": 2, "round_trip_ns": 15, "answers": 4},
    ]


def test_losses_of_a_queue_are_in_its_row_as_far_as_they_are_known() -> None:
    workers, sources = rows()
    (row, _) = stats.report(workers, sources, ["eth1"], seconds=2.0, producer="librdkafka")["workers"]
    assert (row["missed"], row["errors"], row["no_mbuf"]) == (12, 7, 1)
    workers[0]["losses"] = None
    (row, _) = stats.report(workers, sources, ["eth1"], seconds=2.0, producer="librdkafka")["workers"]
    assert (row["missed"], row["errors"], row["no_mbuf"]) == (None, None, None)


def test_the_closing_lines_say_what_is_on_the_disk() -> None:
    lines = stats.closing_lines(report())
    assert "40 packets of an earlier run were on the disk" in lines
    assert "70 packets are left on the disk: the next run with the same --spill delivers them" in lines


def test_a_packet_that_vanishes_shows_at_any_hop() -> None:
    for part, key in (("source", "in"), ("source", "missed"), ("rx", "filtered"), ("rx", "ring_full_drops")):
        made = report()
        made[part][key] += 1
        assert stats.unaccounted(made) != 0
    for part, key in (
        ("tx", "refused"),
        ("tx", "held"),
        ("kafka", "delivered"),
        ("kafka", "failed"),
        ("kafka", "spilled"),
        ("kafka", "recovered"),
    ):
        made = report()
        made[part][key] += 1
        assert stats.unaccounted(made) != 0


def test_losses_are_the_named_ones() -> None:
    assert stats.losses(report()) == {
        "missed": 12,
        "errors": 7,
        "no_mbuf": 1,
        "ring_full_drops": 30,
        "refused": 5,
        "failed": 20,
        "lost_with_engine": 0,
    }
    assert stats.lost(report()) == 75


def test_closing_lines() -> None:
    lines = stats.closing_lines(report())
    assert lines[0] == "980 packets captured"
    assert (
        "50 packets dropped: 12 missed by the source, 7 with errors, 1 without a buffer, 30 with the ring full" in lines
    )
    assert not any("unaccounted" in line for line in lines)
    broken = report()
    broken["unaccounted"] = 7
    assert "7 packets unaccounted for" in stats.closing_lines(broken)[-1]


def test_sums_over_workers_and_sources() -> None:
    workers, sources = rows()
    made = stats.report(workers * 3, sources * 2, ["a", "b"], seconds=1, producer="librdkafka")
    assert made["rx"]["in"] == 3 * 980
    assert made["source"]["missed"] == 24


def test_the_books_of_a_dead_engine_close_hop_by_hop() -> None:
    # As a snapshot of a running pipeline is: each hop was read before the one in front of it, and packets moved.
    taken = report()
    taken["source"]["in"] += 11
    taken["rx"]["in"] += 7
    taken["tx"]["in"] += 3
    taken["tx"]["held"] += 1
    closed = stats.of_dead_engine(taken, 0.4)
    assert closed["lost_with_engine"] == {"source": 4, "rx": 7, "ring": 2, "tx": 13, "kafka": 30}
    waiting = (closed["tx"]["ring_queued"], closed["tx"]["held"], closed["kafka"]["in_flight"])
    assert (waiting, closed["unaccounted"], closed["unknown_seconds"]) == ((0, 0, 0), 0, 0.4)
    assert stats.lost(closed) == 75 + 56
    assert taken["tx"]["ring_queued"] == 5, "the snapshot was to be left alone"
