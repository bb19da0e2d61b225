"""What the direct producer does about each error code of a Produce response, and that nothing gets lost by it.

docs/direct-producer-errors.md says it in words; every row of it is tried here against a broker that answers so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from support import numbered
from support.direct_runs import DirectRun, assert_all_delivered, frames, missing_of, run
from support.partition_log import OUT_OF_ORDER, Batch
from support.scripted_broker import Event, Produce, Reply, Script, ScriptedBroker, Verdict

TABLE = Path(__file__).parents[2] / "docs" / "direct-producer-errors.md"
ROWS = {
    int(code): (name, action)
    for code, name, action in re.findall(r"^\| (-?\d+) \| `(\w+)` \| (\w+) \|", TABLE.read_text(), re.MULTILINE)
}
UNKNOWN = 9999  # none of Kafka's
ALL = {**ROWS, UNKNOWN: ("a code that Produce is not known to return", "rejected")}


def codes_of(*actions: str) -> list[int]:
    return [code for code, (_, action) in ALL.items() if action in actions]


# After these a broker may have written the batch, or did at an earlier try. After a "sequence", "identity" or "smaller"
# it has not: the batch goes out as a new one.
MAYBE_WRITTEN = codes_of("delivered", "again", "leader", "rejected")


class EveryCode(Script):
    """Answers each code once, of a batch that it would have written."""

    # As many as can be in flight, and one: what was on its way when a code was answered is settled.
    CALM = 6

    def __init__(self, codes: list[int], written: list[int]) -> None:
        self.left = list(codes)
        self.written = written
        self.refused: dict[int, Batch] = {}
        self.began: dict[int, int] = {}  # index of the code's first event
        self._calm = self.CALM
        self._at = 0  # partition of the last code

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        log = broker.logs[batch.partition]
        if log.check(batch) or log.is_duplicate(batch):
            return None
        if not self.left or self._calm < self.CALM:
            self._calm += batch.partition == self._at
            return None
        code = self.left.pop(0)
        self.refused[code], self.began[code] = batch, len(broker.events)
        self._calm, self._at = 0, batch.partition
        return Verdict(code, written=code in self.written, text=f"words of {code}")

    def reply(self, request: Produce, response: bytes) -> Reply:
        if self._calm < self.CALM:
            time.sleep(0.005)  # or the other partitions would take the whole file while this one waits
        return Reply(response)


@dataclass
class Tried:
    """A run in which every code was answered once."""

    broker: ScriptedBroker
    script: EveryCode
    made: DirectRun
    sent: list[bytes]
    segments: dict[int, list[Event]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.script.left == [], "the file is too short"
        begins = [*self.script.began.values(), len(self.broker.events)]
        for code, (begin, end) in zip(self.script.began, pairwise(begins), strict=True):
            self.segments[code] = self.broker.events[begin + 1 : end]

    def kinds_before(self, code: int, found: Event) -> list[str]:
        """What was asked between the answer and another event."""
        segment = self.segments[code]
        return [event.kind for event in segment[: segment.index(found)] if event.kind != "produce"]

    def first(self, code: int, wanted: Callable[[Batch], bool]) -> Event:
        """The first such batch in the partition after the answer; fails if there is none."""
        partition = self.script.refused[code].partition
        return next(
            event
            for event in self.segments[code]
            if event.batch is not None and event.batch.partition == partition and wanted(event.batch)
        )


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames make a batch."""
    return numbered.write(tmp_path_factory.mktemp("frames") / "long.pcap", 8 * 1200, 2000)


# Metadata asked for in a row come ever later, up to a second. Where it does not matter who asks, the clock does.
OFTEN = {"topic_metadata_refresh_interval_ms": "50"}


def attempt(path: Path, codes: list[int], written: list[int], partitions: int, **properties: str) -> Tried:
    script = EveryCode(codes, written)
    with ScriptedBroker(script, partitions=partitions) as broker:
        made = run(broker, path, **properties)
    return Tried(broker, script, made, frames(path))


@pytest.fixture(scope="module", params=[1, 2])
def refused(request: pytest.FixtureRequest, long_file: Path) -> Iterator[Tried]:
    """The broker has written nothing of what it answered with an error."""
    # Those behind which metadata is asked for, but not waited for, come long before those behind which it must not be.
    codes = [*codes_of("smaller"), *codes_of("rejected"), *codes_of("leader")]
    codes += [code for code in ALL if code not in codes]
    yield attempt(long_file, codes, codes_of("delivered"), request.param, **(OFTEN if request.param > 1 else {}))


@pytest.fixture(scope="module", params=[1, 2])
def written(request: pytest.FixtureRequest, long_file: Path) -> Iterator[Tried]:
    """The broker has written all of it nevertheless."""
    yield attempt(long_file, MAYBE_WRITTEN, MAYBE_WRITTEN, request.param, **OFTEN)


def test_only_what_was_rejected_is_missing(refused: Tried) -> None:
    lost = [value for code in codes_of("rejected") for value in refused.script.refused[code].values()]
    assert sorted(missing_of(refused.broker, refused.sent)) == sorted(lost)
    assert refused.made.failed == len(lost)
    assert refused.made.delivered == len(refused.sent) - len(lost)
    assert refused.made.status == 1
    assert "refused" not in refused.made.lines[-1]


def test_what_was_written_is_there_once(written: Tried) -> None:
    assert missing_of(written.broker, written.sent) == []
    counted_as_lost = sum(written.script.refused[code].count for code in codes_of("rejected"))
    assert written.made.failed == counted_as_lost
    assert written.made.delivered == len(written.sent) - counted_as_lost


@pytest.mark.parametrize("code", codes_of("delivered"))
def test_delivered(refused: Tried, code: int) -> None:
    batch = refused.script.refused[code]
    following = refused.first(code, lambda other: True).batch
    assert following is not None
    assert (following.identity, following.sequence) == (batch.identity, batch.next_sequence)
    assert not refused.made.lines_with(ALL[code][0])


@pytest.mark.parametrize("code", codes_of("again", "leader"))
def test_again_with_the_same_numbers(refused: Tried, code: int) -> None:
    again = refused.first(code, lambda other: other == refused.script.refused[code])
    assert again.written
    asked = refused.kinds_before(code, again)
    if ALL[code][1] == "leader":
        assert "metadata" in asked
    elif refused.broker.partitions == 1:
        assert asked == []


@pytest.mark.parametrize("code", codes_of("again", "leader"))
def test_again_or_implied_by_what_is_behind_it(written: Tried, code: int) -> None:
    # A batch behind it that is written proves that it was written too; only one that came back before is sent again.
    batch = written.script.refused[code]
    assert {(event.error, event.written) for event in written.segments[code] if event.batch == batch} <= {(0, False)}


class WrittenAtFirst(Script):
    """Writes the only batch at once, and has an error for it again and again."""

    def __init__(self, codes: list[int]) -> None:
        self.left = list(codes)

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        return Verdict(self.left.pop(0), written=True) if self.left else None


def test_one_batch_that_comes_back_again_and_again_is_written_once(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "short.pcap", 5)
    codes = codes_of("again")  # not more: the waits double
    with ScriptedBroker(WrittenAtFirst(codes)) as broker:
        made = run(broker, path)
    assert_all_delivered(broker, made, frames(path))
    answers = [(event.error, event.written) for event in broker.events if event.batch is not None]
    assert answers == [(codes[0], True), *((code, False) for code in codes[1:]), (0, False)]
    assert made.report["kafka"]["retries"] == len(codes)


@pytest.mark.parametrize("code", codes_of("sequence"))
def test_in_a_new_epoch(refused: Tried, code: int) -> None:
    batch = refused.script.refused[code]
    again = refused.first(code, lambda other: other.values() == batch.values())
    assert again.batch is not None
    assert (again.batch.identity, again.batch.sequence) == ((batch.producer_id, batch.epoch + 1), 0)
    assert again.written
    assert "identity" not in refused.kinds_before(code, again)


@pytest.mark.parametrize("code", codes_of("identity"))
def test_with_a_new_producer_id(refused: Tried, code: int) -> None:
    batch = refused.script.refused[code]
    again = refused.first(code, lambda other: other.values() == batch.values())
    assert again.batch is not None
    assert again.batch.producer_id > batch.producer_id
    assert (again.batch.epoch, again.batch.sequence) == (0, 0)
    assert again.written
    asked = refused.kinds_before(code, again)
    assert asked.count("identity") == 1
    assert refused.broker.partitions > 1 or asked == ["identity"]


@pytest.mark.parametrize("code", codes_of("smaller"))
def test_in_two_halves(refused: Tried, code: int) -> None:
    batch = refused.script.refused[code]
    first = refused.first(code, lambda other: other.sequence == batch.sequence).batch
    second = refused.first(code, lambda other: first is not None and other.sequence == first.next_sequence).batch
    assert first is not None
    assert second is not None
    assert first.values() + second.values() == batch.values()
    assert first.identity == second.identity == batch.identity
    assert first.count == batch.count // 2
    later = refused.broker.events[refused.script.began[code] :]
    assert "configs" in {event.kind for event in later}  # the limit may have changed


@pytest.mark.parametrize("code", codes_of("rejected"))
def test_not_again_and_the_next_in_a_new_epoch(refused: Tried, code: int) -> None:
    batch = refused.script.refused[code]
    later = refused.broker.events[refused.script.began[code] + 1 :]
    assert not [event for event in later if event.batch == batch]
    following = refused.first(code, lambda other: other.epoch > batch.epoch)
    assert following.batch is not None
    assert following.batch.identity == (batch.producer_id, batch.epoch + 1)
    assert following.batch.sequence == 0
    assert following.written


@pytest.mark.parametrize("code", [code for code in ALL if code not in codes_of("delivered")])
def test_one_line_says_what_happened(refused: Tried, code: int) -> None:
    (line,) = refused.made.lines_with(f"({code})")
    name, partition = ALL[code][0], refused.script.refused[code].partition
    assert line == f"fastcapa: Kafka: broker 1, partition {partition}: {name} ({code}): words of {code}"


def test_what_is_behind_one_that_comes_back_is_no_trouble(refused: Tried) -> None:
    # The broker has refused them, as it must; nobody has to know.
    assert [event for event in refused.broker.events if event.error == OUT_OF_ORDER]
    assert len(refused.made.lines_with("OUT_OF_ORDER_SEQUENCE_NUMBER")) == 1


def test_a_broker_without_faults(long_file: Path) -> None:
    with ScriptedBroker(partitions=3) as broker:
        made = run(broker, long_file)
    assert_all_delivered(broker, made, frames(long_file))
    assert made.report["kafka"]["retries"] == 0
    assert {batch.sequence for log in broker.logs for batch in log.batches[:1]} == {0}
