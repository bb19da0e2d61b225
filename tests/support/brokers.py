"""Apache Kafka for one test or many: started where the machine has it, stopped and cleared away."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# `make kafka-up` runs that directory as a program, so its modules are not in a package.
sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "kafka"))

from cluster import Cluster
from errors import KafkaToolError

from support.need import need

__all__ = ["Cluster", "broker", "frozen"]


@contextmanager
def broker(
    directory: Path,
    *,
    nodes: int = 1,
    host: str = "127.0.0.1",
    config: Mapping[str, str] | None = None,
    listeners: Mapping[str, str] | None = None,
    advertised: Mapping[str, Sequence[int]] | None = None,
    version: str | None = None,
    prefix_command: Sequence[str] = (),
) -> Iterator[Cluster]:
    """One node or three. Start it from the main thread: it dies with the thread that started it."""
    need(shutil.which("java"), "no Java; apt-get install default-jre-headless")
    cluster = Cluster(
        directory,
        nodes=nodes,
        host=host,
        config=config,
        listeners=listeners,
        advertised=advertised,
        version=version,
        prefix_command=prefix_command,
    )
    try:
        cluster.start()
    except KafkaToolError as error:
        need(False, f"no Kafka: {error}")
    try:
        yield cluster
    finally:
        cluster.stop()
        for node in cluster.nodes:  # pytest keeps the directories of three sessions: keep logs, not gigabytes
            shutil.rmtree(node.directory / "data", ignore_errors=True)


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """Inside, the broker's connections are open and nothing answers."""
    cluster.pause(1)
    try:
        yield
    finally:
        cluster.resume(1)
