"""Capabilities (capabilities(7)) of this process, and those that sources of packets need."""

import os
from pathlib import Path

from fastcapa import devargs, sysfs

# linux/capability.h
DAC_OVERRIDE, SETGID, SETUID, NET_ADMIN, NET_RAW, IPC_LOCK = 1, 6, 7, 12, 13, 14
_NAMES = {NET_ADMIN: "CAP_NET_ADMIN", NET_RAW: "CAP_NET_RAW", SETGID: "CAP_SETGID", SETUID: "CAP_SETUID"}
# Drivers of virtual devices on kernel interfaces. Without these they fail, with an error number that says nothing.
_OF_DRIVERS = {"net_af_packet": (NET_RAW,), "net_af_xdp": (NET_RAW, NET_ADMIN), "net_tap": (NET_ADMIN,)}


def held(procfs: Path = Path("/proc")) -> int:
    """Return the effective capabilities, a bit for each."""
    for line in (sysfs.text(procfs / "self/status") or "").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return ~0 if os.geteuid() == 0 else 0


def missing(needed: tuple[int, ...], procfs: Path = Path("/proc")) -> str:
    """Return the names of those that are needed and not held, with "and" between them; empty if none."""
    have = held(procfs)
    return " and ".join(_NAMES[number] for number in needed if not have >> number & 1)


def of_device(name: str) -> tuple[int, ...]:
    """Return what a virtual DPDK device needs, as far as it is known by its driver's name."""
    driver = devargs.name(name).rstrip("0123456789")
    if driver == "net_pcap":  # files need nothing
        return (NET_RAW,) if "iface=" in name else ()
    return _OF_DRIVERS.get(driver, ())
