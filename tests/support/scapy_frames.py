"""Frames made by scapy: every kind that a probe meets, by others than ourselves."""

from __future__ import annotations

import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it warns of the machine's routes, which do not matter

from scapy.contrib.mpls import MPLS  # noqa: E402
from scapy.layers.dns import DNS, DNSQR  # noqa: E402
from scapy.layers.eap import EAPOL  # noqa: E402
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, fragment  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.l2 import ARP, GRE, LLC, STP, Dot1AD, Dot1Q, Dot3, Ether  # noqa: E402
from scapy.layers.ppp import PPP, PPPoE  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkData  # noqa: E402
from scapy.layers.vxlan import VXLAN  # noqa: E402
from scapy.packet import Packet, Raw  # noqa: E402

_MAC = {"dst": "02:00:00:00:00:01", "src": "02:00:00:00:00:02"}
_V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}
_V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}


def _bytes_of(size: int) -> Packet:
    return Raw(bytes(index * 7 & 0xFF for index in range(size)))


def every_kind() -> list[tuple[str, bytes]]:
    """(Name, frame): the shortest has 14 bytes, the longest 65,535."""
    ether, ip, ip6 = Ether(**_MAC), IP(**_V4), IPv6(**_V6)
    tcp = TCP(sport=40000, dport=443, seq=1, flags="PA")
    udp = UDP(sport=40000, dport=53)
    query = DNS(rd=1, qd=DNSQR(qname="example.org"))
    packets: list[tuple[str, Packet]] = [
        ("arp", ether / ARP(psrc="192.0.2.1", pdst="192.0.2.2", hwsrc=_MAC["src"])),
        ("tcp", ether / ip / tcp / _bytes_of(100)),
        ("tcp back", Ether(dst=_MAC["src"], src=_MAC["dst"]) / IP(src=_V4["dst"], dst=_V4["src"]) / TCP(sport=443)),
        ("dns", ether / ip / udp / query),
        ("icmp", ether / ip / ICMP() / _bytes_of(56)),
        ("sctp", ether / ip / SCTP(sport=1, dport=2) / SCTPChunkData(data=b"chunk")),
        ("ip options", ether / IP(**_V4, options=[IPOption_Router_Alert()]) / udp / query),
        ("ipv6 tcp", ether / ip6 / tcp / _bytes_of(100)),
        ("ipv6 icmp", ether / ip6 / ICMPv6EchoRequest(data=b"ping")),
        ("ipv6 extensions", ether / ip6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt() / udp),
        ("vlan", ether / Dot1Q(vlan=100, prio=5) / ip / udp / query),
        ("vlan of priority only", ether / Dot1Q(vlan=0, prio=7) / ip / udp / query),
        ("vlan and ipv6", ether / Dot1Q(vlan=4094) / ip6 / tcp),
        ("qinq, 802.1ad", ether / Dot1AD(vlan=200) / Dot1Q(vlan=100) / ip / udp / query),
        ("two 802.1Q tags", ether / Dot1Q(vlan=200) / Dot1Q(vlan=100) / ip / tcp),
        ("three tags", ether / Dot1AD(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / ip / tcp),
        ("mpls", Ether(**_MAC, type=0x8847) / MPLS(label=17, s=0) / MPLS(label=18, s=1) / ip / udp),
        ("pppoe", Ether(**_MAC, type=0x8864) / PPPoE(sessionid=5) / PPP(proto=0x21) / ip / udp),
        ("gre", ether / ip / GRE() / IP(src="10.0.0.1", dst="10.0.0.2") / udp),
        ("vxlan", ether / ip / UDP(sport=1, dport=4789) / VXLAN(vni=7) / Ether(**_MAC) / ip / tcp),
        ("eapol", Ether(**_MAC, type=0x888E) / EAPOL()),
        ("lldp", Ether(dst="01:80:c2:00:00:0e", src=_MAC["src"], type=0x88CC) / _bytes_of(46)),
        ("spanning tree, 802.3", Dot3(dst="01:80:c2:00:00:00", src=_MAC["src"]) / LLC() / STP()),
        ("full size", ether / ip / tcp / _bytes_of(1460)),
        ("jumbo, 9216 bytes", ether / ip / udp / _bytes_of(9216 - 42)),
        ("offload, 65,535 bytes", ether / ip / tcp / _bytes_of(65_535 - 54)),
    ]
    packets += [("fragment", ether / part) for part in fragment(ip / udp / _bytes_of(4000), fragsize=1400)]
    packets += [
        ("ipv6 fragment", ether / part)
        for part in fragment6(ip6 / IPv6ExtHdrFragment(id=9) / udp / _bytes_of(4000), 1400)
    ]
    made = [(name, bytes(packet)) for name, packet in packets]
    # Runts: shorter than the 60 bytes of Ethernet, down to its header.
    made += [(f"runt of {size} bytes", made[1][1][:size]) for size in range(14, 60)]
    return made
