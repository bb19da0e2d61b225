"""Devargs, DPDK's names of devices: "0000:3b:00.0,opt=1" for a NIC, "net_af_xdp0,iface=eth1" for a virtual device."""

import re

_PCI_ADDRESS = re.compile(r"(?:pci:)?((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])(?:,|$)")


def is_pci(devargs: str) -> bool:
    """Whether devargs begin with a PCI address ("0000:3b:00.0,…", "af:00.0") and not with a virtual device's name."""
    return _PCI_ADDRESS.match(devargs) is not None


def name(devargs: str) -> str:
    """Return the device without its options; a PCI address as sysfs writes it."""
    match = _PCI_ADDRESS.match(devargs)
    if match is None:
        return devargs.partition(",")[0]
    address = match[1].lower()
    return address if address.count(":") == 2 else f"0000:{address}"
