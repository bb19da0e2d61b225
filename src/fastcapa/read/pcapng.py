"""Writes pcapng: one section, one Ethernet interface, one Enhanced Packet Block per frame.

The format: draft-ietf-opsawg-pcapng, sections 4.1 (section header), 4.2 (interface), 4.3 (enhanced packet).
libpcap does not write pcapng. python-pcapng does, but builds an object tree per frame (12,000 frames a
second, far below what Kafka delivers), takes times as floating-point seconds, and has had no release since 2022.
"""

import os
import struct

_SECTION_HEADER, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_OPTION_END, _OPTION_USER_APPLICATION, _OPTION_TIME_RESOLUTION = 0, 4, 9
_LENGTH_UNKNOWN = -1
_PACKET_HEAD = struct.Struct("<IIIIIII")  # type, length, interface, time high, time low, captured, original
_LENGTH = struct.Struct("<I")


class PcapngWriter:
    """Counterpart of `CaptureWriter`, with the same methods and errors; times may be up to the year 2554."""

    def __init__(self, descriptor: int, *, nanoseconds: bool, snaplen: int) -> None:
        """Write the file header to a duplicate of `descriptor`; raise OSError."""
        self._ns_per_unit = 1 if nanoseconds else 1000
        # Closed by close(), whose errors count.
        self._file = os.fdopen(os.dup(descriptor), "wb", 65536)
        resolution = 9 if nanoseconds else 6  # 10^-n seconds
        self._file.write(
            _block(
                _SECTION_HEADER,
                struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, _LENGTH_UNKNOWN)
                + _option(_OPTION_USER_APPLICATION, b"fastcapa"),
            )
            + _block(
                _INTERFACE,
                struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, snaplen)
                + _option(_OPTION_TIME_RESOLUTION, bytes([resolution])),
            )
        )
        self.flush()

    def write(self, time_ns: int, original_length: int, frame: bytes) -> None:
        """Append a frame; raise OSError."""
        units = time_ns // self._ns_per_unit
        padding = -len(frame) % 4
        length = _PACKET_HEAD.size + len(frame) + padding + _LENGTH.size
        self._file.write(
            b"".join(
                (
                    _PACKET_HEAD.pack(
                        _ENHANCED_PACKET,
                        length,
                        0,
                        units >> 32,
                        units & 0xFFFFFFFF,
                        len(frame),
                        original_length,
                    ),
                    frame,
                    bytes(padding),
                    _LENGTH.pack(length),
                )
            )
        )

    def flush(self) -> None:
        """Hand everything to the operating system; raise OSError."""
        self._file.flush()

    def close(self) -> None:
        """Flush and release; raise OSError if anything was not written."""
        self._file.close()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    """Return a list of one option and its end."""
    return struct.pack("<HH", code, len(value)) + _padded(value) + struct.pack("<HH", _OPTION_END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = _LENGTH.pack(len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
