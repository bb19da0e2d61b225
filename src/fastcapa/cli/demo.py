"""`fastcapa demo`: the whole pipeline on this machine, nothing else needed."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from fastcapa._pcap import CaptureFileError, CaptureReader, CaptureWriter
from fastcapa.capture import Capture, exit_code
from fastcapa.config import CaptureConfig, SourceKind, validate
from fastcapa.demo import compare
from fastcapa.demo.frames import frames
from fastcapa.errors import Exit, RunTimeError
from fastcapa.kafka import topics
from fastcapa.kafka.embedded import PARTITION_BYTES_MAX, EmbeddedBroker
from fastcapa.kafka.properties import BOOTSTRAP
from fastcapa.log import log
from fastcapa.report.file import check_target, write_report
from fastcapa.signals import stop_signals
from fastcapa.supervisor import Outcome
from fastcapa.table import print_counters

TOPIC = "demo"
FRAMES = 5_000
# All of it has to fit one partition of the embedded broker, with what a record adds to a frame.
BYTES_MAX = PARTITION_BYTES_MAX * 3 // 4
RECORD_OVERHEAD_BYTES = 40


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        description="Send real frames through the whole probe to an embedded Kafka broker, read them back and compare "
        "every byte.",
        allow_abbrev=False,
    )
    parser.add_argument("-r", "--read", metavar="FILE", help="a capture file of yours (default: frames made here)")
    parser.add_argument("--report", metavar="FILE", help="write the final report as JSON; - for standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; return 0 if everything that was sent came back, byte for byte."""
    check_target(args.report)
    # With the report on standard output, everything for people goes to standard error.
    console = Console(file=sys.stderr if args.report == "-" else sys.stdout, highlight=False)
    # The signals from the first on: whatever they interrupt, the directory and the broker go.
    with (
        stop_signals() as stop,
        tempfile.TemporaryDirectory(prefix="fastcapa-") as directory,
        EmbeddedBroker() as broker,
    ):
        file = Path(args.read) if args.read else _make_frames(Path(directory) / "office.pcap")
        count = _frames_that_fit(file)
        config = validate(
            {
                "sources": [{"kind": SourceKind.FILE, "name": str(file)}],
                "topic": TOPIC,
                "properties": {BOOTSTRAP: broker.bootstrap},
                "count": count,
                "oversubscribe": True,
            }
        )
        console.print(f"1. an embedded Kafka broker listens on {broker.bootstrap}")
        console.print(f"2. the probe reads {count:,} frames from {file} and sends each as one message", soft_wrap=True)
        outcome = Capture(config, log).run(stop)
        if stop.requested():
            raise RunTimeError("demo: interrupted")
        print_counters(outcome.report, console)
        console.print("3. reading them back")
        status = _compare(config, file, outcome, console)
    if args.report is not None:
        write_report(outcome.report, args.report)
    code = exit_code(config, outcome, log) or status
    if code == Exit.DONE:
        _say_what_next(console)
    return code


def _make_frames(file: Path) -> Path:
    with CaptureWriter(file, nanoseconds=True) as writer:
        for time_ns, frame in frames(FRAMES):
            writer.write(time_ns, len(frame), frame)
    return file


def _frames_that_fit(file: Path) -> int:
    """Return how many frames of the file the embedded broker can keep; 0 for none; raise RunTimeError."""
    count = size = 0
    try:
        with CaptureReader(file) as reader:
            for _, _, frame in reader:
                size += len(frame) + RECORD_OVERHEAD_BYTES
                if size > BYTES_MAX:
                    kept = f"{BYTES_MAX / 2**20:.2f} MiB"
                    log(f"{file}: the first {count:,} frames only, as the embedded broker keeps {kept}")
                    break
                count += 1
    except OSError as error:
        raise RunTimeError(f"cannot read {file}: {error.strerror}") from None
    except CaptureFileError as error:
        raise RunTimeError(f"{file}: {error}") from None
    if count == 0:
        raise RunTimeError(f"{file}: no frames in it")
    return count


def _compare(config: CaptureConfig, file: Path, outcome: Outcome, console: Console) -> Exit:
    topic = topics.describe(config.properties, TOPIC, 5.0, create=False)
    expected = compare.sent(file, config.count)
    actual = compare.delivered(config.properties, topic)
    lines = compare.differences(expected, actual)
    if outcome.report["unaccounted"]:
        lines.append(f"{outcome.report['unaccounted']} packets unaccounted for")
    if lines:
        for line in lines:
            log(f"demo: {line}")
        log(f"demo: FAILED, {len(expected):,} frames were sent, {len(actual):,} came back")
        return Exit.RUN_TIME_FAILURE
    console.print(f"   {len(actual):,} frames, every key and every byte as it was sent")
    return Exit.DONE


def _say_what_next(console: Console) -> None:
    console.print(
        """
next, with a Kafka of yours at BROKER:9092 (or `make kafka-up` for one on this machine):
   sudo fastcapa capture -i eth0 -b BROKER:9092 -t pcap          every packet of eth0 into topic pcap
   fastcapa read -b BROKER:9092 -t pcap | tcpdump -n -r -        what is in it
   fastcapa read -b BROKER:9092 -t pcap --follow | wireshark -k -i -""",
        soft_wrap=True,
    )
