"""The one exception tree: what a user sees is the message, never a traceback.

A message names the thing, the limit and the remedy, on one line.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every subcommand."""

    DONE = 0
    RUN_TIME_FAILURE = 1
    BAD_USAGE = 2
    LOSS = 3  # only with --fail-on-loss


class FastcapaError(Exception):
    """Base of all errors that are reported as one line; `exit_code` is what the process ends with."""

    exit_code = Exit.RUN_TIME_FAILURE


class RunTimeError(FastcapaError):
    """Something outside of us failed: a broker, an interface, a file, the engine."""


class UsageError(FastcapaError):
    """Bad usage or configuration, found before anything starts."""

    exit_code = Exit.BAD_USAGE
