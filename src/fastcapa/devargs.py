"""Devargs, DPDK's names of devices: "0000:3b:00.0,opt=1" for a NIC, "net_af_xdp0,iface=eth1" for a virtual device."""

import re

_PCI_ADDRESS = re.compile(r"(?:pci:)?((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])(?:,|$)")

# Of net_null, net_af_packet and net_af_xdp; numbers as strtoul(3) reads them.
_NUMBERS = ("size", "copy", "framesz", "framecnt", "blocksz", "qpairs", "start_queue", "queue_count")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")


def is_pci(devargs: str) -> bool:
    """Whether devargs begin with a PCI address ("0000:3b:00.0,…", "af:00.0") and not with a virtual device's name."""
    return _PCI_ADDRESS.match(devargs) is not None


def wrong_number(devargs: str) -> str | None:
    """Return the option of a virtual device whose value is no number where its driver wants one, None if all are.

    The driver itself says only that the device cannot be made.
    """
    for option in devargs.split(",")[1:]:
        key, _, value = option.partition("=")
        if key in _NUMBERS and not _NUMBER.fullmatch(value):
            return option
    return None


def name(devargs: str) -> str:
    """Return the device without its options; a PCI address as sysfs writes it."""
    match = _PCI_ADDRESS.match(devargs)
    if match is None:
        return devargs.partition(",")[0]
    address = match[1].lower()
    return address if address.count(":") == 2 else f"0000:{address}"
