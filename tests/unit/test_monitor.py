"""What the supervisor leaves with the monitor, and what is read there."""

import time

from support.snapshots import config, losing, monitor, snapshot

from fastcapa.monitor import HISTORY_S, SILENCE_S, STALL_S, About, Status


def test_phases_and_what_the_probes_say() -> None:
    made = monitor(started=False)
    assert made.status.ready(time.monotonic()) == "starting"
    assert made.status.healthy(time.monotonic()) is None
    made.started()
    assert made.status.ready(time.monotonic()) is None
    made.draining()
    assert made.status.ready(time.monotonic()) == "draining"
    assert made.status.healthy(time.monotonic()) is None
    made.ended()
    assert made.status.healthy(time.monotonic()) == "the engine has ended"


def test_an_engine_that_is_silent_is_not_well() -> None:
    status = monitor(losing(1)).status
    assert status.healthy(status.heard_at + SILENCE_S - 0.1) is None
    assert "nothing heard of the engine" in (status.healthy(status.heard_at + SILENCE_S + 1) or "")


def test_not_ready_while_packets_wait_and_none_is_acknowledged() -> None:
    waiting = {"in": 10, "kafka_in": 10, "delivered": 4}
    made = monitor(snapshot(1, tx=waiting), snapshot(2, tx=waiting))
    status = made.status
    assert status.ready(status.settled_at + STALL_S - 0.1) is None
    assert "no acknowledgement from Kafka" in (status.ready(status.settled_at + STALL_S + 1) or "")
    made.snapshot(snapshot(3, tx={"in": 10, "kafka_in": 10, "delivered": 10}))
    assert made.status.settled_at == made.status.heard_at


def test_the_history_is_bounded_and_has_what_the_plots_show() -> None:
    made = monitor()
    for number in range(HISTORY_S + 10):
        made.snapshot(losing(number + 1))
    points = made.history()
    assert len(points) == HISTORY_S
    assert (points[-1]["in"], points[-1]["losses"]["ring_full_drops"], points[-1]["ring"]) == (1000, 600, 1)
    assert points[-1]["round_trip_ms"] == 250


def test_listeners_hear_each_status() -> None:
    heard: list[Status] = []
    made = monitor()
    made.listen(heard.append)
    made.snapshot(losing(1))
    made.ended()
    assert [status.phase for status in heard] == ["running", "ended"]


def test_nothing_secret_is_kept() -> None:
    assert "secret" not in repr(About.of(config(), "direct"))
