"""Network devices on the PCI bus and what they are bound to."""

import re
from dataclasses import dataclass
from pathlib import Path

from fastcapa import sysfs
from fastcapa.plan.machine import device_node

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_CLASS_NETWORK = "0x02"
DPDK_DRIVERS = ("vfio-pci", "igb_uio", "uio_pci_generic")
# Their devices stay with the kernel's driver and are used by DPDK at the same time.
BIFURCATED_DRIVERS = ("mlx4_core", "mlx5_core", "mana")


@dataclass(frozen=True)
class PciDevice:
    """A network device."""

    address: str
    id: str
    """Vendor and device, as in pci.ids: "8086:1572"."""
    driver: str | None
    interfaces: tuple[str, ...]
    """The kernel interfaces that it has."""
    numa_node: int | None
    iommu_group: int | None

    @property
    def bound(self) -> str:
        """To what it is bound: "vfio-pci", "uio", "kernel", "none"."""
        if self.driver is None:
            return "none"
        if self.driver in DPDK_DRIVERS:
            return self.driver if self.driver == "vfio-pci" else "uio"
        return "kernel"

    @property
    def usable(self) -> bool:
        """Whether DPDK can open it as it is bound now."""
        return self.driver in DPDK_DRIVERS or self.driver in BIFURCATED_DRIVERS


def find(root: Path = Path("/sys")) -> list[PciDevice]:
    """Return the network devices, by address."""
    directory = root / "bus/pci/devices"
    return [
        _device(directory / name, root)
        for name in sysfs.names(directory)
        if (sysfs.text(directory / name / "class") or "").startswith(_CLASS_NETWORK)
    ]


def _device(directory: Path, root: Path) -> PciDevice:
    ids = ((sysfs.text(directory / name) or "?").removeprefix("0x") for name in ("vendor", "device"))
    group = sysfs.link(directory / "iommu_group")
    node = device_node(directory.name, root)
    # A virtio NIC's interface is one directory deeper.
    interfaces = {path.name for pattern in ("net/*", "virtio*/net/*") for path in directory.glob(pattern)}
    return PciDevice(
        address=directory.name,
        id=":".join(ids),
        driver=sysfs.link(directory / "driver"),
        interfaces=tuple(sorted(interfaces)),
        numa_node=node if node >= 0 else None,
        iommu_group=int(group) if group is not None and group.isdecimal() else None,
    )


def address_of(device: Path) -> str | None:
    """Return the PCI address of a device's directory, or of the one above it (virtio); None if it is not on PCI."""
    try:
        path = device.resolve(strict=True)
    except OSError:
        return None
    return next((part.name for part in (path, path.parent) if _ADDRESS.fullmatch(part.name)), None)
