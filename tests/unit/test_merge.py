"""The order of frames that come from several partitions, each at its own pace."""

import random

from fastcapa.read.merge import Merge


def push(merge: Merge[str], number: int, items: str, now: float = 0.0) -> None:
    """Push items such as "a1 b2": a name, and behind it the time."""
    for item in items.split():
        merge.push(number, int(item[1:]), item, len(item), now)


def ready(merge: Merge[str], now: float = 0.0) -> str:
    return " ".join(merge.ready(now))


def test_waits_for_every_partition_that_has_not_ended() -> None:
    merge: Merge[str] = Merge([0, 1, 2])
    push(merge, 0, "a1 a4")
    push(merge, 1, "b2 b3")
    assert ready(merge, 1e9) == ""
    merge.end(2)
    assert ready(merge) == "a1 b2 b3"  # partition 1 may still bring something before a4
    assert not merge.finished
    merge.end(1)
    assert ready(merge) == "a4"
    merge.end(0)
    assert merge.finished


def test_ties_stay_on_the_partition() -> None:
    merge: Merge[str] = Merge([0, 1])
    push(merge, 1, "b1 b5 b5 b9")
    push(merge, 0, "a5 a5 a6")
    merge.end(0)
    merge.end(1)
    assert ready(merge) == "b1 b5 b5 a5 a5 a6 b9"


def test_ties_stay_on_the_partition_from_one_call_to_the_next() -> None:
    merge: Merge[str] = Merge([0, 1])
    push(merge, 0, "a5")
    push(merge, 1, "b4 b5")
    assert ready(merge) == "b4 b5"
    push(merge, 1, "b5 b6")
    assert ready(merge) == "b5 a5"


def test_a_partition_keeps_its_own_order_whatever_its_times() -> None:
    merge: Merge[str] = Merge([0, 1])
    push(merge, 0, "a9 a3 a1")
    push(merge, 1, "b5")
    merge.end(0)
    merge.end(1)
    assert ready(merge) == "b5 a9 a3 a1"


def test_idle_partitions_are_waited_for_briefly() -> None:
    merge: Merge[str] = Merge([0, 1], idle_s=0.2, patience_s=5.0)
    merge.idle(1)
    push(merge, 0, "a5", now=10.0)
    push(merge, 0, "a6", now=10.15)
    assert ready(merge, 10.1) == ""
    assert ready(merge, 10.2) == "a5"
    push(merge, 1, "b1", now=10.25)  # late: it goes out next, before what is later
    assert ready(merge, 10.25) == "b1"
    assert ready(merge, 10.5) == ""  # partition 1 is busy again
    merge.idle(1)
    assert ready(merge, 10.5) == "a6"


def test_busy_partitions_are_waited_for_with_patience() -> None:
    merge: Merge[str] = Merge([0, 1], idle_s=0.2, patience_s=5.0)
    push(merge, 0, "a5", now=10.0)
    assert ready(merge, 14.0) == ""
    assert ready(merge, 15.0) == "a5"


def test_backlog_is_counted_in_bytes() -> None:
    merge: Merge[str] = Merge([0, 1])
    push(merge, 0, "a1 a10")
    assert merge.backlog_bytes(0) == 5
    push(merge, 1, "b5")
    assert ready(merge) == "a1 b5"
    assert (merge.backlog_bytes(0), merge.backlog_bytes(1), merge.finished) == (3, 0, False)


def test_drain_leaves_nothing() -> None:
    merge: Merge[str] = Merge([0, 1, 2], patience_s=5.0)
    push(merge, 0, "a2 a4", now=99.0)
    push(merge, 1, "b3", now=99.0)
    assert " ".join(merge.drain()) == "a2 b3 a4"
    assert merge.finished


def test_any_arrival_gives_the_order_of_the_probe() -> None:
    """Frames with many equal times, in runs as a sticky partitioner cuts them, read at random paces."""
    for seed in range(50):
        chance = random.Random(seed)  # noqa: S311
        frames = [(index // 3, index) for index in range(600)]
        queues: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: [], 3: []}
        cut = 0
        while cut < len(frames):
            # A batch that ends inside a burst of one time goes on in the next partition, as long as it is not cut
            # a second time within that burst.
            length = chance.randrange(4, 40)
            queues[chance.randrange(4)].extend(frames[cut : cut + length])
            cut += length
        merge: Merge[int] = Merge(queues)
        out: list[int] = []
        while not merge.finished:
            number = chance.randrange(4)
            for _ in range(chance.randrange(1, 30)):
                if not queues[number]:
                    merge.end(number)
                    break
                time, index = queues[number].pop(0)
                merge.push(number, time, index, 1, 0.0)
            out.extend(merge.ready(0.0))
        assert out == list(range(600)), f"seed {seed}"
