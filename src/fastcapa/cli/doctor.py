"""`fastcapa doctor`: what this host lacks for the job, each finding with the command that mends it."""

import argparse
import dataclasses
import json
from collections.abc import Iterator

from fastcapa import guard
from fastcapa.config import CaptureConfig, SourceKind, validate
from fastcapa.devargs import is_pci
from fastcapa.doctor import host, kafka, sources
from fastcapa.doctor.finding import Finding, Severity
from fastcapa.errors import Exit, RunTimeError
from fastcapa.host import interfaces
from fastcapa.kafka import properties
from fastcapa.kafka.topics import check_name
from fastcapa.plan import Machine

SCHEMA = 1


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        description="Look at the host, and at the interfaces, devices, brokers and topic that are named."
        " Changes nothing. Exit code 1 if capture cannot work.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="as JSON, schema 1 (see README.md)")
    group = parser.add_argument_group("sources")
    group.add_argument("-i", "--interface", action="append", default=[], metavar="IF", help="kernel interface")
    group.add_argument("--device", action="append", default=[], metavar="DEVARGS", help="DPDK device")
    group.add_argument("--rx-queues", type=int, default=1, metavar="N", help="rx queues of each source (1)")
    group.add_argument("--tx-workers", type=int, default=1, metavar="N", help="tx workers per ring (1)")
    properties.add_arguments(parser.add_argument_group("Kafka"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them keeps a capture from working."""
    wants_kafka = bool(args.brokers or args.topic or args.properties or args.kafka_config)
    kafka_properties = guard.load(args) if wants_kafka else None
    if args.topic is not None:
        check_name(args.topic)
    config = _configuration(args)
    findings = [*_local(args, config)]
    if kafka_properties is not None:
        queues = max(1, len(args.interface) + len(args.device)) * args.rx_queues
        findings += kafka.examine(kafka_properties, args.topic, queues * args.tx_workers)
    works = all(finding.severity is not Severity.BLOCKS for finding in findings)
    if args.json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"schema": SCHEMA, "works": works, "findings": rows}, indent=1))
    else:
        _print(findings, works)
    return Exit.DONE if works else Exit.RUN_TIME_FAILURE


def _configuration(args: argparse.Namespace) -> CaptureConfig | None:
    """Return the configuration of a capture from these sources, None without any; raise UsageError."""
    named = [(SourceKind.INTERFACE, name) for name in args.interface]
    named += [(SourceKind.DEVICE, name) for name in args.device]
    # Without sources the options are checked on one that needs not be there.
    config = validate(
        {
            "sources": [{"kind": kind, "name": name} for kind, name in named or [(SourceKind.INTERFACE, "any")]],
            "topic": "any",
            "properties": {},
            "rx_queues": args.rx_queues,
            "tx_workers": args.tx_workers,
        }
    )
    return config if named else None


def _local(args: argparse.Namespace, config: CaptureConfig | None) -> Iterator[Finding]:
    purpose = host.Purpose(
        interfaces=bool(args.interface),
        nics=any(is_pci(name) for name in args.device),
        vfio=any(sources.needs_vfio(name) for name in args.device),
    )
    yield from host.examine(host.Host(), purpose)
    if args.interface:
        try:
            known = interfaces.find()
        except OSError as error:
            raise RunTimeError(f"the kernel does not list its interfaces (netlink): {error.strerror}") from None
        for name in args.interface:
            yield from sources.interface(name, known)
    for name in args.device:
        yield from sources.device(name)
    if config is not None:
        yield from sources.placement(config, Machine.here())


def _print(findings: list[Finding], works: bool) -> None:
    for finding in findings:
        print(f"{finding.severity.value:<8} {finding.area:<10} {finding.text}")
        if finding.remedy is not None:
            print(f"{'':<19} -> {finding.remedy}")
    counts = ", ".join(
        f"{count} {severity.value}"
        for severity in Severity
        if (count := sum(finding.severity is severity for finding in findings))
    )
    print(f"{counts}: " + ("capture can work" if works else "capture cannot work"))
