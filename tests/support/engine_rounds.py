"""Runs the engine's pipeline many times in one process, and prints as JSON what of threads, files and memory remains.

`python -m support.engine_rounds BOOTSTRAP ROUNDS DIRECTORY`, with a topic TOPIC there. Rounds differ in source,
producer, number of workers and in how they end. Raises at the first one whose counters do not add up or whose packet
buffers are not all back.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastcapa import _dataplane, plan
from fastcapa.channel import Channel, Settings
from fastcapa.config import validate
from fastcapa.engine import Engine
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.probe import assert_identity

TOPIC, PARTITIONS = "rounds", 4
FRAMES = 3000
EAL_MIB = 192
SOON_S = 0.03
# Until then caches fill, libraries load, allocators find their size.
WARM_UP = 24

Ending = Literal["by itself", "drained", "at once", "supervisor gone", "never begins"]


@dataclass(frozen=True)
class Round:
    """What is different from round to round."""

    source: dict[str, Any]
    ending: Ending
    producer: Literal["direct", "librdkafka"]
    rx_queues: int
    tx_workers: int

    def settings(self, bootstrap: str) -> Settings:
        config = validate(
            {
                "sources": [self.source],
                "topic": TOPIC,
                "properties": {"bootstrap.servers": bootstrap},
                "producer": self.producer,
                "rx_queues": self.rx_queues,
                "tx_workers": self.tx_workers,
                "tx_ring": 256,
                "buffer_memory": 8,
                "drain_timeout": 60,
                "oversubscribe": True,
            }
        )
        machine = plan.Machine.here().without_hugepages()
        return Settings(
            config=config,
            plan=plan.make(config, machine, plan.source_nodes(config), direct=self.producer == "direct"),
            partitions=PARTITIONS,
            value_bytes_max=900_000,
            producer=self.producer,
            batch_bytes_max=1_000_000,
            exclude={},
        )


def all_rounds(file: Path) -> itertools.cycle[Round]:
    """Each source and ending with each producer and number of workers, for ever."""
    memory = {"kind": "memory", "name": "memory", "frame_bytes": 64, "packets": FRAMES}
    endless = {"kind": "device", "name": "net_null0,size=64"}
    kinds: list[tuple[dict[str, Any], Ending]] = [
        (memory, "by itself"),
        ({"kind": "read", "name": str(file)}, "by itself"),
        (endless, "drained"),
        (endless, "at once"),
        (endless, "supervisor gone"),
        ({"kind": "read", "name": str(file.with_name("absent"))}, "never begins"),
    ]
    # Neighbours differ in the producer, so that the warm-up has seen both with every kind.
    return itertools.cycle(
        Round(source, ending, producer, rx_queues, tx_workers)
        for (rx_queues, tx_workers), (source, ending), producer in itertools.product(
            ((1, 1), (2, 1), (1, 2)), kinds, ("direct", "librdkafka")
        )
    )


class Supervisor(threading.Thread):
    """The other end of the channel: asks for the end that the round is to have, and keeps what it is told."""

    def __init__(self, connection: socket.socket, ending: Ending) -> None:
        super().__init__(name="supervisor")
        self._channel = Channel(connection)
        self._connection = connection
        self._ending = ending
        self.told: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        while not self._channel.closed:
            for message in self._channel.receive():
                self.told[message["type"]] = message
                if message["type"] == "started":
                    self._end()

    def _end(self) -> None:
        if self._ending != "at once":
            time.sleep(SOON_S)
        if self._ending in ("drained", "at once"):
            self._channel.send({"stop": 60 if self._ending == "drained" else 0})
        elif self._ending == "supervisor gone":
            self._connection.shutdown(socket.SHUT_WR)


def run(this: Round, bootstrap: str) -> int:
    """Run one round and check it; how many packets were delivered."""
    ours, theirs = socket.socketpair()
    supervisor = Supervisor(ours, this.ending)
    supervisor.start()
    engine = Engine(Channel(theirs), this.settings(bootstrap))
    try:
        engine.run_pipeline()
    except _dataplane.DataplaneError:
        if this.ending != "never begins":
            raise
    finally:
        engine.close()
        theirs.close()
        supervisor.join()
        ours.close()
    if this.ending == "never begins":
        assert "started" not in supervisor.told
        return 0
    report: dict[str, Any] = supervisor.told["final"]["report"]
    assert_identity(report | {"mbufs_missing": supervisor.told["closed"]["mbufs_missing"]})
    kafka = report["kafka"]
    if this.ending != "at once":
        assert (kafka["failed"], kafka["delivered"]) == (0, report["rx"]["out"]), report
    if this.ending == "by itself":
        assert kafka["delivered"] == FRAMES, report
    return int(kafka["delivered"])


def remains() -> dict[str, int]:
    """What this process has now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "anonymous_kib": int(status["RssAnon"].split()[0]),
    }


def main() -> None:
    """Run so many rounds."""
    bootstrap, rounds, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    file = directory / "frames.pcap"
    write_pcap(file, [Frame(i, 64, udp_of_size(64, i)) for i in range(FRAMES)])
    os.environ["RUNTIME_DIRECTORY"] = str(directory)
    control = min(os.sched_getaffinity(0))
    eal = ("--no-telemetry", "--no-shconf", "--log-level=warning", "--no-huge", "-m", str(EAL_MIB), "--no-pci")
    _dataplane.eal_start(["fastcapa", f"--lcores=0@{control}", *eal])
    delivered = 0
    samples: list[dict[str, int]] = []
    for number, this in zip(range(WARM_UP + rounds), all_rounds(file), strict=False):
        try:
            delivered += run(this, bootstrap)
        except BaseException as error:
            error.add_note(f"in round {number}: {this}")
            raise
        if number >= WARM_UP:
            samples.append(remains())
    print(json.dumps({"delivered": delivered, "samples": samples}))


if __name__ == "__main__":
    main()
