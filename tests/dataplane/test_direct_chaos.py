"""The direct producer against a broker that does everything wrong, by chance: nothing is lost, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support import numbered
from support.direct_runs import frames, missing_of, run
from support.partition_log import Batch
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker, Verdict

AGAIN = (2, 6, 7, 13, 19, 20, 56)  # repeated, whether it is written or not
AS_NEW = (10, 45, 47, 59)  # only of what is not written, or it would be written twice: no broker says that otherwise
REJECTED = (-1, 87)


class Chaos(Script):
    """About one request in eight goes wrong, and one batch in eight."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rejected: list[Batch] = []
        self._left: set[int] = set()  # connections where nobody listens any more
        self._batches = random.Random(seed)  # noqa: S311 -- no secret

    def _fault(self, number: int) -> str:
        """What happens to a request: the same whoever asks and how often."""
        choice = random.Random(f"{self.seed} {number}")  # noqa: S311
        faults = ("half request", "not written", "reset", "half response", "close", "garbage", "throttle")
        return choice.choice(faults) if choice.random() < 1 / 8 else ""

    def interrupts(self, number: int) -> bool:
        return self._fault(number) == "half request"

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        request = broker.requests[-1]
        fault = self._fault(request.number)
        if request.connection in self._left:
            return None
        if fault == "not written":
            return Verdict(0)
        log = broker.logs[batch.partition]
        if fault or log.check(batch) or self._batches.random() > 1 / 8:
            return None
        as_new = () if log.is_duplicate(batch) else AS_NEW
        code = self._batches.choice([*AGAIN, *AGAIN, *as_new, *REJECTED])
        if code in AS_NEW:
            # A single record cannot be made smaller: it would be lost.
            return Verdict(code) if batch.count > 1 or code != 10 else None
        # On a busy machine it may come a second time, when nobody has waited for the answer to the first.
        if code in REJECTED and batch not in self.rejected:
            self.rejected.append(batch)
        return Verdict(code, written=self._batches.random() < 0.5)

    def throttle_ms(self, request: Produce) -> int:
        return 20 if self._fault(request.number) == "throttle" else 0

    def reply(self, request: Produce, response: bytes) -> Reply:
        match self._fault(request.number):
            case "not written" | "reset":
                return Reply(b"", "reset")
            case "half response":
                return Reply(response[: len(response) // 2], "reset")
            case "close":
                return Reply(response, "close")
            case "garbage":
                self._left.add(request.connection)
                return Reply(response[:-1] + b"\xff\xff")
            case _:
                return Reply(response)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames make a batch of 16 KiB."""
    return numbered.write(tmp_path_factory.mktemp("frames") / "long.pcap", 8 * 400, 2000)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("partitions", [1, 5])
def test_everything_is_there_once_in_order_or_counted(long_file: Path, seed: int, partitions: int) -> None:
    script = Chaos(seed)
    often = {"topic_metadata_refresh_interval_ms": "50"}
    with ScriptedBroker(script, partitions=partitions) as broker:
        made = run(broker, long_file, **often)
    sent = frames(long_file)
    written = {batch for log in broker.logs for batch in log.batches}
    lost = [value for batch in script.rejected if batch not in written for value in batch.values()]
    assert sorted(missing_of(broker, sent)) == sorted(lost)
    assert made.failed == sum(batch.count for batch in script.rejected)
    assert made.delivered + made.failed == len(sent)
    assert script.rejected
