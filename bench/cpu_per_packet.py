"""CPU of the whole probe per delivered packet: supervisor and engine, all threads, user and system time.

A capture file in memory goes through `fastcapa capture` into librdkafka's mock cluster in another process. A run of an
empty file is measured beside it: the start of two Python processes and of DPDK, which is taken off. Frame sizes take
turns, so that a machine that slows down slows them all; medians are printed.

    .venv/bin/python bench/cpu_per_packet.py [--runs 5] [--json FILE]
"""

import argparse
import json
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fastcapa.kafka.embedded import EmbeddedBroker

PACKETS = {64: 2_000_000, 512: 1_000_000, 1500: 500_000}
# Apache Metron's fastcapa, repaired, on a machine like ours; measured at 60 and 512 bytes.
PREDECESSOR_NS = {64: 2_400, 512: 3_700}
MEMORY = Path("/dev/shm")  # noqa: S108 -- memory, as long as there is some; a disk would be measured too


def write_file(path: Path, size: int, packets: int) -> None:
    """Write a pcap file of `packets` frames of `size` bytes, each with its number."""
    start = int(time.time())
    padding = bytes(range(256)) * (size // 256 + 1)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number in range(packets):
            head = struct.pack("<IIII", start + number // 1_000_000, number % 1_000_000, size, size)
            file.write(head + struct.pack(">Q", number) + padding[: size - 8])


def run(bootstrap: str, file: Path, expected: int) -> tuple[float, float, dict[str, Any]]:
    """Return CPU seconds, wall seconds and the report of one capture of `file`."""
    command = [sys.executable, "-m", "fastcapa", "capture", "-b", bootstrap, "-t", "bench", "-r", str(file)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = subprocess.run(
        [*command, "--oversubscribe", "--report", "-"], capture_output=True, text=True, check=True, timeout=300
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(result.stdout)
    if report["kafka"]["delivered"] != expected or report["unaccounted"] != 0:
        raise SystemExit(f"delivered {report['kafka']['delivered']} of {expected}: the figures would mean nothing")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, report


def busy_ns(report: dict[str, Any], role: str, packets: int, seconds_per_cycle: float) -> float:
    """Return the busy time of the workers of a role per packet."""
    cycles: int = sum(w["busy_cycles"] for w in report["workers"] if w["role"] == role)
    return cycles * seconds_per_cycle * 1e9 / packets


def measure(runs: int) -> list[dict[str, Any]]:
    """Run everything and return a row per frame size."""
    samples: dict[int, list[tuple[float, float, float, float]]] = {size: [] for size in PACKETS}
    directory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=directory) as place, EmbeddedBroker() as broker:
        files = {size: Path(place) / f"{size}.pcap" for size in PACKETS}
        for size, packets in PACKETS.items():
            write_file(files[size], size, packets)
        empty = Path(place) / "empty.pcap"
        write_file(empty, 64, 0)
        for number in range(runs + 1):
            idle, _, _ = run(broker.bootstrap, empty, 0)
            for size, packets in PACKETS.items():
                cpu, _, report = run(broker.bootstrap, files[size], packets)
                if number == 0:
                    continue  # warms caches and pages
                tx = next(w for w in report["workers"] if w["role"] == "tx")
                seconds_per_cycle = report["seconds"] / tx["total_cycles"]
                row = [(cpu - idle) / packets * 1e9]
                row += [busy_ns(report, role, packets, seconds_per_cycle) for role in ("rx", "tx")]
                samples[size].append((row[0], row[1], row[2], packets / report["seconds"]))
    return [
        {
            "producer": "librdkafka",
            "frame_bytes": size,
            "packets": PACKETS[size],
            "runs": runs,
            "cpu_ns_per_packet": statistics.median(s[0] for s in samples[size]),
            "cpu_ns_min": min(s[0] for s in samples[size]),
            "cpu_ns_max": max(s[0] for s in samples[size]),
            "rx_busy_ns_per_packet": statistics.median(s[1] for s in samples[size]),
            "tx_busy_ns_per_packet": statistics.median(s[2] for s in samples[size]),
            "packets_per_s": statistics.median(s[3] for s in samples[size]),
        }
        for size in PACKETS
    ]


def main() -> None:
    """Measure and print a table, or JSON as well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    rows = measure(args.runs)
    print("bytes   CPU ns/packet (min - max)   rx busy   tx busy   packets/s   predecessor ns")
    for row in rows:
        spread = f"({row['cpu_ns_min']:.0f} - {row['cpu_ns_max']:.0f})"
        busy = f"{row['rx_busy_ns_per_packet']:9.0f} {row['tx_busy_ns_per_packet']:9.0f}"
        predecessor = PREDECESSOR_NS.get(row["frame_bytes"], "not measured")
        print(
            f"{row['frame_bytes']:5} {row['cpu_ns_per_packet']:8.0f} {spread:>17} {busy}"
            f" {row['packets_per_s']:11,.0f}   {predecessor}"
        )
    if args.json:
        args.json.write_text(json.dumps({"schema": 1, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
