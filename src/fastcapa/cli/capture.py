"""`fastcapa capture`: packets from interfaces, devices and files into a Kafka topic."""

import argparse
from functools import partial

from fastcapa import confinement, device_limits, plan, resolved, secret
from fastcapa.capture import Capture, exit_code
from fastcapa.config import CaptureConfig, SourceKind
from fastcapa.configuration.layers import Origins, resolve
from fastcapa.errors import Exit, RunTimeError, UsageError
from fastcapa.guard import guard
from fastcapa.kafka import properties
from fastcapa.log import log
from fastcapa.monitor import Monitor
from fastcapa.monitor.display import display
from fastcapa.monitor.serve import TOKEN_VARIABLE, check_metrics, holds_secrets, serve
from fastcapa.reload import Reload
from fastcapa.report.files import ReportFiles
from fastcapa.report.periodic import periodic_reports
from fastcapa.signals import stop_signals
from fastcapa.stats import closing_lines

EXAMPLES = """\
examples:
  fastcapa capture -i eth1 -b broker:9092 -t pcap
  fastcapa capture -i eth1 -b broker:9092 -t pcap -s 128 udp port 53 or tcp port 53
  fastcapa capture -r trace.pcapng -b broker:9092 -t pcap -X compression.type=zstd
  fastcapa capture --device 0000:3b:00.0 --rx-queues 4 -F kafka.properties -t pcap
  fastcapa capture --config /etc/fastcapa/tap.toml --check
  fastcapa capture --config /etc/fastcapa/tap.toml --report - --duration 60

Ctrl-C drains: what was received is still delivered. Exit codes: 0 done, 1 run-time failure, 2 bad usage or
configuration, before anything starts, 3 --fail-on-loss and something was lost."""


class _AddSource(argparse.Action):
    """Collects sources of all kinds in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Append one source."""
        namespace.sources = [*namespace.sources, {"kind": self.const, "name": str(values)}]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "capture",
        description="Write every packet as one Kafka message: key = microseconds since the epoch, value = the frame.",
        usage="%(prog)s {-i IF | -r FILE | --device DEVARGS} -b HOST:PORT -t TOPIC [OPTION ...] [FILTER ...]",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.set_defaults(sources=[], run=run)
    sources = parser.add_argument_group("sources (at least one)")
    for flags, kind, metavar, text in (
        (["-i", "--interface"], SourceKind.INTERFACE, "IF", "kernel interface"),
        (["-r", "--read"], SourceKind.FILE, "FILE", "capture file, pcap or pcapng"),
        (["--device"], SourceKind.DEVICE, "DEVARGS", "DPDK device: 0000:3b:00.0, net_af_xdp0,iface=eth1, ..."),
    ):
        sources.add_argument(*flags, action=_AddSource, const=kind, dest="sources", metavar=metavar, help=text)
    _add_configuration(parser)
    _add_kafka(parser)
    _add_capture(parser)
    _add_tuning(parser)
    _add_privileges(parser)
    _add_output(parser)
    _add_watching(parser)
    parser.add_argument("filter", nargs="*", metavar="FILTER", help="only packets that match, in pcap-filter(7) words")


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("configuration")
    group.add_argument("--config", metavar="FILE", help="TOML file of the same options; those given here win")
    group.add_argument(
        "--check", action="store_true", help="validate, print the resolved configuration and the plan, start nothing"
    )


def _add_switch(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    """Add an option and its --no-NAME, which switches off what the configuration file switches on."""
    group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=text)


def _add_kafka(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Kafka")
    properties.add_arguments(group)
    group.add_argument("--producer", choices=["auto", "direct", "librdkafka"], help="what writes to Kafka (auto)")
    group.add_argument(
        "--partition",
        choices=["sticky", "flow", "queue", "key"],
        help="batch by batch; by 5-tuple, both directions alike; by rx queue; by key (sticky)",
    )
    group.add_argument("--spill", metavar="DIR", help="keep here on the disk what Kafka does not take in time (off)")
    group.add_argument("--spill-max", metavar="SIZE", help="of the directory, such as 10G (1G)")
    group.add_argument(
        "--spill-sync",
        choices=["none", "interval", "batch"],
        help="force it to the disk: when the kernel likes, once a second, batch by batch (interval)",
    )
    group.add_argument(
        "--drain-timeout", type=float, metavar="S", help="seconds for the rest to be delivered at the end (30)"
    )


def _add_capture(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("capture")
    group.add_argument("-c", "--count", type=int, metavar="N", help="stop after N packets")
    group.add_argument("--duration", type=float, metavar="S", help="stop after S seconds")
    group.add_argument("-s", "--snaplen", type=int, metavar="BYTES", help="cut packets to this (262144)")
    group.add_argument(
        "-p",
        "--no-promiscuous-mode",
        dest="promiscuous",
        action="store_false",
        help="only packets for this host",
    )
    group.add_argument(
        "--promiscuous-mode",
        dest="promiscuous",
        action="store_true",
        help="all packets (the default); -p takes this back",
    )
    _add_switch(group, "include-own-traffic", "capture our own packets to Kafka too, on an interface that carries them")
    group.add_argument(
        "--timestamps", choices=["source", "now"], help="of a file: its own, or the current time (source)"
    )
    _add_switch(group, "headers", "source, queue, sequence, nanoseconds and original length as headers")
    _add_switch(
        group,
        "restart",
        "another engine when one dies or fails, after 1 to 30 s, and the outage counted; live sources only",
    )
    _add_switch(group, "fail-on-loss", "exit code 3 if a packet was lost")


def _add_privileges(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("privileges")
    group.add_argument(
        "-Z", "--user", metavar="USER", help="become this user once the sources are open (stays as it is)"
    )
    _add_switch(group, "seccomp", "leave the engine only the system calls that it needs (yes)")


def _add_tuning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tuning")
    for flag, metavar, text in (
        ("--rx-queues", "N", "rx queues of each source, each with its own worker (1)"),
        ("--rx-descriptors", "N", "packets in each rx queue of a DPDK device (1024)"),
        ("--rx-buffer-mb", "MIB", "each rx queue of a kernel interface (32)"),
        ("--rx-burst", "N", "packets asked for in one fetch (32)"),
        ("--rx-attempts", "N", "fetches in a row while they come back full (4)"),
        ("--tx-ring", "N", "packets between an rx worker and its tx workers, a power of two (16384)"),
        ("--tx-workers", "N", "tx workers per ring, each with its own connection to Kafka (1)"),
        ("--tx-burst", "N", "packets taken from the ring at once (256)"),
        ("--buffer-memory", "MIB", "batches of each tx worker of the direct producer (64)"),
    ):
        group.add_argument(flag, type=int, metavar=metavar, help=text)
    group.add_argument(
        "--lcores",
        metavar="CPUS",
        help="CPUs of the workers: 2,4-7 (rx worker of queue 0, its tx workers, queue 1, ...; chosen by the plan)",
    )
    _add_switch(group, "oversubscribe", "let workers share CPUs when there are more of them")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is said and reported")
    group.add_argument(
        "--report",
        metavar="FILE",
        help="write the report as JSON at the end; - for standard output, %%Y%%m%%d and the like for the time",
    )
    group.add_argument(
        "--report-every", type=float, metavar="S", help="and every S seconds until then (only at the end)"
    )
    group.add_argument(
        "--report-keep", type=int, metavar="N", help="leave only the newest N files of those that --report makes (all)"
    )
    _add_switch(group, "xstats", "the report has DPDK's extended statistics of devices, those above 0")
    group.add_argument(
        "--log-format", choices=["text", "json"], help="lines on standard error: for people, or an object each (text)"
    )
    group.add_argument(
        "--log-level", choices=["error", "warning", "notice", "info"], help="lines of this level and graver ones (info)"
    )


def _add_watching(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("watching")
    group.add_argument(
        "--stats",
        choices=["auto", "live", "lines", "none"],
        help="a table on standard error, or a line now and then (auto: the table on a terminal, else none)",
    )
    group.add_argument("--stats-interval", type=float, metavar="S", help="seconds between two lines (10)")
    group.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        help="serve Prometheus metrics at /metrics, and a status page at / (:PORT: on loopback)",
    )
    group.add_argument(
        "--metrics-token-file",
        metavar="FILE",
        help="bearer token that they ask for; or FASTCAPA_METRICS_TOKEN in the environment",
    )
    group.add_argument("--metrics-certificate", metavar="FILE", help="serve them over TLS with this certificate, PEM")
    group.add_argument("--metrics-key", metavar="FILE", help="its key, if it is in a file of its own")


def _check(config: CaptureConfig, origins: Origins) -> int:
    """Print what would be started and on which CPUs; raise UsageError for whatever would keep it from starting."""
    try:
        the_plan = Capture(config, log).prepare()
    except RunTimeError as error:
        raise UsageError(str(error)) from None
    unknown = device_limits.check(config)
    check_metrics(config)
    for line in resolved.lines(config, origins):
        print(line)
    print("\n# plan")
    for line in (*plan.table(config, the_plan), *the_plan.notes, *unknown):
        print(f"# {line}".rstrip())
    if the_plan.ordinary_bytes:
        print(f"# {the_plan.ordinary_bytes >> 20} MiB besides for the kernel's rx buffers and the producer's batches")
    return Exit.DONE


def _confine(config: CaptureConfig) -> None:
    """An engine runs: what this process has no more use for goes."""
    if line := confinement.supervisor(config):
        log(line)


def run(args: argparse.Namespace) -> int:
    """Capture until the sources end, a limit is reached or a signal comes; return the exit code."""
    arguments, file = vars(args), getattr(args, "config", None)
    # What is wrong with the rest is said in this way already.
    log.configure(arguments.get("log_format", "text"), arguments.get("log_level", "info"))
    config, origins = resolve(arguments, file)
    log.configure(config.log_format, config.log_level)
    secret.take_variable(TOKEN_VARIABLE)  # also if nothing is served: the engine must not inherit it
    guard(origins.merged, others=holds_secrets(config))
    # Without a file there is nothing to read again: SIGHUP then ends us, as a terminal that is closed wants it.
    has_file = origins.kafka_config is not None or file is not None or origins.has_secret_files()
    monitor = Monitor()
    reload = Reload(config, lambda: resolve(arguments, file), log, monitor.reloaded) if has_file else None
    with stop_signals(reload=has_file) as stop, origins.explained():
        files = ReportFiles.of(config)
        if files is not None:
            files.check()
        if "check" in args:
            return _check(config, origins)
        # The server first: an address that it cannot have is an error before anything starts.
        shown = display(config.stats, config.stats_interval, monitor, log, keep=confinement.for_threads(config))
        reports = periodic_reports(files, config.report_every, monitor, log, keep=confinement.for_report_thread(config))
        with serve(config, monitor) as lines, shown, reports as counts:
            for line in lines:
                log(line)
            outcome = Capture(config, log, monitor, reload=reload, started=partial(_confine, config)).run(stop)
    outcome.report |= {"reloads": monitor.status.reloads.report(), "reports": counts.report()}
    for line in closing_lines(outcome.report):
        log.result(line)
    if files is not None:
        files.write(outcome.report, final=True)
    return exit_code(config, outcome, log)
