"""What a look at one thing found."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Works; could be faster or more exact."""
    WARNING = "warning"
    """Works, and loses packets, time or frames as they were on the wire."""
    BLOCKS = "blocks"
    """The capture that was asked for cannot work."""


@dataclass(frozen=True)
class Finding:
    """One finding."""

    area: str
    severity: Severity
    text: str
    remedy: str | None = None
    """The command, or the setting, that mends it."""


def ok(area: str, text: str) -> Finding:
    """Return a finding that needs no remedy."""
    return Finding(area, Severity.OK, text)


def note(area: str, text: str, remedy: str | None = None) -> Finding:
    """Return a finding that could be better."""
    return Finding(area, Severity.NOTE, text, remedy)


def warning(area: str, text: str, remedy: str) -> Finding:
    """Return a finding that costs something."""
    return Finding(area, Severity.WARNING, text, remedy)


def blocks(area: str, text: str, remedy: str) -> Finding:
    """Return a finding that keeps the capture from working."""
    return Finding(area, Severity.BLOCKS, text, remedy)
