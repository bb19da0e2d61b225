"""The probe's own traffic to Kafka: which interfaces carry it, and the filter that leaves it out.

Captured, each message would make another packet. The kernel's routing table says over which interface a broker is
reached (rtnetlink(7), RTM_GETROUTE); a bridge, bond, VLAN or other device on top of interfaces is carried by those.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

_RTM_GETROUTE, _RTM_NEWROUTE = 26, 24
_NLM_F_REQUEST = 1
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_NLMSG_HEAD = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_RTATTR = struct.Struct("=HH")
_ANSWER_S = 1.0


class Connection(NamedTuple):
    """A way from here to a broker."""

    interface: str
    local: str
    """Our address, "" if the kernel names none."""
    broker: str
    port: int


def exclusions(
    interfaces: Sequence[str], brokers: Iterable[str], log: Callable[[str], None], *, keep: bool
) -> dict[str, str]:
    """Return, for each of the interfaces that carries our traffic, the filter of what is left out there.

    The user is told; with `keep` nothing is left out.
    """
    found = connections(dict.fromkeys(brokers), log) if interfaces else set()
    exclude: dict[str, str] = {}
    for interface in interfaces:
        carried = carried_by(interface, found)
        ways = ", ".join(dict.fromkeys(f"{way.broker} port {way.port}" for way in carried))
        if carried and keep:
            log(f"warning: {interface} carries our own traffic to Kafka ({ways}), and it is captured too")
        elif carried:
            exclude[interface] = filter_for(interface, carried)
            log(
                f"{interface} carries our own traffic to Kafka ({ways}): it is not captured"
                " (--include-own-traffic keeps it)"
            )
    return exclude


def connections(brokers: Iterable[str], log: Callable[[str], None]) -> set[Connection]:
    """Return how each of the brokers (host:port) is reached, by all of its addresses; `log` gets what is unknown."""
    found: set[Connection] = set()
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            answers = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            log(f"warning: {broker} has no address known here; its traffic will not be left out of the capture")
            continue
        for family, _, _, _, address in answers:
            text = str(address[0]).partition("%")[0]
            if family == socket.AF_INET6 and len(address) == 4 and address[3]:  # link-local: it names its interface
                found.add(Connection(socket.if_indextoname(address[3]), "", text, int(port)))
            elif route := _route(text):
                found.add(Connection(*route, text, int(port)))
    return found


def carried_by(interface: str, found: Iterable[Connection]) -> list[Connection]:
    """Return the connections whose packets pass this interface."""
    return sorted(connection for connection in found if interface in _carriers(connection.interface))


def filter_for(interface: str, carried: Sequence[Connection]) -> str:
    """Return pcap-filter(7) for the packets of connections that this interface carries, "" if there are none."""
    own = " or ".join(dict.fromkeys(f"({_words(connection)})" for connection in carried))
    # A device on top may send with a tag. `vlan` changes the meaning of all that follows: it comes last.
    stacked = any(interface != connection.interface for connection in carried)
    return f"{own} or (vlan and ({own}))" if stacked else own


def _words(connection: Connection) -> str:
    ends = dict.fromkeys(end for end in (connection.broker, connection.local) if end)
    return " and ".join([*(f"host {end}" for end in ends), f"tcp port {connection.port}"])


def _carriers(interface: str) -> set[str]:
    """Return the interface and all that are under it."""
    carriers = {interface}
    for link in Path("/sys/class/net", interface).glob("lower_*"):
        carriers |= _carriers(link.name.removeprefix("lower_"))
    return carriers


def _route(address: str) -> tuple[str, str] | None:
    """Return interface and local address (or "") of the route that the kernel would take, None if there is none."""
    destination = ip_address(address)
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    packed = destination.packed
    attribute = _RTATTR.pack(_RTATTR.size + len(packed), _RTA_DST) + packed
    body = _RTMSG.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0) + attribute
    head = _NLMSG_HEAD.pack(_NLMSG_HEAD.size + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_ANSWER_S)
        kernel.send(head + body)
        answer = kernel.recv(1 << 16)
    if _NLMSG_HEAD.unpack_from(answer)[1] != _RTM_NEWROUTE:
        return None  # no route, no connection
    interface = local = ""
    at = _NLMSG_HEAD.size + _RTMSG.size
    while at + _RTATTR.size <= len(answer):
        length, kind = _RTATTR.unpack_from(answer, at)
        value = answer[at + _RTATTR.size : at + length]
        if kind == _RTA_OIF:
            interface = socket.if_indextoname(*struct.unpack("=I", value))
        elif kind == _RTA_PREFSRC:
            local = str(ip_address(value))
        at += max((length + 3) & ~3, _RTATTR.size)
    return (interface, local) if interface else None
