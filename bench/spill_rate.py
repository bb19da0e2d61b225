"""How fast the direct producer writes to --spill while Kafka is away, and delivers that afterwards: docs/spill.md.

    .venv/bin/python bench/spill_rate.py --directory DIR [--gigabytes 2] [--runs 3]

Frames come from memory as fast as they are taken, and the embedded broker is gone before the first are sent. DIR is
on the disk to be measured; what is written there is removed again.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastcapa.capture import Capture
from fastcapa.config import validate
from fastcapa.kafka.embedded import EmbeddedBroker
from fastcapa.log import Level
from fastcapa.signals import Stop
from fastcapa.stats import Report

SIZES = (64, 1500)
SYNCS = ("none", "interval", "batch")


def capture(broker: EmbeddedBroker, packets: int, size: int, *, leaves: bool, **values: Any) -> Report:
    """Run the probe; with `leaves` the broker goes away as soon as it has started."""
    source = {"kind": "memory", "name": "memory", "frame_bytes": size, "packets": packets}
    properties = {"bootstrap.servers": broker.bootstrap}
    config = validate({"sources": [source], "topic": "t", "properties": properties, "oversubscribe": True, **values})

    def log(text: str, _: Level = Level.INFO, /) -> None:
        if leaves and text.startswith("timestamps of"):
            threading.Thread(target=broker.__exit__, args=(None, None, None)).start()

    return Capture(config, log).run(Stop()).report


def measure(directory: Path, size: int, sync: str, wanted: int) -> tuple[float, float]:
    """Return frames a second: written while Kafka is away, delivered after it is back."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        spill = {"spill": f"{name}/spill", "spill_max": 8 * wanted, "spill_sync": sync}
        packets = wanted // size
        away = capture(EmbeddedBroker().__enter__(), packets, size, leaves=True, drain_timeout=0, **spill)
        written = away["spill"]["written"]
        with EmbeddedBroker() as broker:
            back = capture(broker, 1, size, leaves=False, drain_timeout=600, **spill)
        left = away["kafka"]["spilled"]
        if written < 0.9 * packets or back["kafka"]["delivered"] != left + 1:
            raise SystemExit(
                f"{written} of {packets} frames written, {left} left, {back['kafka']['delivered']} delivered"
            )
        return written / away["seconds"], left / back["cost"]["delivery_seconds"]


def main() -> None:
    """Measure and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    wanted = int(args.gigabytes * 1e9)
    if shutil.disk_usage(args.directory).free < 2 * wanted:
        parser.error(f"--directory {args.directory}: less than {2 * args.gigabytes:g} GB are free")
    table = Table("frame bytes", "--spill-sync", "written", "delivered from there")
    for size in SIZES:
        for sync in SYNCS:
            runs = [measure(args.directory, size, sync, wanted) for _ in range(args.runs)]
            rates = [statistics.median(column) for column in zip(*runs, strict=True)]
            table.add_row(f"{size}", sync, *(f"{rate:,.0f}/s, {rate * size / 1e6:,.0f} MB/s" for rate in rates))
    Console().print(table)


if __name__ == "__main__":
    main()
