"""Devargs: what of them is checked before DPDK sees them."""

import pytest

from fastcapa.devargs import wrong_number


@pytest.mark.parametrize(
    ("devargs", "wrong"),
    [
        ("net_null0,size=abc", "size=abc"),
        ("net_null0,copy=1,size=", "size="),
        ("net_null0,size=64", None),
        ("net_null0,size=0x40,copy=0", None),
        ("net_af_packet0,iface=size,framesz=-1", "framesz=-1"),
        ("net_af_xdp0,iface=eth1,queue_count=2", None),
        ("0000:3b:00.0,representor=size", None),
    ],
)
def test_numbers_of_virtual_devices(devargs: str, wrong: str | None) -> None:
    assert wrong_number(devargs) == wrong
