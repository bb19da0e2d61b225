"""Typed face of the libpcap binding: capture files and filters.

Times are nanoseconds since the Unix epoch, lengths are bytes. An object belongs to one thread at a time.
"""

import os
from types import TracebackType
from typing import Self

SNAPLEN_MAX: int
"""Longest frame that a capture file takes (libpcap's limit for Ethernet)."""

class FilterError(ValueError):
    """libpcap refuses the filter; the message is libpcap's."""

class CaptureFileError(ValueError):
    """Not a capture file, or it ends in the middle; the message is libpcap's."""

class Filter:
    """A compiled pcap-filter(7) expression for Ethernet frames; the empty one matches everything."""

    expression: str
    def __init__(self, expression: str, snaplen: int = ...) -> None:
        """Compile; raise FilterError if it is malformed."""

    def matches(self, frame: bytes, original_length: int | None = None) -> bool:
        """Return whether the frame, `original_length` long before it was cut (default: not cut), matches."""

class CaptureReader:
    """Iterator over the frames of a pcap or pcapng file, of any link type: (time_ns, original_length, frame).

    A time before the epoch, which only a broken file has, is read as 0.
    """

    path: str | os.PathLike[str]
    link_type: int
    link_type_name: str
    link_type_description: str
    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open; raise OSError if it cannot be read, CaptureFileError if it is no capture file."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int, int, bytes]:
        """Return the next frame; raise CaptureFileError if the file ends in the middle of one."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def close(self) -> None:
        """Release the file; may be called twice."""

class CaptureWriter:
    """Buffered writer of a classic pcap file of Ethernet frames; written after flush() or close()."""

    nanoseconds: bool
    def __init__(self, file: int | str | os.PathLike[str], *, nanoseconds: bool = False) -> None:
        """Write the file header to a path (truncated) or a file descriptor (duplicated); raise OSError."""

    def write(self, time_ns: int, original_length: int, frame: bytes) -> None:
        """Append a frame; raise OSError if writing failed, ValueError past 2106 or above SNAPLEN_MAX."""

    def flush(self) -> None:
        """Hand everything to the operating system; raise OSError if that failed."""

    def close(self) -> None:
        """Flush and release; raise OSError if anything was not written. May be called twice."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
