"""The kernel's network interfaces, in this network namespace."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from fastcapa import sysfs
from fastcapa.host import ethtool, pci
from fastcapa.plan.machine import device_node

# linux/if.h, linux/if_arp.h
_IFF_UP = 1
_ARPHRD_ETHER = 1
_ARPHRD_LOOPBACK = 772


@dataclass(frozen=True)
class Interface:
    """An interface, as `devices --json` shows it. None: it does not say."""

    name: str
    kind: str
    """"physical", or the kernel's word for what it is: veth, bridge, vlan, tun, loopback ..."""
    driver: str | None
    pci: str | None
    numa_node: int | None
    mac: str | None
    up: bool
    """Switched on (administratively)."""
    link: bool
    """There is a carrier."""
    mtu: int
    xdp: bool
    """An XDP program is attached."""
    ethernet: bool
    facts: ethtool.Facts

    @property
    def option(self) -> str | None:
        """What to type to capture from it; None if that cannot be done."""
        return f"-i {self.name}" if self.ethernet else None


def find(root: Path = Path("/sys")) -> list[Interface]:
    """Return all interfaces in the kernel's order; OSError if netlink is not for us."""
    with IPRoute() as netlink:
        return [_interface(link, root) for link in netlink.get_links()]


def _interface(link: Any, root: Path) -> Interface:
    name = str(link.get_attr("IFLA_IFNAME"))
    # After `nsenter -n` sysfs still shows the interfaces of another namespace, perhaps one of the same name.
    directory: Path | None = root / "class/net" / name
    if directory is not None and sysfs.number(directory / "ifindex") != link["index"]:
        directory = None
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else None
    if kind is None:
        kind = "loopback" if link["ifi_type"] == _ARPHRD_LOOPBACK else "physical"
    xdp = link.get_attr("IFLA_XDP")
    node = device_node(name, root) if directory is not None else -1
    return Interface(
        name=name,
        kind=str(kind),
        driver=sysfs.link(directory / "device/driver") if directory is not None else None,
        pci=pci.address_of(directory / "device") if directory is not None else None,
        numa_node=node if node >= 0 else None,
        mac=link.get_attr("IFLA_ADDRESS"),
        up=bool(link["flags"] & _IFF_UP),
        link=bool(link.get_attr("IFLA_CARRIER")),
        mtu=int(link.get_attr("IFLA_MTU")),
        xdp=bool(xdp is not None and xdp.get_attr("IFLA_XDP_ATTACHED")),
        ethernet=link["ifi_type"] in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK),
        facts=ethtool.facts(name),
    )
