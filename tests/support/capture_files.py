"""Capture files without libpcap: a writer for tests, and the reference that readers are compared with.

Formats: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), any byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ETHERNET = 1
_PCAP_MICROSECONDS, _PCAP_NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_IF_TSRESOL, _IF_TSOFFSET = 9, 14


class CaptureError(Exception):
    """The file is none, or ends in the middle; every frame before that point was yielded."""


@dataclass(frozen=True)
class Frame:
    """One record of a capture file."""

    time_ns: int
    length: int  # on the wire; len(data) is less if it was cut
    data: bytes
    linktype: int = ETHERNET
    interface: int = 0


@dataclass
class Interface:
    """One interface of a pcapng section. `tsresol` as in the file: 9 is ns, 0x80 | n is 2**-n s."""

    tsresol: int = 6
    tsoffset: int = 0  # seconds
    linktype: int = ETHERNET
    snaplen: int = 262144
    options: bytes = field(default=b"", repr=False)

    @property
    def ticks_per_second(self) -> int:
        """Units of a timestamp."""
        return 1 << (self.tsresol & 0x7F) if self.tsresol & 0x80 else 10**self.tsresol


def read_capture(path: Path) -> Iterator[Frame]:
    """Every frame of a pcap or pcapng file, in its order. Raises CaptureError.

    Seconds of a pcap file are unsigned here, so they reach to 2106, where libpcap's are signed.
    """
    data = path.read_bytes()
    yield from (_read_pcapng if data[:4] == b"\x0a\x0d\x0d\x0a" else _read_pcap)(data)


def write_pcap(
    path: Path,
    frames: Iterable[Frame],
    *,
    order: str = "<",
    nanoseconds: bool = False,
    linktype: int = ETHERNET,
    snaplen: int = 262144,
) -> None:
    """A pcap file; `order` is "<" or ">"."""
    magic = _PCAP_NANOSECONDS if nanoseconds else _PCAP_MICROSECONDS
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)]
    for frame in frames:
        seconds, fraction = divmod(frame.time_ns, 10**9)
        fraction //= 1 if nanoseconds else 1000
        # A time before 1970 or after 2106 wraps, as it does in the field's 32 bits.
        head = struct.pack(f"{order}IIII", seconds & 0xFFFFFFFF, fraction, len(frame.data), frame.length)
        parts.append(head + frame.data)
    path.write_bytes(b"".join(parts))


def write_pcapng(
    path: Path, frames: Iterable[Frame], *, order: str = "<", interfaces: tuple[Interface, ...] = (Interface(),)
) -> None:
    """A pcapng file of one section; each frame names its interface by index."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = struct.pack(f"{order}I", len(body) + 12)
        return struct.pack(f"{order}I", kind) + length + body + length

    parts = [block(_SECTION, struct.pack(f"{order}IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1))]
    for interface in interfaces:
        options = struct.pack(f"{order}HHBxxx", _IF_TSRESOL, 1, interface.tsresol)
        options += struct.pack(f"{order}HHq", _IF_TSOFFSET, 8, interface.tsoffset)
        head = struct.pack(f"{order}HHI", interface.linktype, 0, interface.snaplen)
        parts.append(block(_INTERFACE, head + options + interface.options + bytes(4)))
    for frame in frames:
        interface = interfaces[frame.interface]
        ticks = (frame.time_ns - interface.tsoffset * 10**9) * interface.ticks_per_second // 10**9
        head = struct.pack(
            f"{order}IIIII", frame.interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data), frame.length
        )
        parts.append(block(_PACKET, head + frame.data))
    path.write_bytes(b"".join(parts))


def _read_pcap(data: bytes) -> Iterator[Frame]:
    magics = {
        struct.pack(order + "I", magic): (order, unit)
        for order in "<>"
        for magic, unit in ((_PCAP_MICROSECONDS, 1000), (_PCAP_NANOSECONDS, 1))
    }
    if data[:4] not in magics:
        raise CaptureError("not a capture file")
    if len(data) < 24:
        raise CaptureError("cut in the file header")
    order, unit = magics[data[:4]]
    # The upper bits of the last field say how long the FCS is; the type is in the lower sixteen.
    snaplen, linktype = struct.unpack_from(order + "II", data, 16)
    linktype &= 0xFFFF
    # The file header's limit holds even where a record has more (21 files of the shared captures).
    snaplen = snaplen if 0 < snaplen <= 0x7FFFFFFF else None
    at = 24
    while at < len(data):
        if len(data) - at < 16:
            raise CaptureError("cut in a record header")
        seconds, fraction, captured, length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if len(data) - at < captured:
            raise CaptureError("cut in a frame")
        yield Frame(seconds * 10**9 + fraction * unit, length, data[at : at + captured][:snaplen], linktype)
        at += captured


def _read_pcapng(data: bytes) -> Iterator[Frame]:
    order, at = "<", 0
    interfaces: list[Interface] = []
    while at < len(data):
        if len(data) - at < 12:
            raise CaptureError("cut in a block header")
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":  # reads the same in both orders
            order = "<" if data[at + 8 : at + 12] == struct.pack("<I", _BYTE_ORDER_MAGIC) else ">"
            interfaces = []  # they are counted per section
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or len(data) - at < size:
            raise CaptureError("cut in a block")
        body = data[at + 8 : at + size - 4]
        at += size
        if kind == _INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind in (_PACKET, _OLD_PACKET):
            number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
            if kind == _OLD_PACKET:  # 16 bits of interface, 16 bits of drop count
                number = struct.unpack_from(order + "H", body)[0]
            source = interfaces[number]
            time_ns = ((high << 32) | low) * 10**9 // source.ticks_per_second + source.tsoffset * 10**9
            yield Frame(time_ns, length, body[20 : 20 + captured], source.linktype, number)
        elif kind == _SIMPLE_PACKET:
            (length,) = struct.unpack_from(order + "I", body)
            source = interfaces[0]
            captured = min(length, source.snaplen or length)
            yield Frame(0, length, body[4 : 4 + captured], source.linktype)


def _interface(body: bytes, order: str) -> Interface:
    linktype, _, snaplen = struct.unpack_from(order + "HHI", body)
    interface = Interface(linktype=linktype, snaplen=snaplen)
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == _IF_TSRESOL:
            interface.tsresol = body[at + 4]
        elif code == _IF_TSOFFSET:
            (interface.tsoffset,) = struct.unpack_from(order + "q", body, at + 4)
        elif code == 0:
            break
        at += 4 + size + (-size % 4)
    return interface
