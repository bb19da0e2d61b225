"""The direct producer and a broker that throttles it, breaks connections, or does not answer at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support import numbered
from support.direct_runs import assert_all_delivered, frames, missing_of, run
from support.partition_log import Batch
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker, Verdict

FRAMES = 4800
# Requests that something happens to: the first one, one of a new connection that has worked, neighbours.
AT = (0, 20, 60, 61)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames make a batch of 16 KiB."""
    return numbered.write(tmp_path_factory.mktemp("frames") / "long.pcap", FRAMES, 2000)


# ---- throttled ------------------------------------------------------------------------------------------------------


class Throttling(Script):
    """Wants silence after one request."""

    def __init__(self, number: int, ms: int) -> None:
        self.number, self.ms = number, ms

    def throttle_ms(self, request: Produce) -> int:
        return self.ms if request.number == self.number else 0


# Of the first request nothing else is in flight; later on four others may be.
@pytest.mark.parametrize(("number", "in_flight"), [(0, 0), (20, 4)])
def test_a_quota_is_waited_for(long_file: Path, number: int, in_flight: int) -> None:
    with ScriptedBroker(Throttling(number, 400)) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    asked, following = broker.requests[number], broker.requests[number + in_flight + 1]
    assert following.time - asked.time >= 0.4
    assert {request.connection for request in broker.requests} == {asked.connection}
    assert made.report["kafka"]["retries"] == 0


# ---- connections that break -----------------------------------------------------------------------------------------


class HalfOfTheRequest(Script):
    """Resets the connection before it has the whole request."""

    def interrupts(self, number: int) -> bool:
        return number in AT


class NotWritten(Script):
    """Resets the connection, and has done nothing with the request."""

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        return Verdict(0, written=False) if broker.requests[-1].number in AT else None

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(b"", "reset") if request.number in AT else Reply(response)


class Written(Script):
    """Resets the connection when the batches are in the log and before it says so."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(b"", "reset") if request.number in AT else Reply(response)


class HalfOfTheResponse(Script):
    """Resets the connection in the middle of what it says."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(response[: len(response) // 2], "reset") if request.number in AT else Reply(response)


class Closed(Script):
    """Ends the connection in good order behind its answer, as brokers do with idle ones and when they stop."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(response, "close") if request.number in AT else Reply(response)


@pytest.mark.parametrize("fault", [HalfOfTheRequest, NotWritten, Written, HalfOfTheResponse, Closed])
def test_a_connection_that_breaks_loses_nothing(long_file: Path, fault: type[Script]) -> None:
    with ScriptedBroker(fault(), partitions=2) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    assert len({request.connection for request in broker.requests}) == 1 + len(AT)
    lost = made.lines_with(f"connection to broker 1 ({broker.bootstrap}) lost: ")
    assert lost
    # What is in the socket unread when it is closed makes a reset of it.
    assert {line.rpartition(" lost: ")[2].partition(" (for the ")[0] for line in lost} <= {
        "Connection reset by peer",
        "Broken pipe",
        "the broker closed the connection",
    }
    assert made.lines_with(f"connected to broker 1 ({broker.bootstrap}) again")
    assert len({log.batches[-1].identity for log in broker.logs}) == 1
    assert {batch.epoch for log in broker.logs for batch in log.batches} == {0}, "a connection is no reason for it"


def test_a_connection_that_breaks_while_a_large_request_is_written(long_file: Path) -> None:
    # More than the socket holds: the rest is written as the broker reads, which it stops to do at the half.
    with ScriptedBroker(HalfOfTheRequest(), receive_bytes=4096) as broker:
        made = run(broker, long_file, batch_size="1000000")
    assert_all_delivered(broker, made, frames(long_file))
    assert max(len(batch.data) for batch in broker.logs[0].batches) > 900_000


# ---- no answers -----------------------------------------------------------------------------------------------------


class Silent(Script):
    """From one request on says nothing for a while, whoever asks; connections of that time stay silent."""

    def __init__(self, number: int, seconds: float, *, writes: bool) -> None:
        self.number, self.seconds, self.writes = number, seconds, writes
        self.until: float | None = None
        self.connections: set[int] = set()
        self.first_after: dict[int, Batch] = {}  # by partition
        self.untold: set[Batch] = set()  # written in silence, and not answered afterwards either

    def _is_silent(self, request: Produce) -> bool:
        if self.until is None and request.number == self.number:
            self.until = time.monotonic() + self.seconds
        if self.until is not None and time.monotonic() < self.until:
            self.connections.add(request.connection)
        return request.connection in self.connections

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        if not self._is_silent(broker.requests[-1]):
            if self.until is not None:
                self.first_after.setdefault(batch.partition, batch)
                self.untold.discard(batch)
            return None
        log = broker.logs[batch.partition]
        if self.writes and not log.check(batch) and not log.is_duplicate(batch):
            self.untold.add(batch)
        return Verdict(0, written=self.writes)

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(b"" if self._is_silent(request) else response)


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("number", [0, 20])
def test_a_broker_that_does_not_answer_in_time(long_file: Path, number: int, writes: bool) -> None:
    with ScriptedBroker(Silent(number, 0.2, writes=writes), partitions=2) as broker:
        made = run(broker, long_file, request_timeout_ms="300")
    assert_all_delivered(broker, made, frames(long_file))
    assert made.lines_with("lost: no answer for 300 ms")
    first = broker.requests[number]
    later = next(request for request in broker.requests if request.connection != first.connection)
    assert later.time - first.time >= 0.15  # 0.3 less what a busy broker of Python takes to read the first one
    assert set(later.batches) <= {batch for asked in broker.requests[number:] for batch in asked.batches}
    assert {batch.epoch for log in broker.logs for batch in log.batches} == {0}


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("number", [0, 20])
def test_what_is_not_delivered_in_time_is_counted_and_the_rest_goes_on(
    long_file: Path, number: int, writes: bool
) -> None:
    script = Silent(number, 1.5, writes=writes)
    with ScriptedBroker(script, partitions=2) as broker:
        # The buffer is smaller than the file: not everything is old when the broker speaks again.
        limits = {"message_timeout_ms": "800", "request_timeout_ms": "200"}
        made = run(broker, long_file, "--buffer-memory", "2", **limits)
    sent = frames(long_file)
    missing = missing_of(broker, sent)
    untold = sum(batch.count for batch in script.untold)
    assert made.failed > 0
    assert made.delivered + made.failed == len(sent)
    # What was written and never answered counts as failed: nobody told.
    assert made.failed == len(missing) + untold
    assert (untold > 0) == writes
    assert made.status == 1
    assert made.lines_with("within 800 ms: they are lost")
    assert sum(event.kind == "identity" for event in broker.events) == 1
    assert set(script.first_after) == {0, 1}
    for partition, batch in script.first_after.items():
        before = broker.logs[partition].batches[0].producer_id
        assert batch.producer_id == before
        assert batch.epoch > 0
        assert batch.sequence == 0
