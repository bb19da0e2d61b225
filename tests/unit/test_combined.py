"""Reports of several engines as one."""

from support.probe import assert_books_close
from support.reports import snapshot

from fastcapa import stats
from fastcapa.combined import combined


def test_counters_are_added_and_the_newest_of_the_rest_is_kept() -> None:
    dead = stats.of_dead_engine(snapshot(1), 0.25)
    total = combined([dead, stats.of_dead_engine(snapshot(10), 0.5)], restarts=1, outage_seconds=3.0)
    assert_books_close(total | {"mbufs_missing": 0})
    assert total["source"] == {"in": 1100, "missed": 22, "errors": 0, "no_mbuf": 0}
    assert total["kafka"]["delivered"] == 660
    assert total["lost_with_engine"] == {"source": 0, "rx": 0, "ring": 110, "tx": 0, "kafka": 110}
    assert (total["restarts"], total["outage_seconds"], total["unknown_seconds"]) == (1, 3.0, 0.75)
    assert total["seconds"] == 10 + 100 + 0.75 + 3
    assert total["schema"] == stats.SCHEMA
    (source,) = total["sources"]
    assert (source["in"], source["clock_steps"], source["clock"]) == (1100, 2, "clock 10")
    rx, tx = total["workers"]
    assert (rx["queue"], rx["lcore"], rx["in"], rx["missed"]) == (1, 10, 1078, 4)
    assert rx["longest_gap_ns"] == 100
    assert (tx["delivered"], tx["busy_cycles"], tx["busy"]) == (660, 11, 0.25)
    assert total["cost"] == {"cpu_seconds": 3.0, "delivery_seconds": 4.0, "cycles_per_second": 1000}
    assert dead["source"]["in"] == 100, "the parts were to be left alone"


def test_what_one_of_them_does_not_know_is_not_known() -> None:
    total = combined([snapshot(1), snapshot(1, losses_known=False)], restarts=1, outage_seconds=0.1)
    assert total["workers"][0]["missed"] is None


def test_closing_lines_say_what_nobody_knows() -> None:
    total = combined([stats.of_dead_engine(snapshot(1), 0.25)], restarts=0, outage_seconds=2.0)
    assert "engine restarted 0 times: 2.0 s without one, and 0.2 s that one left no report of" in "\n".join(
        stats.closing_lines(total)
    )
    assert "20 packets were on their way when an engine died" in "\n".join(stats.closing_lines(total))
