"""The part of `fastcapa bench` that plans for a given traffic: `--plan 10G --mean-frame 800`."""

import argparse
from pathlib import Path
from typing import Any

from fastcapa.bench import plan
from fastcapa.bench.sizing import traffic
from fastcapa.bench.sizing.brokers import Terms
from fastcapa.bench.sizing.figures import choose, load
from fastcapa.bench.sizing.plan import Sizing, size
from fastcapa.bench.sizing.wish import Wish
from fastcapa.errors import UsageError
from fastcapa.plan.machine import Machine

# Options, what they take, their default and what they mean. `None`: none, they have to be given.
_OPTIONS = (
    ("--mean-frame", "BYTES", None, "mean frame of that traffic, 60 to 9216, without its check sequence"),
    ("--figures", "FILE", None, "figures from a file that --json wrote, instead of measuring"),
    ("--imbalance", "FACTOR", "1.5", "what the busiest queue gets over the mean"),
    ("--stall", "S", "1", "for how long Kafka may take nothing without a loss"),
    ("--replication", "N", "3", "replicas of the topic"),
    ("--readers", "N", "1", "consumers that each read everything"),
    ("--broker-link", "BITS/S", "10G", "network of a broker, each direction"),
    ("--broker-disk", "BYTES/S", "500M", "what a broker's disks write"),
    ("--compression-ratio", "FACTOR", "1", "how many times smaller your frames become"),
)
# What only measuring has a use for.
_MEASURING = ("sizes", "packets", "floor", "plot", "brokers", "topic", "kafka_config", "properties")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "planning for a traffic (with one producer, compression and number of partitions)"
    )
    group.add_argument(
        "--plan",
        metavar="BITS/S",
        help="what that many bits a second on the wire need, such as 10G: CPUs, memory, Kafka",
    )
    for flag, metavar, default, text in _OPTIONS:
        shown = f"{text} ({default})" if default else text
        group.add_argument(flag, metavar=metavar, type=Path if flag == "--figures" else str, help=shown)


class Request:
    """What the options ask for, checked before anything is measured."""

    def __init__(self, args: argparse.Namespace, producers: list[str], compressions: list[str]) -> None:
        """Raise UsageError for what is wrong with them."""
        for option, chosen in (("--producers", producers), ("--compression", compressions)):
            if len(chosen) > 1:
                raise UsageError(f"{option} {','.join(chosen)}: --plan is for one of them; name it")
        if args.mean_frame is None:
            raise UsageError(
                "--plan needs --mean-frame BYTES: a packet's cost hardly depends on its size, their number does"
            )
        self._compression = compressions[0]
        self._figures: Path | None = args.figures
        self._partitions = None
        if args.partitions is not None:
            self._partitions = [plan.number(args.partitions, "--partitions", plan.PARTITIONS_MAX)]
        values = {flag: getattr(args, _name(flag)) for flag, *_ in _OPTIONS}
        given = frozenset(flag for flag, value in values.items() if value is not None)
        text = {flag: values[flag] or default or "" for flag, _, default, _ in _OPTIONS}
        self._wish = Wish(
            traffic=traffic.Traffic(
                traffic.rate(args.plan, "--plan", "bits a second"), traffic.frame(args.mean_frame, "--mean-frame")
            ),
            producer=producers[0],
            imbalance=traffic.decimal(text["--imbalance"], "--imbalance", 1, 64),
            stall_s=traffic.decimal(text["--stall"], "--stall", 0, 3600),
            terms=Terms(
                replication=plan.number(text["--replication"], "--replication", 16),
                link_bits_per_s=traffic.rate(text["--broker-link"], "--broker-link", "bits a second"),
                disk_bytes_per_s=traffic.rate(text["--broker-disk"], "--broker-disk", "bytes a second"),
                compression_ratio=traffic.decimal(text["--compression-ratio"], "--compression-ratio", 1, 1000),
                readers=plan.number(text["--readers"], "--readers", 1000, low=0),
            ),
            given=given,
        )
        if self._compression == "none" and self._wish.terms.compression_ratio != 1:
            raise UsageError(
                f"--compression-ratio {args.compression_ratio}: nothing is compressed; add --compression lz4 or zstd"
            )
        if self._figures is not None:
            for name in _MEASURING:
                if getattr(args, name):
                    raise UsageError(f"--{name.replace('_', '-')} is for measuring; leave it or --figures out")
            # Now, not after the measurement of something else.
            self.sizing(load(self._figures))

    def document(self) -> dict[str, Any] | None:
        """Return what --figures has, None if it has to be measured."""
        return None if self._figures is None else load(self._figures)

    def sizing(self, document: dict[str, Any]) -> Sizing:
        """Return the plan; raise as size() and choose() do."""
        origin = "--plan" if self._figures is None else f"--figures {self._figures}"
        figures = choose(document, self._wish.producer, self._compression, self._partitions, origin)
        return size(self._wish, figures, len(Machine.here().cpus))


def check_absent(args: argparse.Namespace) -> None:
    """Raise UsageError for options of planning without --plan."""
    for flag, *_ in _OPTIONS:
        if getattr(args, _name(flag)) is not None:
            raise UsageError(f"{flag} is of no use without --plan BITS/S")


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
