"""The captures of a soak: each sees the same frames, and writes them into a topic of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP, SIGTERM, Signals
from typing import TextIO

from ports import pick

from support.live import Live
from support.probe import Report, assert_books_close, assert_identity
from support.trio import Trio

# Shorter than the longest freeze, so that requests do time out.
_IMPATIENT = ("-X", "request.timeout.ms=3000", "-X", "socket.timeout.ms=4000")
# A ring for what a busy machine keeps the workers from for some seconds.
_WORDS = ("--tx-ring", "16384")
DRAIN_S = 60
_FATAL = "Fatal error: Broker: Broker received an out of order sequence number"


@dataclass(frozen=True)
class Kind:
    """One way to capture."""

    name: str
    words: tuple[str, ...]
    restart: bool = False
    """Its engine is killed now and then, and replaced (--restart)."""
    spill: bool = False

    @property
    def producer(self) -> str:
        return self.words[1]


# librdkafka gets its own time-outs where nothing would replace its engine: those that are short may be fatal to it.
KINDS = (
    Kind("direct", ("--producer", "direct", *_IMPATIENT, "-X", "compression.type=lz4")),
    Kind(
        "direct, --spill",
        (
            "--producer",
            "direct",
            *_IMPATIENT,
            "--partition",
            "flow",
            "--buffer-memory",
            "16",
            "-X",
            "compression.type=lz4",
        ),
        spill=True,
    ),
    Kind("librdkafka", ("--producer", "librdkafka", "-X", "compression.type=lz4")),
    Kind("direct, --restart", ("--producer", "direct", *_IMPATIENT, "-X", "compression.type=zstd"), restart=True),
    Kind(
        "librdkafka, --restart", ("--producer", "librdkafka", *_IMPATIENT, "-X", "compression.type=lz4"), restart=True
    ),
)
PRODUCERS = tuple(sorted({kind.producer for kind in KINDS}))


@dataclass
class Lane:
    """One of them, while it runs and after."""

    kind: Kind
    topic: str
    live: Live
    config: Path
    metrics: str
    """Address of its HTTP server, in the namespace."""
    log: Path
    report: Report = field(default_factory=dict)
    kills: int = 0
    fatal: bool = False
    """librdkafka has given up for good, by a fault of its own; see end_all()."""
    _json: bool = False

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def supervisor(self) -> int:
        return self.live.process.pid

    def engine(self) -> int | None:
        """Process id of the engine; None while there is none."""
        with suppress(ValueError, OSError):  # no child, or it has ended meanwhile
            return self.live.engine
        return None

    def restarts_said(self) -> int:
        """How many engines have replaced others and receive, by its log."""
        return self.log.read_text().count("in which nothing was captured (restart ")

    def hang_up(self) -> None:
        """Have it read its configuration again, in which something has changed."""
        self._json = not self._json
        self.config.write_text(_configuration(self._json))
        self.live.signal(SIGHUP)

    def kill_engine(self, number: Signals) -> bool:
        """Kill the engine, if there is one."""
        engine = self.engine()
        if engine is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(engine, number)
            self.kills += 1
        return True


def _configuration(json: bool) -> str:
    return f'log-format = "{"json" if json else "text"}"\n'


@contextmanager
def lanes(trio: Trio, directory: Path, producer: str) -> Iterator[list[Lane]]:
    """Inside, all of one producer run, through the proxy; whoever leaves without end_all() has them killed."""
    clients = ",".join(f"{trio.cluster.host}:{port}" for port in trio.cluster.advertised["PROXIED"])
    kinds = [kind for kind in KINDS if kind.producer == producer]
    made: list[Lane] = []
    readers: list[threading.Thread] = []
    try:
        for kind, port in zip(kinds, pick("127.0.0.1", len(kinds)), strict=True):
            place = directory / kind.name.replace(", --", "-")
            place.mkdir()
            config = place / "capture.toml"
            config.write_text(_configuration(json=False))
            words = [*kind.words, *_WORDS, "--drain-timeout", str(DRAIN_S), "--config", str(config)]
            words += ["--metrics", str(port)]
            words += ["--restart"] if kind.restart else []
            words += ["--spill", str(place / "spill")] if kind.spill else []
            topic = trio.topic()
            live = Live.begin(clients, topic, *words, directory=place, inside=trio.inside)
            log = place / "stderr"
            made.append(Lane(kind, topic, live, config, f"http://127.0.0.1:{port}/", log))
            # A pipe that nobody reads would hold the supervisor up after 64 KiB.
            assert live.process.stderr is not None
            reader = threading.Thread(target=_copy, args=(live.process.stderr, log), name="soak-log")
            reader.start()
            readers.append(reader)
        yield made
    finally:
        for lane in made:
            if lane.live.process.poll() is None:
                lane.live.process.kill()
                lane.live.process.wait()
        for reader in readers:
            reader.join()


def end_all(made: list[Lane]) -> None:
    """Let them drain, and read their reports, in which every packet is accounted for.

    librdkafka before 2.3.0 may lose count of its sequence numbers after requests that timed out, which is fatal to it
    (its pull request 4438). Then the probe has ended with 1, or has another engine; what it had still adds up.
    """
    for lane in made:
        lane.live.signal(SIGTERM)
    for lane in made:
        status = lane.live.process.wait(timeout=DRAIN_S + 30)
        lane.fatal = lane.kind.producer == "librdkafka" and _FATAL in lane.log.read_text()
        assert status == 0 or (lane.fatal and status == 1), (lane.name, status, lane.log.read_text()[-2000:])
        lane.report = lane.live.raw_report()
        (assert_books_close if lane.kind.restart else assert_identity)(lane.report)
        assert lane.report["restarts"] == lane.kills or lane.fatal, lane.name


def _copy(lines: TextIO, log: Path) -> None:
    with log.open("w", buffering=1) as file:
        for line in lines:
            file.write(line)
