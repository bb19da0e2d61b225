"""Entry point of the `fastcapa` command: parses, dispatches, turns errors into one line and an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fastcapa import __version__
from fastcapa.cli import capture, demo, read
from fastcapa.errors import Exit, FastcapaError

SUBCOMMANDS = (capture, read, demo)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all of ours are."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.BAD_USAGE, f"fastcapa: {message} (`{self.prog} --help` lists the options)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; each subcommand sets `run` on the parsed arguments."""
    parser = _Parser(
        prog="fastcapa", description="A packet-to-Kafka probe: every packet one message, every loss counted."
    )
    parser.add_argument("--version", action="version", version=f"fastcapa {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        subcommand.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (see `Exit`)."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except FastcapaError as error:
        print(f"fastcapa: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        return Exit.RUN_TIME_FAILURE
    except BrokenPipeError:
        # The reader of our standard output went away (`| head`): nothing more can be said there, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.RUN_TIME_FAILURE
