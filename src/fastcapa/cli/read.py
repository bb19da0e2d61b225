"""`fastcapa read`: a topic, or a part of it, to a capture file or to another program."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastcapa import guard
from fastcapa._pcap import Filter, FilterError
from fastcapa.errors import Exit, RunTimeError, UsageError
from fastcapa.kafka import properties, topics
from fastcapa.read import capture_files, offsets
from fastcapa.read.reader import CONNECT_S, Reader
from fastcapa.read.verify import Verifier
from fastcapa.signals import Stop, stop_signals


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "read",
        description="Write the frames of a topic, in order, as a capture file, or | tcpdump -r -",
        allow_abbrev=False,
    )
    properties.add_arguments(parser)
    parser.add_argument(
        "-o",
        "--offset",
        dest="offsets",
        metavar="OFFSET",
        action="append",
        default=[],
        help=f"where to start (default: beginning) and to stop; repeatable: {offsets.FORMS}",
    )
    parser.add_argument(
        "-w",
        "--write",
        metavar="FILE",
        help="file to write: pcapng if it ends in .pcapng, else pcap; - (default) is standard output",
    )
    parser.add_argument("-c", "--count", type=int, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="prove by the headers of `capture --headers` that no packet is missing or twice; exit code 1 if one is",
    )
    parser.add_argument("--follow", action="store_true", help="go on at the end of the topic, wait for more")
    parser.add_argument("filter", nargs="*", metavar="FILTER", help="only frames that match, in pcap-filter(7) words")
    parser.set_defaults(run=run)


@contextmanager
def _signals() -> Iterator[Stop]:
    """SIGINT and SIGTERM end the reading with everything written; the second one ends the program at once."""
    with stop_signals() as stop:

        def end_at_the_second() -> None:
            if stop.count > 1:
                raise KeyboardInterrupt

        stop.wake = end_at_the_second
        yield stop


def run(args: argparse.Namespace) -> int:
    """Read as the arguments say; return an exit code."""
    span = offsets.parse(args.offsets)
    if args.follow and span.stop_ms is not None:
        raise UsageError(f"-o e@{span.stop_ms} ends where --follow goes on; leave one of them out")
    if args.count is not None and args.count < 1:
        raise UsageError(f"-c {args.count}: a count starts at 1; leave it out for all frames")
    if args.verify and (args.offsets or args.count is not None or args.follow):
        raise UsageError("--verify proves a whole topic; leave -o, -c and --follow out")
    expression = " ".join(args.filter)
    try:
        packet_filter = Filter(expression) if expression else None
    except FilterError as error:
        raise UsageError(f"filter {expression!r}: {error}; the words are those of pcap-filter(7)") from None
    # A proof alone writes no frames.
    target = None if args.verify and args.write is None else capture_files.choose_target(args.write)
    client_properties = guard.load(args)
    name = topics.check_name(args.topic)
    with _signals() as stop:
        try:
            topic = topics.describe(
                client_properties, name, CONNECT_S, create=False, limits=False, cancelled=stop.requested
            )
        except topics.Cancelled:
            return Exit.DONE
        verifier = Verifier() if args.verify else None
        whole = True
        with Reader(client_properties, topic, span, follow=args.follow, stopped=stop.requested) as reader:
            if target is not None:
                whole = _copy(reader, capture_files.Output(target), packet_filter, args.count, verifier)
            elif verifier is not None:
                _look(reader, verifier)
        if verifier is None:
            return Exit.DONE
        if stop.requested() or not whole:
            raise RunTimeError("stopped before the end of the topic: nothing is proved")
        return _verdict(verifier, to_stderr=target == capture_files.STANDARD_OUTPUT)


def _look(reader: Reader, verifier: Verifier) -> None:
    """Read everything and write nothing."""
    for batch in reader.batches():
        for frame in batch:
            verifier.take(frame.origin, frame.time_ns)


def _verdict(verifier: Verifier, *, to_stderr: bool) -> Exit:
    """Say what is missing or twice; return the exit code."""
    complete, lines = verifier.finish()
    for line in lines:
        print(line, file=sys.stderr if to_stderr else sys.stdout)
    return Exit.DONE if complete else Exit.RUN_TIME_FAILURE


def _copy(
    reader: Reader,
    output: capture_files.Output,
    packet_filter: Filter | None,
    count: int | None,
    verifier: Verifier | None,
) -> bool:
    """Write the reader's frames, up to `count`, say on standard error how many, after a failure too.

    Returns whether the output took all of them.
    """
    not_matched = 0
    done = False
    try:
        for batch in reader.batches():
            if not batch:
                output.idle()
            for time_ns, original_length, frame, exact, origin in batch:
                if verifier is not None:
                    verifier.take(origin, time_ns)
                if packet_filter is not None and not packet_filter.matches(frame, original_length):
                    not_matched += 1
                    continue
                output.write(time_ns, original_length, frame, exact)
                if output.written == count:
                    break
            if output.written == count:
                break
        output.close()
        done = True
    except capture_files.OutputClosed:
        done = True  # whoever read our output has seen enough
        return False
    finally:
        output.close()
        if done or output.written:
            _say_counts(reader, output, not_matched)
    return True


def _say_counts(reader: Reader, output: capture_files.Output, not_matched: int) -> None:
    print(
        f"{output.written + not_matched + reader.not_ours} packets read, {output.written} written,"
        f" {not_matched} not matched, {reader.not_ours} not ours",
        file=sys.stderr,
    )
    if output.times_cut:
        print(
            f"{output.times_cut} frames are later than a pcap file can say (2106), their times are cut"
            " to that; -w FILE.pcapng keeps them",
            file=sys.stderr,
        )
