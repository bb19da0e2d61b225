"""The soak itself: `make soak` for as long as one likes, and half a minute of the same in continuous integration."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from support.load import Load
from support.soak.faults import Fault, Faults
from support.soak.lanes import end_all, lanes
from support.soak.samples import Sampler, gone_back, write_csv
from support.soak.verdict import grown, growth, judge, not_accounted
from support.trio import Trio

# Frames a second, and how long a rate lasts.
_RATES = (50, 200, 500, 1000, 2500)
_RATE_S = (2.0, 20.0)
SIZES = (64, 600, 1400)
# The tail of a run: what was disturbed comes to rest, so that its last samples can be held against earlier ones.
_REST_S = 3.0


def soak(
    trio: Trio,
    directory: Path,
    producer: str,
    *,
    seconds: float,
    seed: int,
    longest_s: float = 20,
    first: Sequence[str] = (),
) -> None:
    """Soak for so long; leaves samples.csv and soak.json in the directory. Fails if something is not as it should be.

    One producer at a time: threads of librdkafka 2.0.2 spin through an outage (its issue 3692), one for each broker,
    and on a machine of two cores nobody else gets to run, the brokers included.

    `longest_s`: of an outage. `first`: faults that come first, whatever the seed.
    """
    print(f"\nsoak: {producer}: {seconds:.0f} s, seed {seed}")
    draw = random.Random(seed)  # noqa: S311 -- no secret
    happened: list[Fault] = []
    every_s = 0.5 if seconds < 120 else 2.0
    with lanes(trio, directory, producer) as made:
        started, epoch = time.monotonic(), time.time()

        def clock() -> float:
            return time.monotonic() - started

        with (
            Load(trio.inside, rate=_RATES[0], sizes=SIZES) as load,
            _changing(load, random.Random(seed + 1)),  # noqa: S311
            Sampler(trio.inside, made, load, clock, every_s) as sampler,
        ):
            faults = Faults(trio, made, draw, clock, longest_s)
            names = _chain(first, faults.names())
            while True:
                time.sleep(draw.uniform(longest_s / 8, longest_s / 2))  # in which nothing is wrong
                if clock() > seconds - _REST_S - longest_s / 2:
                    break
                fault = faults.happen(next(names))
                happened.append(fault)
                print(f"soak: {fault.began:7.1f} s to {fault.ended:7.1f} s: {fault.name}: {fault.what}")
            time.sleep(max(seconds - clock(), _REST_S))
        samples = sampler.samples
        write_csv(samples, directory / "samples.csv")
        end_all(made)
    document: dict[str, Any] = {"seed": seed, "seconds": round(seconds)}
    document["faults"] = [asdict(fault) for fault in happened]
    document["lanes"] = verdicts = []
    problems: list[str] = []  # raised at the end: what a long run has found is worth more than a part of it
    for lane in made:
        verdict = judge(trio.bootstrap, lane, load, epoch)
        verdict.growth = growth(samples, lane.name)
        verdicts.append(asdict(verdict))
        (directory / "soak.json").write_text(json.dumps(document, indent=1))
        lost = ", ".join(f"{cause} {count:,}" for cause, count in verdict.counted.items()) or "nothing"
        print(f"soak: {lane.name}: {verdict.arrived:,} of {verdict.sent:,} arrived, {lost} counted as lost")
        problems += verdict.problems
        problems += not_accounted(lane, verdict)
        problems += grown(verdict, lane.kind.producer)
        problems += gone_back(samples, lane.name, verdict.restarts)
        if lane.kind.spill and verdict.counted:
            problems.append(f"{lane.name}: lost {verdict.counted}")
    assert problems == [], "\n".join(problems)
    assert happened


def _chain(first: Sequence[str], others: Iterator[str]) -> Iterator[str]:
    yield from first
    yield from others


@contextmanager
def _changing(load: Load, draw: random.Random) -> Iterator[None]:
    """Inside, the rate of the load changes from time to time."""
    ended = threading.Event()

    def change() -> None:
        while not ended.wait(draw.uniform(*_RATE_S)):
            load.rate = draw.choice(_RATES)

    changer = threading.Thread(target=change, name="soak-rate")
    changer.start()
    try:
        yield
    finally:
        ended.set()
        changer.join()
