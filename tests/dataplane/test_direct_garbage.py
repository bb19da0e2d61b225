"""Responses that are none, and what a broker offers: the direct producer never crashes, guesses or loses a packet."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import numbered
from support.direct_runs import DirectRun, assert_all_delivered, frames, run
from support.partition_log import Batch
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker, Verdict

NO_ANSWER = "the broker sent something that is no answer to a Produce request"
Garble = Callable[[bytes], bytes]

# A response of version 8 about one partition of the topic "t", by its fields' places.
SIZE, CORRELATION, TOPICS, NAME_LENGTH, NAME, PARTITIONS, PARTITION = 0, 4, 8, 12, 14, 15, 19
RECORD_ERRORS, ERROR_TEXT, THROTTLE = 49, 53, 55


def put_i16(place: int, value: int) -> Garble:
    return lambda data: data[:place] + struct.pack(">h", value) + data[place + 2 :]


def put_i32(place: int, value: int) -> Garble:
    return lambda data: data[:place] + struct.pack(">i", value) + data[place + 4 :]


def sized(body: bytes) -> bytes:
    """With a size field that is right for it."""
    return struct.pack(">i", len(body)) + body


def insert(place: int, added: bytes) -> Garble:
    return lambda data: sized(data[4:place] + added + data[place:])


def cut(end: int) -> Garble:
    return lambda data: sized(data[4:end])


def partition_twice(data: bytes) -> bytes:
    return put_i32(PARTITIONS, 2)(insert(THROTTLE, data[PARTITION:THROTTLE])(data))


def topic_twice(data: bytes) -> bytes:
    return put_i32(TOPICS, 2)(insert(THROTTLE, data[NAME_LENGTH:THROTTLE])(data))


def partition_missing(data: bytes) -> bytes:
    return sized(data[4:PARTITIONS] + struct.pack(">i", 0) + data[THROTTLE:])


GARBAGE: dict[str, Garble] = {
    "of an earlier request": lambda data: put_i32(CORRELATION, struct.unpack_from(">i", data, CORRELATION)[0] - 1)(
        data
    ),
    "of a later request": lambda data: put_i32(CORRELATION, struct.unpack_from(">i", data, CORRELATION)[0] + 1)(data),
    "correlation id -1": put_i32(CORRELATION, -1),
    "as long as can be said": put_i32(SIZE, 0x7FFFFFFF),
    "longer than any answer": put_i32(SIZE, 1 << 17),
    "length -1": put_i32(SIZE, -1),
    "length 0": lambda data: bytes(4),
    "length 3, no room for a correlation id": lambda data: sized(data[4:7]),
    "nothing but a correlation id": cut(TOPICS),
    "topics null": put_i32(TOPICS, -1),
    "topics -2**31": put_i32(TOPICS, -(2**31)),
    "as many topics as can be said": put_i32(TOPICS, 0x7FFFFFFF),
    "no topic": lambda data: sized(data[4:TOPICS] + struct.pack(">i", 0) + data[THROTTLE:]),
    "topic twice": topic_twice,
    "another topic": lambda data: data[:NAME] + b"u" + data[NAME + 1 :],
    "name null": put_i16(NAME_LENGTH, -1),
    "name longer than the response": put_i16(NAME_LENGTH, 0x7FFF),
    "partitions null": put_i32(PARTITIONS, -1),
    "as many partitions as can be said": put_i32(PARTITIONS, 0x7FFFFFFF),
    "partition not asked for": put_i32(PARTITION, 1),
    "partition -1": put_i32(PARTITION, -1),
    "partition 2**31 - 1": put_i32(PARTITION, 0x7FFFFFFF),
    "partition twice": partition_twice,
    "partition missing": partition_missing,
    "record errors null": put_i32(RECORD_ERRORS, -1),
    "as many record errors as can be said": put_i32(RECORD_ERRORS, 0x7FFFFFFF),
    "text of length -2": put_i16(ERROR_TEXT, -2),
    "text longer than the response": put_i16(ERROR_TEXT, 0x7FFF),
    "cut in a partition": cut(PARTITION + 5),
    "without its throttle time": cut(THROTTLE),
    "bytes behind its end": lambda data: sized(data[4:] + b"\0"),
    "HTTP": lambda data: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "TLS alert": lambda data: bytes.fromhex("15030100020228") + bytes(200),
}


class Garbled(Script):
    """Garbles a response, each time in another way, when that connection has answered some well."""

    def __init__(self, kinds: list[str], *, writes: bool) -> None:
        """`writes`: whether what it garbles says the truth, that the batch is written."""
        self.left = list(kinds)
        self.writes = writes
        self.garbled: dict[str, Produce] = {}
        self._answered = 0

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        self._answered += 1
        return Verdict(0) if self._is_due() and not self.writes else None

    def _is_due(self) -> bool:
        return bool(self.left) and self._answered % 12 == 0

    def reply(self, request: Produce, response: bytes) -> Reply:
        if not self._is_due():
            return Reply(response)
        kind = self.left.pop(0)
        self.garbled[kind] = request
        return Reply(GARBAGE[kind](response))


@dataclass(frozen=True)
class Tried:
    """A run in which the broker has sent every kind of garbage."""

    broker: ScriptedBroker
    script: Garbled
    made: DirectRun


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames make a batch of 16 KiB."""
    return numbered.write(tmp_path_factory.mktemp("frames") / "long.pcap", 8 * 700, 2000)


@pytest.fixture(scope="module", params=[True, False], ids=["written", "not written"])
def tried(request: pytest.FixtureRequest, long_file: Path) -> Tried:
    script = Garbled(list(GARBAGE), writes=request.param)
    with ScriptedBroker(script) as broker:
        made = run(broker, long_file)
    assert script.left == [], "the file is too short"
    return Tried(broker, script, made)


def test_everything_is_delivered_once_and_in_order(tried: Tried, long_file: Path) -> None:
    assert_all_delivered(tried.broker, tried.made, frames(long_file))


@pytest.mark.parametrize("kind", GARBAGE)
def test_the_connection_is_given_up_and_the_batch_comes_again(tried: Tried, kind: str) -> None:
    garbled = tried.script.garbled[kind]
    later = [request for request in tried.broker.requests if request.number > garbled.number]
    again = next(request for request in later if request.batches == garbled.batches)
    assert again.connection == garbled.connection + 1


def test_each_has_a_line(tried: Tried) -> None:
    where = f"broker 1 ({tried.broker.bootstrap})"
    lost = tried.made.lines_with(" lost: ")
    assert {line.partition(" (for the ")[0] for line in lost} == {f"fastcapa: connection to {where} lost: {NO_ANSWER}"}
    assert tried.made.lines_with(f"connected to {where} again")
    assert len({request.connection for request in tried.broker.requests}) == len(GARBAGE) + 1


class Unasked(Script):
    """Says something twice."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(response * 2 if request.number == 10 else response)


def test_an_answer_to_nothing(long_file: Path) -> None:
    with ScriptedBroker(Unasked()) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    (line,) = made.lines_with(" lost: ")
    assert line.endswith(NO_ANSWER)


class Endless(Script):
    """Says words without end: the longest response that is read, and the shortest that is not."""

    def __init__(self, size: int) -> None:
        self.size = size

    def reply(self, request: Produce, response: bytes) -> Reply:
        if request.number != 10:
            return Reply(response)
        # Record errors without words, 6 bytes each, then words to the exact size.
        room = self.size - len(response)
        count, rest = divmod(room - 2000, 6)
        words = bytes(2000 + rest)
        errors = struct.pack(">i", count) + struct.pack(">ih", 0, -1) * count + struct.pack(">h", len(words)) + words
        return Reply(sized(response[4:RECORD_ERRORS] + errors + response[THROTTLE:]))


@pytest.mark.parametrize(("size", "lost"), [(1 << 17, 0), ((1 << 17) + 1, 1)])
def test_the_longest_response_is_read(long_file: Path, size: int, lost: int) -> None:
    with ScriptedBroker(Endless(size)) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    assert len(made.lines_with(" lost: ")) == lost


class ByteByByte(Script):
    """Sends its first responses so slowly that each byte is read alone."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(response, in_bytes=request.number < 3)


def test_responses_that_come_in_pieces(long_file: Path) -> None:
    with ScriptedBroker(ByteByByte()) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    assert made.report["kafka"]["retries"] == 0


# ---- what a broker offers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lowest", "highest", "taken"), [(0, 3, 3), (3, 5, 5), (3, 7, 7), (3, 8, 8), (0, 13, 8)])
def test_the_highest_version_that_both_know(long_file: Path, lowest: int, highest: int, taken: int) -> None:
    with ScriptedBroker(produce_versions=(lowest, highest), partitions=2) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    assert {request.version for request in broker.requests} == {taken}


@pytest.mark.parametrize(
    ("versions", "codec", "needed"),
    [((9, 13), "none", "3 to 8"), ((0, 2), "none", "3 to 8"), ((3, 6), "zstd", "7 to 8")],
)
def test_no_version_that_both_know(long_file: Path, versions: tuple[int, int], codec: str, needed: str) -> None:
    with ScriptedBroker(produce_versions=versions) as broker:
        made = run(broker, long_file, "--drain-timeout", "1", compression_type=codec)
    assert broker.requests == []
    assert made.status == 1
    assert made.delivered == 0
    assert made.report["kafka"]["abandoned"] == made.failed > 0
    (line,) = made.lines_with("ProduceRequest")
    assert line == (
        f"fastcapa: broker 1: broker {broker.bootstrap}: ProduceRequest in versions {needed} is needed,"
        f" it takes {versions[0]} to {versions[1]}; --producer librdkafka works with other brokers; trying again"
    )
