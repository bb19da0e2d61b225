"""`fastcapa bench`: the cost of a packet on this machine, per producer and frame size."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcapa import guard
from fastcapa.bench import floor, plan, plot, run
from fastcapa.bench.document import document
from fastcapa.bench.samples import Samples
from fastcapa.bench.sizing.text import print_sizing
from fastcapa.bench.table import print_table
from fastcapa.cli import sizing
from fastcapa.errors import Exit, RunTimeError, UsageError
from fastcapa.kafka import properties as kafka_properties
from fastcapa.kafka import topics
from fastcapa.kafka.embedded import EmbeddedBroker
from fastcapa.kafka.properties import BOOTSTRAP
from fastcapa.log import log
from fastcapa.report.file import check_target, write_report
from fastcapa.signals import Stop, stop_signals

TOPIC = "bench"
BROKER_TIMEOUT_S = 10.0
TABLE_COLUMNS = 160


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "bench",
        description="Send frames from memory through the whole probe into a broker in another process, and tell what "
        "CPU time each delivered packet took. Options with a comma take lists: everything is combined with everything.",
        allow_abbrev=False,
    )
    measured = parser.add_argument_group("what is measured")
    for flag, metavar, default, text in (
        ("--producers", "NAME,...", ",".join(plan.PRODUCERS), "what writes to Kafka"),
        ("--sizes", "BYTES,...", ",".join(map(str, plan.SIZES)), "frame sizes"),
        ("--compression", "NAME,...", "none", f"of the batches: {', '.join(plan.COMPRESSIONS)}"),
        ("--partitions", "N,...", "4", "of the embedded broker's topic"),
    ):
        measured.add_argument(flag, metavar=metavar, help=f"{text} ({default})")
    measured.add_argument(
        "--partition", choices=["sticky", "flow"], default="sticky", help="how one is chosen (sticky)"
    )
    measured.add_argument("--packets", metavar="N", help="of each run (so many that it takes seconds)")
    measured.add_argument("--runs", metavar="N", default="5", help="of each combination, in turn (5)")
    measured.add_argument("--floor", type=Path, metavar="FILE", help="program of bench/floor.c, to measure beside them")
    broker = parser.add_argument_group("Kafka (default: an embedded broker, in another process)")
    kafka_properties.add_arguments(broker)
    sizing.add_arguments(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json", metavar="FILE", help="write medians and plan as JSON; - for standard output, without a table"
    )
    output.add_argument("--plot", type=Path, metavar="FILE.png", help="draw them (needs matplotlib: fastcapa[plot])")
    parser.set_defaults(run=_run)


class _Broker:
    """What the runs send to: a new embedded broker for each, or the user's."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._properties: dict[str, str] | None = None
        self.partitions: list[int]
        if args.brokers is None and args.kafka_config is None and not args.properties:
            if args.topic is not None:
                raise UsageError(f"--topic {args.topic}: the embedded broker has its own; name a broker with --brokers")
            self.topic = TOPIC
            self.partitions = plan.numbers(args.partitions or "4", "--partitions", 1, plan.PARTITIONS_MAX)
            return
        if args.partitions is not None:
            raise UsageError(f"--partitions {args.partitions}: the topic has what it has; leave it out with --brokers")
        self.topic = topics.check_name(args.topic)
        self._properties = guard.load(args)
        for key in ("compression.type", "compression.codec"):
            if key in self._properties:
                raise UsageError(f"Kafka property '{key}': use --compression, which is shown with the results")

    @property
    def embedded(self) -> bool:
        """Whether it is ours."""
        return self._properties is None

    def __str__(self) -> str:
        """Say what it is, for whoever reads the figures later; not where, nor with which credentials."""
        if self._properties is None:
            return "the embedded broker"
        protocol = self._properties.get("security.protocol", "plaintext").lower()
        return f"a broker named by --brokers, security.protocol {protocol}"

    def ask(self) -> None:
        """Find out how many partitions the user's topic has; raise RunTimeError if there is none."""
        if self._properties is not None:
            topic = topics.describe(self._properties, self.topic, BROKER_TIMEOUT_S, create=True)
            self.partitions = [len(topic.partitions)]

    def serve(self, case: plan.Case, partition: str, stop: Stop) -> run.Sample:
        """Run a case. An embedded broker serves one run: what it keeps in memory never adds up."""
        if self._properties is not None:
            return run.run(case, run.Target(self.topic, self._properties, partition), stop, log)
        with EmbeddedBroker(topics={self.topic: case.partitions}) as broker:
            target = run.Target(self.topic, {BOOTSTRAP: broker.bootstrap}, partition)
            return run.run(case, target, stop, log)


def _run(args: argparse.Namespace) -> int:
    """Measure; return 0 if every run delivered every packet."""
    # A plan is for one producer; which of them is better the table says.
    usual = "direct" if args.plan is not None else ",".join(plan.PRODUCERS)
    producers = plan.choices(args.producers or usual, "--producers", plan.PRODUCERS)
    sizes = plan.sizes(args.sizes or ",".join(map(str, plan.SIZES)))
    compressions = plan.choices(args.compression or "none", "--compression", plan.COMPRESSIONS)
    packets = plan.number(args.packets, "--packets", 2**32 - 1) if args.packets is not None else None
    runs = plan.number(args.runs, "--runs", plan.RUNS_MAX)
    request = None
    if args.plan is not None:
        request = sizing.Request(args, producers, compressions)
    else:
        sizing.check_absent(args)
    check_target(args.json, "--json")
    if request is not None and (figures := request.document()) is not None:
        _plan(request, figures, args.json)
        return Exit.DONE
    broker = _Broker(args)
    if args.plot is not None:
        plot.check_installed()
        check_target(str(args.plot), "--plot")
    if args.floor is not None:
        floor.check_program(args.floor)
    broker.ask()
    cases = plan.cases(producers, sizes, compressions, broker.partitions, packets)
    if broker.embedded:
        plan.check(cases, _available_bytes())
    with stop_signals() as stop:
        samples = _measure(cases, runs, broker, args, stop)
    if args.json != "-":
        print_table(samples, _console())
    measured = document(samples, str(broker))
    if request is not None:
        _plan(request, measured, args.json)
    elif args.json is not None:
        write_report(measured, args.json)
    if args.plot is not None:
        plot.plot(samples, args.plot)
    return Exit.DONE


def _console() -> Console:
    # What is no terminal has any width: a table that is cut off says nothing.
    return Console(highlight=False, width=None if sys.stdout.isatty() else TABLE_COLUMNS)


def _plan(request: sizing.Request, measured: dict[str, Any], target: str | None) -> None:
    """Show the plan and write it, with the figures that it is made of."""
    made = request.sizing(measured)
    if target != "-":
        print_sizing(made, _console())
    if target is not None:
        write_report(measured | {"plan": made.document()}, target)


def _available_bytes() -> int:
    """Return what the kernel could give without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _measure(cases: list[plan.Case], runs: int, broker: _Broker, args: argparse.Namespace, stop: Stop) -> Samples:
    samples = Samples(cases={case: [] for case in cases})
    say: Callable[[str], None] = log if sys.stderr.isatty() else lambda _: None
    for number, case in plan.rounds(cases, runs):
        sample = broker.serve(case, args.partition, stop)
        samples.cases[case].append(sample)
        say(f"run {number + 1} of {runs}: {case}: {sample.cpu_ns:,.0f} ns/packet")
        floors = samples.floors.setdefault(case.frame_bytes, []) if args.floor is not None else None
        if floors is not None and len(floors) == number:
            floors.append(floor.measure(args.floor, case.frame_bytes, _floor_packets(cases, case)))
    if stop.requested():
        raise RunTimeError("bench: interrupted")
    return samples


def _floor_packets(cases: list[plan.Case], beside: plan.Case) -> int:
    return max(case.packets for case in cases if case.frame_bytes == beside.frame_bytes)
