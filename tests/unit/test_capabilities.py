"""What a source needs and a process has not."""

from pathlib import Path

import pytest
from support.machines import put

from fastcapa.host import capabilities


@pytest.mark.parametrize(
    ("device", "lacking"),
    [
        ("net_af_xdp0,iface=eth1", "CAP_NET_RAW and CAP_NET_ADMIN"),
        ("net_af_packet12,iface=eth1", "CAP_NET_RAW"),
        ("net_tap0", "CAP_NET_ADMIN"),
        ("net_pcap0,iface=lo", "CAP_NET_RAW"),
        ("net_pcap0,rx_pcap=a.pcap", ""),
        ("net_null0", ""),
        ("0000:3b:00.0", ""),
    ],
)
def test_devices(device: str, lacking: str, tmp_path: Path) -> None:
    needed = capabilities.of_device(device)
    put(tmp_path / "self/status", "Name: x\nCapEff:\t0000000000000000\n")
    assert capabilities.missing(needed, tmp_path) == lacking
    put(tmp_path / "self/status", "Name: x\nCapEff:\t000001ffffffffff\n")
    assert capabilities.missing(needed, tmp_path) == ""


def test_those_that_are_held_are_not_named(tmp_path: Path) -> None:
    put(tmp_path / "self/status", "CapEff:\t0000000000002000")  # CAP_NET_RAW only
    assert capabilities.missing(capabilities.of_device("net_af_xdp0,iface=x"), tmp_path) == "CAP_NET_ADMIN"
