"""What the fuzz targets begin with: inputs that get past the first checks, made anew for each run."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from support.capture_files import Frame, Interface, write_pcap, write_pcapng
from support.frames import zoo

_EXPRESSIONS = (
    "udp port 53",
    "not (tcp or arp)",
    "tcp[tcpflags] & (tcp-syn|tcp-push) != 0",
    "vlan 100 and vlan 200",
    "host 10.0.0.1 or net fd00::/64",
    "len - 14 > ip[2:2]",
    "ip[2:2] * 3 / 2 % 7 = 1",
    "ip6[0] & 0xf0 = 0x60 and ip6 protochain 6",
    "tcp[tcp[12] >> 2] = 0x6f",
    "mpls 100 and ip or pppoes and ip6",
)


def write_seeds(target: str, directory: Path, produce_responses: Path) -> None:
    """Write the seeds of a target into a directory; those of the produce_response target are some of another's."""
    if target == "capture_file":
        _write_captures(directory)
        return
    for number, seed in enumerate(_seeds(target, produce_responses)):
        (directory / str(number)).write_bytes(seed)


def _seeds(target: str, produce_responses: Path) -> Iterator[bytes]:
    match target:
        case "flow_hash":
            yield from _frames()
        case "filter":
            yield from _filters()
        case "connection":
            yield from _connections(produce_responses)
        case "record_split":
            yield from _records()
        case "library_stats":
            yield b'{ "brokers": { "a": { "tx":12, "txbytes":3 }, "b": { "tx": 5 } } }'


def _frames() -> Iterator[bytes]:
    for _, frame in zoo():
        if frame:  # every fuzzer tries the empty input
            yield frame[:256]


def _filters() -> Iterator[bytes]:
    for expression, frame in zip(_EXPRESSIONS, _frames(), strict=False):
        yield expression.encode() + b"\0" + frame


def _records() -> Iterator[bytes]:
    for codec in range(3):
        for count in (1, 2, 40):
            yield bytes([codec]) + b"".join(bytes([n % 50, n % 7 * 30 % 256]) + bytes(n % 50) for n in range(count))


def _connections(produce_responses: Path) -> Iterator[bytes]:
    """Three requests, each answered by the same response, in pieces."""
    for path in sorted(produce_responses.iterdir()):
        version, response = path.read_bytes()[:1], path.read_bytes()[1:]
        stream = b"".join(
            struct.pack(">ii", 4 + len(response), correlation_id) + response for correlation_id in (1, 2, 3)
        )
        pieces = [stream[at : at + 100] for at in range(0, len(stream), 100)]
        yield version + b"\3" + b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _write_captures(directory: Path) -> None:
    frames = [Frame(10**18 + n, len(frame), frame[:300]) for n, (_, frame) in enumerate(zoo())]
    for order in "<>":
        write_pcap(directory / f"pcap{order}", frames[:6], order=order, nanoseconds=order == "<")
        write_pcapng(directory / f"pcapng{order}", frames[:6], order=order, interfaces=(Interface(tsresol=0x8A),))
    write_pcap(directory / "many", frames * 3, snaplen=64)
