"""Real frames, built byte by byte, with right checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address

SOURCE_MAC = bytes.fromhex("020000000002")
TARGET_MAC = bytes.fromhex("020000000001")
IPV4, ARP, VLAN, IPV6, QINQ = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8
TCP, UDP = 6, 17


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(ethertype: int, payload: bytes, *, vlans: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A frame. `vlans` are (TPID, tag control) from the outer one inwards."""
    tags = b"".join(struct.pack(">HH", *tag) for tag in vlans)
    return TARGET_MAC + SOURCE_MAC + tags + struct.pack(">H", ethertype) + payload


def arp(sender: str = "10.0.0.1", target: str = "10.0.0.2") -> bytes:
    """A request, padded to the 60 bytes of the shortest frame (without FCS)."""
    body = struct.pack(">HHBBH", 1, IPV4, 6, 4, 1) + SOURCE_MAC + ip_address(sender).packed
    return ethernet(ARP, body + bytes(6) + ip_address(target).packed).ljust(60, b"\0")


def ip(
    protocol: int,
    payload: bytes = b"",
    *,
    source: str = "10.0.0.1",
    target: str = "10.0.0.2",
    ports: tuple[int, int] = (1000, 2000),
    vlans: tuple[tuple[int, int], ...] = (),
) -> bytes:
    """UDP or TCP over IPv4 or IPv6, whichever the addresses are."""
    src, dst = ip_address(source).packed, ip_address(target).packed
    length = len(payload) + (8 if protocol == UDP else 20)
    if len(src) == 4:
        pseudo = src + dst + struct.pack(">BBH", 0, protocol, length)
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, protocol, 0) + src + dst
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        ethertype = IPV4
    else:
        pseudo = src + dst + struct.pack(">IHBB", length, 0, 0, protocol)
        header = struct.pack(">IHBB", 6 << 28, length, protocol, 64) + src + dst
        ethertype = IPV6
    if protocol == UDP:
        segment, at = struct.pack(">HHHH", *ports, length, 0) + payload, 6
    else:
        segment, at = struct.pack(">HHIIBBHHH", *ports, 1, 1, 5 << 4, 0x18, 65535, 0, 0) + payload, 16
    # A UDP checksum of 0 would mean "none", so it is sent as all ones (RFC 768).
    total = checksum(pseudo + segment) or (0xFFFF if protocol == UDP else 0)
    segment = segment[:at] + struct.pack(">H", total) + segment[at + 2 :]
    return ethernet(ethertype, header + segment, vlans=vlans)


def udp_of_size(size: int, number: int = 0, flow: int = 0) -> bytes:
    """A frame of exactly `size` bytes (50 to 65,549); its payload starts with `number`, 8 bytes."""
    payload = struct.pack(">Q", number) + bytes(i & 0xFF for i in range(size - 50))
    return ip(UDP, payload, ports=(1000 + flow, 2000))


def zoo() -> Iterator[tuple[str, bytes]]:
    """One of each kind, with its name: every shape that a probe must carry unchanged."""
    yield "empty", b""
    yield "one byte", b"\x02"
    yield "runt, shorter than an Ethernet header", TARGET_MAC + SOURCE_MAC[:3]
    yield "header alone", ethernet(IPV4, b"")
    yield "arp", arp()
    yield "ipv4 udp", ip(UDP, b"x" * 18)
    yield "ipv4 tcp", ip(TCP, b"odd")
    yield "ipv6 udp", ip(UDP, b"x" * 18, source="fd00::1", target="fd00::2")
    yield "ipv6 tcp", ip(TCP, b"odd", source="fd00::1", target="fd00::2")
    yield "vlan", ip(UDP, b"x" * 18, vlans=((VLAN, 0x2007),))
    yield "qinq", ip(TCP, b"x" * 18, vlans=((QINQ, 100), (VLAN, 200)))
    yield "unknown ethertype", ethernet(0x88B5, bytes(range(46)))
    yield "1514 bytes, the longest without jumbo frames", udp_of_size(1514)
    yield "2048 bytes, a whole mbuf", udp_of_size(2048)
    yield "9216 bytes, jumbo", udp_of_size(9216)
    # The longest that an mbuf's 16-bit segment length can hold; an IPv4 datagram fits into it.
    yield "65535 bytes", udp_of_size(65535)
