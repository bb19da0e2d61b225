"""Both producers into Apache Kafka, in the clear and over TLS, and what the broker takes of the CPUs: see README.md.

PYTHONPATH=tests .venv/bin/python bench/real_kafka.py [--runs 5] [--packets N] [--json FILE]
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from support import topics
from support.brokers import Cluster, broker
from support.certificates import Authority

from fastcapa.bench.plan import Case, rounds
from fastcapa.bench.run import NS, Sample, Target, run
from fastcapa.signals import Stop

SIZES = (64, 512, 1500)
PRODUCERS = ("librdkafka", "direct")
PARTITIONS = 4
# What a partition keeps: else a long benchmark would fill the disk.
KEPT_BYTES = str(64 << 20)


@dataclass(frozen=True)
class Figures:
    """One run: the probe's cost, and the broker's CPU time per packet."""

    probe: Sample
    broker_cpu_ns: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(cluster: Cluster, target: Target, case: Case) -> Figures:
    """Run the probe once. What the broker does after the last acknowledgement (its flush, its cleaner) is not in it."""
    (pid,) = (node.process.pid for node in cluster.nodes if node.process is not None)
    before = cpu_seconds(pid)
    sample = run(case, target, Stop(), print)
    return Figures(sample, (cpu_seconds(pid) - before) * NS / case.packets)


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--packets", type=int, default=500_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fastcapa-bench-") as name:
        directory = Path(name)
        authority = Authority(directory / "authority")
        config = {
            "listener.name.tls.ssl.keystore.type": "PEM",
            "listener.name.tls.ssl.keystore.location": str(authority.issue("broker", alternative="IP:127.0.0.1")),
        }
        with broker(directory / "kafka", config=config, listeners={"TLS": "SSL"}) as cluster:
            tls = {"security.protocol": "SSL", "ssl.ca.location": str(authority.certificate)}
            properties = {
                "plain": {"bootstrap.servers": cluster.bootstrap},
                "TLS": {"bootstrap.servers": cluster.address("TLS"), **tls},
            }
            figures = compare(cluster, properties, args.runs, args.packets)
    show(figures)
    if args.json is not None:
        args.json.write_text(json.dumps({" ".join(map(str, key)): document(runs) for key, runs in figures.items()}))


def compare(
    cluster: Cluster, properties: dict[str, dict[str, str]], runs: int, packets: int
) -> dict[tuple[int, str, str], list[Figures]]:
    """Return the runs of each frame size, listener and producer, which take turns; on a warm broker."""
    topic = topics.create(cluster.bootstrap, PARTITIONS, retention_bytes=KEPT_BYTES, segment_bytes=KEPT_BYTES)
    cases = [Case(producer, size, "none", PARTITIONS, packets) for size in SIZES for producer in PRODUCERS]
    for case in cases:  # the JVM compiles what is hot
        measure(cluster, Target(topic, properties["plain"], "sticky"), case)
        measure(cluster, Target(topic, properties["TLS"], "sticky"), case)
    figures: dict[tuple[int, str, str], list[Figures]] = {}
    for (_, case), listener in itertools.product(rounds(cases, runs), properties):
        time.sleep(0.5)  # the broker's work for the last one ends
        key = (case.frame_bytes, listener, case.producer)
        figures.setdefault(key, []).append(measure(cluster, Target(topic, properties[listener], "sticky"), case))
    return figures


def document(runs: list[Figures]) -> dict[str, float]:
    """Return medians."""
    return {
        "packets_per_s": statistics.median(figure.probe.packets_per_s for figure in runs),
        "cpu_ns_per_packet": statistics.median(figure.probe.cpu_ns for figure in runs),
        "tx_cpu_ns_per_packet": statistics.median(figure.probe.tx_cpu_ns for figure in runs),
        "broker_cpu_ns_per_packet": statistics.median(figure.broker_cpu_ns for figure in runs),
    }


def show(figures: dict[tuple[int, str, str], list[Figures]]) -> None:
    """Print the table."""
    table = Table("bytes", "listener", "producer", "packets/s", "probe CPU ns", "tx CPU ns", "broker CPU ns")
    for key, runs in sorted(figures.items()):
        table.add_row(*map(str, key), *(f"{value:,.0f}" for value in document(runs).values()))
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
