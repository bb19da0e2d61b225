"""Where frames go: a pcap or pcapng file, or standard output for another program to read."""

import errno
import os
import select
import sys
import time
from pathlib import Path
from typing import Protocol

from fastcapa._pcap import SNAPLEN_MAX, CaptureWriter
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.read.pcapng import PcapngWriter

STANDARD_OUTPUT = "-"
PCAPNG_SUFFIX = ".pcapng"
# The last moment that the 32 bits of a pcap file can name: 2106-02-07 06:28:15.999999999 UTC.
PCAP_TIME_MAX_NS = 2**32 * 10**9 - 1

# What reads a pipe shows nothing, and may give up, before it has the file header.
_HEADER_AFTER_S = 0.5


class OutputClosed(Exception):
    """The program that reads our standard output went away: no failure, there is nobody left to write to."""


class Writer(Protocol):
    """What `CaptureWriter` and `PcapngWriter` have in common; every method raises OSError."""

    def write(self, time_ns: int, original_length: int, frame: bytes) -> None:
        """Append a frame."""

    def flush(self) -> None:
        """Hand everything to the operating system."""

    def close(self) -> None:
        """Flush and release."""


def choose_target(option: str | None) -> str:
    """Return the file to write to, or "-"; raise UsageError rather than write a capture to a terminal."""
    if option == "":
        raise UsageError("-w has an empty file name; give a name, or - for standard output")
    if option is not None and option != STANDARD_OUTPUT:
        return option
    if sys.stdout is None:
        raise UsageError("standard output is closed; give -w FILE")
    if sys.stdout.isatty():
        raise UsageError("a capture file is no text for a terminal; give -w FILE, or append: -w - | tcpdump -r -")
    return STANDARD_OUTPUT


class Output:
    """A capture file being written; raises RunTimeError for a failed write, OutputClosed for a closed pipe.

    The first frame decides whether times are in micro- or nanoseconds. If it keeps a pipe's reader waiting, the
    file header goes out before it, with nanoseconds, which hold either.
    """

    def __init__(self, target: str) -> None:
        """Create or truncate the file `target`, "-" is standard output; raise RunTimeError."""
        self.written = 0
        self.times_cut = 0  # frames after 2106 in a pcap file
        self._pcapng = target.lower().endswith(PCAPNG_SUFFIX)
        self._name = "standard output" if target == STANDARD_OUTPUT else target
        self._piped = target == STANDARD_OUTPUT
        self._header_due = time.monotonic() + _HEADER_AFTER_S
        self._writer: Writer | None = None
        self._dirty = False
        self._failed = False
        try:
            if self._piped:
                self._descriptor = os.dup(sys.stdout.fileno())
            else:
                self._descriptor = os.open(Path(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise RunTimeError(f"{self._name}: {error.strerror}; choose another file with -w") from None
        # Only of a pipe or socket can be seen, without writing, that its reader is gone.
        self._hangup = select.poll()
        self._hangup.register(self._descriptor, 0)

    def write(self, time_ns: int, original_length: int, frame: bytes, nanoseconds: bool) -> None:
        """Append a frame; `nanoseconds` says whether its time is meant that exactly."""
        if not self._pcapng and time_ns > PCAP_TIME_MAX_NS:
            time_ns = PCAP_TIME_MAX_NS
            self.times_cut += 1
        try:
            writer = self._writer or self._open(nanoseconds)
            writer.write(time_ns, original_length, frame)
        except OSError as error:
            raise self._failure(error) from None
        self.written += 1
        self._dirty = True

    def idle(self) -> None:
        """Let the reader of a pipe see everything so far; raise OutputClosed if it is gone."""
        try:
            if self._writer is None and self._piped and time.monotonic() > self._header_due:
                self._open(nanoseconds=True)
            if self._writer is not None and self._dirty:
                self._writer.flush()
                self._dirty = False
        except OSError as error:
            raise self._failure(error) from None
        if self._hangup.poll(0):
            self._failed = True
            raise OutputClosed

    def close(self) -> None:
        """Write what is left, a file header at the least; quiet after a failure, and a second time."""
        if self._descriptor < 0:
            return
        try:
            (self._writer or self._open(nanoseconds=False)).close()
        except OSError as error:
            if not self._failed:
                raise self._failure(error) from None
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _open(self, nanoseconds: bool) -> Writer:
        if self._pcapng:
            self._writer = PcapngWriter(self._descriptor, nanoseconds=nanoseconds, snaplen=SNAPLEN_MAX)
        else:
            self._writer = CaptureWriter(self._descriptor, nanoseconds=nanoseconds)
        return self._writer

    def _failure(self, error: OSError) -> Exception:
        self._failed = True
        # EINTR: a signal ended us while the reader of the pipe kept us waiting.
        if error.errno in (errno.EPIPE, errno.EINTR):
            return OutputClosed()
        remedy = "make room or choose another file with -w" if error.errno == errno.ENOSPC else "the file is cut off"
        return RunTimeError(f"{self._name}: {error.strerror or error}; {remedy}")
