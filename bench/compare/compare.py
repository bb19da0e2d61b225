"""This probe, tcpdump with kcat, and a libpcap loop in Python, side by side: see ../README.md, "Beside others".

As root, for the network namespace: `make compare`, which installs what is compared with, or

    PYTHONPATH=tests .venv/bin/python bench/compare/compare.py --python build/compare/bin/python [--runs 3]
"""

import argparse
import itertools
import json
import shutil
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition
from kafka.admin import KafkaAdminClient
from outcome import DELIMITER, Outcome, Reading, medians
from pipelines import Pipeline, Running, pipelines
from rich.console import Console
from rich.table import Table
from support import topics
from support.brokers import broker
from support.netns import Namespace, namespace, unused_address

SIZES = (64, 512, 1500)
# Packets a second. 0 would be as fast as the generator goes: that depends on what the tool leaves of the CPUs, so it is
# not the same load for all.
RATES = (20_000, 100_000)
UNPACED = 200_000  # about what it does then, to give the runs a length
FLOWS = 64
PARTITIONS = 4
QUIET_S = 1.0
READ_S = 120.0
WARM_UP = 20_000

Load = tuple[int, int]
"""Frame size and rate."""


def run(pipeline: Pipeline, inside: Namespace, bootstrap: str, load: Load, count: int) -> Outcome:
    """Offer `count` frames to a tool, wait until it has ended, and read what is in Kafka."""
    size, rate = load
    topic = topics.create(bootstrap, PARTITIONS, file_delete_delay_ms="1000")
    running = Running(pipeline, inside, bootstrap, topic)
    try:
        began = time.monotonic()
        inside.generate(count, (size,), flows=FLOWS, rate=rate or None, tail=DELIMITER)
        seconds = time.monotonic() - began
        time.sleep(QUIET_S)  # the last of them are with the tool
        told, cpu_seconds = running.end()
    except BaseException:
        running.kill()
        raise
    reading = read(bootstrap, topic, pipeline, Reading(count, size))
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_topics([topic])
    admin.close()
    return Outcome(count, seconds, reading.delivered, told, cpu_seconds, reading.twice, reading.others)


def read(bootstrap: str, topic: str, pipeline: Pipeline, reading: Reading) -> Reading:
    """Count what a topic has, to the end of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "compare",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    deadline, ends = time.monotonic() + READ_S, 0
    while ends < PARTITIONS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{topic} was not read in {READ_S} s")
        for message in consumer.consume(10_000, timeout=1):
            error = message.error()
            if error is None:
                pipeline.take(reading, message.value() or b"")
            elif error.code() == KafkaError._PARTITION_EOF:
                ends += 1
            else:
                raise RuntimeError(str(error))
    consumer.close()
    return reading


def print_table(results: dict[tuple[Load, str], dict[str, float | None]], console: Console) -> None:
    """Print a row per load and tool."""
    table = Table("bytes", "wanted/s", "tool", "offered/s", "offered", "delivered", "lost", "it says", "CPU ns/packet")
    for ((size, rate), name), row in results.items():
        cpu, told = row["cpu_ns_per_packet"], row["lost_told"]
        share = 100 * (row["lost"] or 0) / (row["offered"] or 1)
        table.add_row(
            str(size),
            f"{rate:,}" if rate else "all it can",
            name,
            f"{row['offered_per_s']:,.0f}",
            f"{row['offered']:,.0f}",
            f"{row['delivered']:,.0f}",
            f"{row['lost']:,.0f} ({share:.1f} %)" if row["lost"] else "0",
            "-" if told is None else f"{told:,.0f}",
            "-" if cpu is None else f"{cpu:,.0f}",
        )
        if row["twice"] or row["others"]:
            table.add_row("", "", f"  {row['twice']:.0f} messages twice, {row['others']:.0f} no frame of ours")
    console.print(table)


def main() -> None:
    """Compare, and print medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--python", type=Path, required=True, help="of the environment with pcapy-ng and confluent-kafka"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of traffic in each run")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="BYTES")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="N", help="packets/s; 0: unpaced")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    for program, package in (("tcpdump", "tcpdump"), ("kcat", "kcat"), ("trafgen", "netsniff-ng")):
        if shutil.which(program) is None:
            raise SystemExit(f"no {program}; apt-get install {package}")
    tools = pipelines(args.python)
    samples: dict[tuple[Load, str], list[Outcome]] = {}
    address = unused_address()
    with (
        tempfile.TemporaryDirectory(prefix="fastcapa-compare-") as directory,
        namespace(address=address) as inside,
        broker(Path(directory), host=address) as cluster,
    ):
        bootstrap = cluster.bootstrap
        for tool in tools:  # the JVM compiles what is hot
            run(tool, inside, bootstrap, (512, 0), WARM_UP)
        for number, load in itertools.product(range(args.runs), itertools.product(args.sizes, args.rates)):
            # In turn, and the next time the other way round: a machine that gets slower slows all of them.
            for tool in tools if number % 2 == 0 else reversed(tools):
                count = int((load[1] or UNPACED) * args.seconds)
                outcome = run(tool, inside, bootstrap, load, count)
                samples.setdefault((load, tool.name), []).append(outcome)
                print(f"{number + 1}: {load[0]} bytes, {load[1]}/s, {tool.name}: {outcome}", flush=True)
    order = [((size, rate), tool.name) for size in args.sizes for rate in args.rates for tool in tools]
    results = {key: medians(samples[key]) for key in order}
    print_table(results, Console(highlight=False, width=130))
    if args.json:
        rows = [
            {"frame_bytes": size, "rate": rate, "tool": name} | row for ((size, rate), name), row in results.items()
        ]
        args.json.write_text(json.dumps({"schema": 1, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
