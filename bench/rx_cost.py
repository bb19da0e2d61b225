"""What receiving a packet costs, per source, beside tcpdump and testpmd in the same run: see README.md.

As root, for the network namespace, with dpdk-testpmd, tcpdump and trafgen installed:

    PYTHONPATH=tests .venv/bin/python bench/rx_cost.py [--runs 5] [--seconds 2] [--json FILE]
"""

import argparse
import json
import re
import shutil
import signal
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support.frames import udp_of_size
from support.netns import Namespace, namespace

from fastcapa import plan
from fastcapa.channel import Settings
from fastcapa.config import SourceKind, validate
from fastcapa.kafka.embedded import EmbeddedBroker
from fastcapa.signals import Stop
from fastcapa.stats import Report
from fastcapa.supervisor import Supervisor

SIZES = (64, 1500)
MEMORY = Path("/dev/shm")  # noqa: S108 -- memory: a disk would be measured too
TOPIC = "rx-cost"
FLOWS = 64
# Packets of a run, by source, for each second that it should take; a kernel interface gets what trafgen sends.
RATE = {"file": {64: 1_500_000, 1500: 400_000}, "memory": {64: 4_000_000, 1500: 4_000_000}}
RATE |= {"net_null": {64: 4_000_000, 1500: 4_000_000}, "interface": {64: 250_000, 1500: 200_000}}
QUIET_S = 0.5
RING_MB = 32  # of the kernel, for the probe and for tcpdump

Row = dict[str, float]


def probe(source: dict[str, Any], count: int, on_start: Callable[[Stop], None] | None = None) -> Row:
    """Run the probe on a source; return the rx worker's cost, ns per packet.

    No frame is small enough for the topic of this run: the tx worker takes each packet from the ring, refuses it and
    frees it. That is what it does for any packet as far as the rx worker sees, and takes the least of the CPU.
    """
    stop = Stop()

    def log(text: str, *_: object) -> None:
        if text.startswith("timestamps of") and on_start is not None:
            threading.Thread(target=on_start, args=(stop,)).start()

    with EmbeddedBroker(topics={TOPIC: 1}) as broker:
        config = validate(
            {
                "sources": [source],
                "topic": TOPIC,
                "properties": {"bootstrap.servers": broker.bootstrap},
                "producer": "librdkafka",
                "count": count,
                "rx_buffer_mb": RING_MB,
                "oversubscribe": True,
            }
        )
        the_plan = plan.make(config, plan.Machine.here())
        settings = Settings(
            config=config,
            plan=the_plan,
            partitions=1,
            value_bytes_max=0,
            producer="librdkafka",
            batch_bytes_max=0,
            exclude={},
        )
        outcome = Supervisor(settings, log).run(stop)
    return row_of(outcome.report)


def row_of(report: Report) -> Row:
    """Return the rx worker's figures; fail unless every packet is accounted for."""
    rx, packets = report["rx"], report["rx"]["in"]
    if report["unaccounted"] or report["mbufs_missing"] or report["tx"]["refused"] != rx["out"] or not packets:
        raise SystemExit(f"the counters do not add up: {json.dumps(report)}")
    (worker,) = (worker for worker in report["workers"] if worker["role"] == "rx")
    return {
        "busy_ns": worker["busy_cycles"] / report["cost"]["cycles_per_second"] * 1e9 / packets,
        "cpu_ns": worker["cpu_time_ns"] / packets,
        "packets": packets,
        "lost": (rx["ring_full_drops"] + report["source"]["missed"]) / report["source"]["in"],
    }


def file_source(size: int, count: int) -> Row:
    """Measure a capture file in memory."""
    with tempfile.NamedTemporaryFile(dir=MEMORY if MEMORY.is_dir() else None, suffix=".pcap") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        frames = [udp_of_size(size, number, flow=number % FLOWS) for number in range(FLOWS)]
        start = int(time.time())
        for number in range(count):
            file.write(struct.pack("<IIII", start + number // 10**6, number % 10**6, size, size))
            file.write(frames[number % FLOWS])
        file.flush()
        return probe({"kind": SourceKind.FILE, "name": file.name}, 0)


def interface_source(network: Namespace, size: int, count: int) -> Row:
    """Measure a veth, with trafgen at its other end."""

    def send(stop: Stop) -> None:
        network.generate(count, [size], flows=FLOWS)
        time.sleep(QUIET_S)
        stop(signal.SIGTERM, None)

    with network.entered():
        return probe({"kind": SourceKind.INTERFACE, "name": network.capture}, 0, send)


def tcpdump(network: Namespace, size: int, count: int) -> Row:
    """Measure `tcpdump -w /dev/null` on the same veth, from its first packet on: CPU time of the process."""
    command = [*network.prefix, "tcpdump", "-i", network.capture, "-w", "/dev/null", "-Z", "root"]
    with subprocess.Popen([*command, "-B", str(RING_MB << 10)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101 -- a pipe, as asked for
        while "listening on" not in (line := process.stderr.readline()):
            if not line:
                raise SystemExit("tcpdump did not start")
        # `ip netns exec` has become tcpdump. Its first figure: ns on a CPU (Documentation/scheduler/sched-stats).
        schedstat = Path(f"/proc/{process.pid}/schedstat")
        before = int(schedstat.read_text().split()[0])
        network.generate(count, [size], flows=FLOWS)
        time.sleep(QUIET_S)
        used = int(schedstat.read_text().split()[0]) - before
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
    captured, dropped = (int(re.search(rf"(\d+) packets {what}", words)[1]) for what in ("captured", "dropped"))  # type: ignore[index]
    return {"cpu_ns": used / captured, "packets": captured, "lost": dropped / (captured + dropped)}


def testpmd(size: int, seconds: float) -> Row:
    """Measure DPDK's testpmd in rxonly mode on net_null: cycles of its core per packet, as it counts them."""
    command = [
        "dpdk-testpmd",
        "--lcores=0@0,1@1",
        "--no-huge",
        "-m",
        "256",
        "--no-pci",
        "--no-telemetry",
        "--no-shconf",
    ]
    command += [f"--vdev=net_null0,size={size}", "--", "--forward-mode=rxonly", "--record-core-cycles", "--auto-start"]
    command += ["--total-num-mbufs=8192"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        time.sleep(seconds + 1)  # it takes a second to start
        words, _ = process.communicate("\n")
    found = re.search(r"CPU cycles/packet=([\d.]+) .* packets=(\d+)\) at (\d+) MHz", words)
    if found is None:
        raise SystemExit(f"testpmd: no figure in what it says:\n{words}")
    return {"busy_ns": float(found[1]) / int(found[3]) * 1e3, "packets": int(found[2]), "lost": 0}


@contextmanager
def measurements(seconds: float) -> Iterator[dict[str, Callable[[int], Row]]]:
    """Yield what there is to measure, each taking a frame size."""

    def count(source: str, size: int) -> int:
        return int(RATE[source][size] * seconds)

    def memory(size: int) -> Row:
        packets = count("memory", size)
        return probe({"kind": SourceKind.MEMORY, "name": "memory", "frame_bytes": size, "packets": packets}, 0)

    def null(size: int) -> Row:
        return probe({"kind": SourceKind.DEVICE, "name": f"net_null0,size={size}"}, count("net_null", size))

    with namespace() as network:
        yield {
            "file": lambda size: file_source(size, count("file", size)),
            "interface": lambda size: interface_source(network, size, count("interface", size)),
            "tcpdump -w /dev/null": lambda size: tcpdump(network, size, count("interface", size)),
            "net_null": null,
            "testpmd rxonly, net_null": lambda size: testpmd(size, seconds),
            "memory (of bench)": memory,
        }


def medians(rows: list[Row]) -> Row:
    """Return the median of each figure."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def print_table(results: dict[tuple[str, int], Row], console: Console) -> None:
    """Print a row per source and size."""
    table = Table(title="receiving, ns per packet, medians", title_justify="left")
    for heading in ("source", "bytes", "busy", "CPU", "packets", "lost"):
        table.add_column(heading, justify="left" if heading == "source" else "right", no_wrap=True)
    for (name, size), row in results.items():
        figures = [f"{row[key]:.0f}" if key in row else "-" for key in ("busy_ns", "cpu_ns")]
        table.add_row(name, str(size), *figures, f"{row['packets']:,.0f}", f"{row['lost']:.1%}")
    console.print(table)


def main() -> None:
    """Measure in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="that a run takes, roughly")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    for program in ("dpdk-testpmd", "tcpdump", "trafgen"):
        if shutil.which(program) is None:
            raise SystemExit(f"no {program}; apt-get install dpdk-dev tcpdump netsniff-ng")
    samples: dict[tuple[str, int], list[Row]] = {}
    with measurements(args.seconds) as measured:
        for _ in range(args.runs):
            for size in SIZES:
                for name, measure in measured.items():
                    samples.setdefault((name, size), []).append(measure(size))
    results = {key: medians(rows) for key, rows in samples.items()}
    print_table(results, Console(highlight=False, width=100))
    if args.json:
        rows = [{"source": name, "frame_bytes": size, "runs": args.runs} | row for (name, size), row in results.items()]
        args.json.write_text(json.dumps({"schema": 1, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
