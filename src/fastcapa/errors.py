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


def printable(text: str) -> str:
    """Return text with what would break a line or command a terminal written as Python writes it in a string.

    What a user, a file or a broker gave as a name may have any character in it.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class FastcapaError(Exception):
    """Base of all errors that are reported as one line; `exit_code` is what the process ends with."""

    exit_code = Exit.RUN_TIME_FAILURE

    def __init__(self, message: str) -> None:
        """Whatever the message quotes, it is shown on one line."""
        super().__init__(printable(message))


class RunTimeError(FastcapaError):
    """Something outside of us failed: a broker, an interface, a file, the engine."""


class UsageError(FastcapaError):
    """Bad usage or configuration, found before anything starts."""

    exit_code = Exit.BAD_USAGE
