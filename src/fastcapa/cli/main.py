"""Entry point of the `fastcapa` command: parses, dispatches, turns errors into one line and an exit code."""

import signal

# Ctrl-C while the modules are loaded ends us as it ends any program: without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

# ruff: noqa: E402
import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fastcapa import __version__
from fastcapa.errors import Exit, FastcapaError, printable
from fastcapa.host import cpu, process
from fastcapa.kafka.secret_properties import ARGUMENT
from fastcapa.log import Level, log

# Modules of fastcapa.cli and their line of help: only the one that runs is loaded, with the libraries that it needs.
SUBCOMMANDS = {
    "capture": "write every packet of an interface, device or capture file to a Kafka topic",
    "read": "write a topic to a capture file, or to another program's standard input",
    "demo": "show the whole pipeline on this machine: no privilege, no broker, no network needed",
    "bench": "measure what a packet costs on this machine, per producer and frame size",
    "devices": "list what can be captured from, with driver, queues, timestamps, link and the option to type",
    "doctor": "say what this host lacks for the job, each with the command that mends it",
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all of ours are."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.BAD_USAGE, f"fastcapa: {printable(message)} (`{self.prog} --help` lists the options)\n")


def build_parser(argv: Sequence[str] | None) -> argparse.ArgumentParser:
    """Return the parser for a command line, with all subcommands for None; it sets `run` on the parsed arguments."""
    parser = _Parser(
        prog="fastcapa", description="A packet-to-Kafka probe: every packet one message, every loss counted."
    )
    parser.add_argument("--version", action="version", version=f"fastcapa {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    wanted = next((argument for argument in argv or () if not argument.startswith("-")), None)
    for name, text in SUBCOMMANDS.items():
        if name == wanted or argv is None:
            importlib.import_module(f"fastcapa.cli.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser


def _open_standard_streams() -> None:
    """Make descriptors 0 to 2 something: else a socket or a file becomes one of them, and is written to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 -- for the rest of the process


def _cover_secrets() -> None:
    """Take secrets out of the command line that `ps` shows; the subcommand warns of them."""
    if any(ARGUMENT.search(argument) for argument in sys.argv):
        try:
            process.cover_arguments(ARGUMENT)
        except OSError as error:
            log(f"the secrets of the command line stay visible in ps: {error}", Level.WARNING)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (see `Exit`)."""
    _open_standard_streams()
    _cover_secrets()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        cpu.check()
        args = build_parser(arguments).parse_args(arguments)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return int(args.run(args))
    except FastcapaError as error:
        log(str(error), Level.ERROR)
        return int(error.exit_code)
    except KeyboardInterrupt:
        log("interrupted", Level.ERROR)
        return Exit.RUN_TIME_FAILURE
    except BrokenPipeError:
        # The reader of what we print went away (`| head`): nothing more can be said there, at exit neither.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return Exit.RUN_TIME_FAILURE
