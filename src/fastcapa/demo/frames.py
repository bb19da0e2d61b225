"""Frames as a small office makes them: real protocols, right checksums, every size."""

import ipaddress
import struct
from collections.abc import Iterator

# 2026-01-01 00:00:00 UTC.
START_NS = 1_767_225_600 * 10**9
GAP_NS = 37_000  # no two frames share a microsecond
_HOSTS = 12
_IPV4, _IPV6, _ARP, _VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
_TCP, _UDP, _ICMP = 6, 17, 1
_MINIMUM = 60  # without the frame check sequence
_PAYLOAD = bytes(range(256)) * 36


def frames(count: int) -> Iterator[tuple[int, bytes]]:
    """Yield (time in ns since the epoch, frame) of `count` different frames, 60 to 9,014 bytes long."""
    for number in range(count):
        yield START_NS + number * GAP_NS, _frame(number).ljust(_MINIMUM, b"\0")


def _frame(number: int) -> bytes:
    client, server = number % _HOSTS, (number // _HOSTS) % _HOSTS
    if number % 2:
        client, server = server, client
    # Most frames are small or full, as in real traffic.
    size = (0, 6, 120, 512, 1426, 1426)[number % 6] if number % 500 else 8960
    payload = struct.pack("!I", number) + _PAYLOAD[number % 251 :][:size]
    kind = number % 16
    if kind == 0:
        return _arp(client, server)
    if kind in (1, 2):
        udp = _udp(40000 + number % 1000, 53, payload, _pseudo(client, server, _UDP, 8 + len(payload), ipv6=kind == 2))
        if kind == 2:
            return _ethernet(client, server, _IPV6, _ipv6(client, server, _UDP, udp))
        return _ethernet(client, server, _IPV4, _ipv4(client, server, _UDP, udp, number))
    if kind == 3:
        echo = struct.pack("!BBHHH", 8, 0, 0, 1, number & 0xFFFF) + payload
        echo = echo[:2] + struct.pack("!H", _checksum(echo)) + echo[4:]
        return _ethernet(client, server, _IPV4, _ipv4(client, server, _ICMP, echo, number))
    tcp = _tcp(50000 + number % 1000, 443, number, payload, _pseudo(client, server, _TCP, 20 + len(payload)))
    packet = _ipv4(client, server, _TCP, tcp, number)
    if kind == 4:
        return _ethernet(client, server, _VLAN, struct.pack("!HH", 100, _IPV4) + packet)
    return _ethernet(client, server, _IPV4, packet)


def _mac(host: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, host])


def _address4(host: int) -> bytes:
    return ipaddress.IPv4Address(f"192.0.2.{host + 1}").packed  # RFC 5737: for documentation


def _address6(host: int) -> bytes:
    return ipaddress.IPv6Address(f"2001:db8::{host + 1:x}").packed  # RFC 3849: for documentation


def _ethernet(client: int, server: int, ethertype: int, payload: bytes) -> bytes:
    return _mac(server) + _mac(client) + struct.pack("!H", ethertype) + payload


def _arp(client: int, server: int) -> bytes:
    body = struct.pack("!HHBBH", 1, _IPV4, 6, 4, 1) + _mac(client) + _address4(client) + bytes(6) + _address4(server)
    return b"\xff" * 6 + _mac(client) + struct.pack("!H", _ARP) + body


def _ipv4(client: int, server: int, protocol: int, payload: bytes, number: int) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, 0x4000, 64, protocol, 0)
    header += _address4(client) + _address4(server)
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + payload


def _ipv6(client: int, server: int, protocol: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + _address6(client) + _address6(server) + payload


def _pseudo(client: int, server: int, protocol: int, length: int, *, ipv6: bool = False) -> bytes:
    if ipv6:
        return _address6(client) + _address6(server) + struct.pack("!II", length, protocol)
    return _address4(client) + _address4(server) + struct.pack("!HH", protocol, length)


def _udp(source: int, destination: int, payload: bytes, pseudo: bytes) -> bytes:
    header = struct.pack("!HHHH", source, destination, 8 + len(payload), 0)
    return header[:6] + struct.pack("!H", _checksum(pseudo + header + payload) or 0xFFFF) + payload


def _tcp(source: int, destination: int, number: int, payload: bytes, pseudo: bytes) -> bytes:
    header = struct.pack("!HHIIBBHHH", source, destination, number * 1460 & 0xFFFFFFFF, 1, 0x50, 0x18, 65535, 0, 0)
    return header[:16] + struct.pack("!HH", _checksum(pseudo + header + payload), 0) + payload


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
