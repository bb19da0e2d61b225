"""Which interface carries the connection to Kafka, and the filter for it."""

import socket

import pytest

from fastcapa._pcap import Filter
from fastcapa.kafka.properties import bootstrap_servers
from fastcapa.own_traffic import Connection, carried_by, connections, filter_for

V4 = Connection("eth0", "192.0.2.2", "198.51.100.7", 9092)
V6 = Connection("eth0", "2001:db8::2", "2001:db8:1::7", 9093)


def tcp4(source: str, source_port: int, target: str, target_port: int, *, tag: bytes = b"") -> bytes:
    ip = bytes.fromhex("4500002800010000400600 00".replace(" ", ""))
    ip = ip[:10] + bytes(2) + socket.inet_aton(source) + socket.inet_aton(target)
    tcp = source_port.to_bytes(2, "big") + target_port.to_bytes(2, "big") + bytes(8) + b"\x50\x10" + bytes(6)
    return bytes(12) + tag + b"\x08\x00" + ip + tcp


def tcp6(source: str, source_port: int, target: str, target_port: int) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    ip = bytes.fromhex("6000000000140640") + ends
    tcp = source_port.to_bytes(2, "big") + target_port.to_bytes(2, "big") + bytes(8) + b"\x50\x10" + bytes(6)
    return bytes(12) + b"\x86\xdd" + ip + tcp


def test_loopback_is_found_by_name_and_by_address() -> None:
    said: list[str] = []
    found = connections(["127.0.0.1:9092", "localhost:9093"], said.append)
    assert Connection("lo", "127.0.0.1", "127.0.0.1", 9092) in found
    assert Connection("lo", "127.0.0.1", "127.0.0.1", 9093) in found
    assert {connection.interface for connection in found} == {"lo"}
    assert said == []
    assert carried_by("lo", found) == sorted(found)
    assert carried_by("eth9", found) == []


def test_an_address_of_this_machine_is_reached_over_loopback() -> None:
    # 127.0.0.0/8 is all ours; a broker may well listen on another of its addresses.
    (found,) = connections(["127.3.2.1:9092"], print)
    assert found.interface == "lo"


def test_a_broker_without_an_address_is_said() -> None:
    said: list[str] = []
    assert connections(["no-such-host.invalid:9092"], said.append) == set()
    assert said == [
        "warning: no-such-host.invalid:9092 has no address known here; its traffic will not be left out of the capture"
    ]


def test_the_filter_is_for_our_connection_only() -> None:
    own = Filter(filter_for("eth0", [V4, V6]))
    assert own.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9092))
    assert own.matches(tcp4("198.51.100.7", 9092, "192.0.2.2", 40000))
    assert own.matches(tcp6("2001:db8::2", 40000, "2001:db8:1::7", 9093))
    assert own.matches(tcp6("2001:db8:1::7", 9093, "2001:db8::2", 40000))
    # Another host's traffic to the same broker is not ours, nor is ours to another port.
    assert not own.matches(tcp4("192.0.2.3", 40000, "198.51.100.7", 9092))
    assert not own.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9093))
    assert not own.matches(tcp6("2001:db8::2", 40000, "2001:db8:1::7", 9092))
    assert not own.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9092, tag=b"\x81\x00\x00\x05"))
    assert filter_for("eth0", []) == ""


def test_under_a_device_on_top_tags_do_not_hide_it() -> None:
    own = Filter(filter_for("eth0", [V4._replace(interface="eth0.5")]))
    assert own.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9092))
    assert own.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9092, tag=b"\x81\x00\x00\x05"))


@pytest.mark.parametrize("words", ["", "udp or tcp", "vlan 5"])
def test_it_combines_with_the_users_filter(words: str) -> None:
    own = filter_for("eth0", [V4, V6])
    combined = Filter(f"({words}) and not ({own})" if words else f"not ({own})")
    assert not combined.matches(tcp4("192.0.2.2", 40000, "198.51.100.7", 9092))
    assert combined.matches(tcp4("192.0.2.3", 40000, "198.51.100.7", 9092)) == (words != "vlan 5")


def test_bootstrap_servers() -> None:
    servers = "one, two:9093,[2001:db8::1],[2001:db8::2]:9094,SASL_SSL://three:9095"
    assert bootstrap_servers({"bootstrap.servers": servers}) == [
        "one:9092",
        "two:9093",
        "[2001:db8::1]:9092",
        "[2001:db8::2]:9094",
        "three:9095",
    ]
