"""Rates and what they come to on the wire."""

import re
from dataclasses import dataclass

from fastcapa.errors import UsageError

# Beside each frame on the wire: preamble and start delimiter 8 bytes, frame check sequence 4, gap between frames 12
# (IEEE 802.3). A capture has none of them, so a full link of the smallest frames, 60 bytes here, is 14.88 million a
# second at 10 Gb/s.
WIRE_BYTES = 8 + 4 + 12
FRAME_BYTES_MIN, FRAME_BYTES_MAX = 60, 9216
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kmgt]?)", re.IGNORECASE)
RATE_MIN, RATE_MAX = 1e3, 1e13


@dataclass(frozen=True)
class Traffic:
    """What arrives: bits a second on the wire, and the mean frame."""

    bits_per_s: float
    frame_bytes: int
    """Of a frame as it is captured, without its check sequence."""

    @property
    def packets_per_s(self) -> float:
        """Frames a second."""
        return self.bits_per_s / 8 / (self.frame_bytes + WIRE_BYTES)


def rate(text: str, option: str, unit: str) -> float:
    """Return "10G", "2.5g" or "800M" a second, powers of 1000; raise UsageError for anything else."""
    match = _RATE.fullmatch(text.strip())
    value = float(match[1]) * 1000.0 ** " kmgt".index(match[2].lower() or " ") if match else 0.0
    if not RATE_MIN <= value <= RATE_MAX:
        raise UsageError(f"{option} {text}: {unit} from 1k to 10T are needed, such as 10G, 2.5G or 800M")
    return value


def frame(text: str, option: str) -> int:
    """Return a frame's bytes; raise UsageError for what no Ethernet frame has."""
    if not (text.isascii() and text.isdigit() and FRAME_BYTES_MIN <= int(text[:9]) <= FRAME_BYTES_MAX):
        raise UsageError(
            f"{option} {text}: bytes from {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX} are needed, without the check sequence"
        )
    return int(text)


def decimal(text: str, option: str, low: float, high: float) -> float:
    """Return a number within limits; raise UsageError for anything else."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and low <= float(text) <= high:
        return float(text)
    raise UsageError(f"{option} {text}: a number from {low:g} to {high:g} is needed")


def bits(value: float) -> str:
    """Return bits a second, readable."""
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}b/s"
    return f"{value / 1e3:.3g} kb/s"


def size_of(value: float) -> str:
    """Return bytes, readable: powers of 1000, as links and disks are sold."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value / 1e6:,.3g} MB"
