"""Devices as DPDK sees them: each is asked in a process of its own, with a time-out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastcapa.host import pci
from fastcapa.rows import DeviceInfo

PROBE_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class DpdkDevice:
    """A device that is bound away from the kernel, or to a driver that shares it, or named by its devargs."""

    devargs: str
    pci: pci.PciDevice | None
    """None: a virtual device."""
    info: DeviceInfo | None
    problem: str | None
    """Why there is no `info`."""

    @property
    def option(self) -> str | None:
        """What to type to capture from it; None if that cannot be done yet."""
        return f"--device {self.devargs}" if self.info is not None else None


def find(named: Sequence[str], root: Path = Path("/sys")) -> list[DpdkDevice]:
    """Return the PCI devices without a kernel driver or with one that shares them, then those of these devargs."""
    devices = [device for device in pci.find(root) if device.usable or device.driver is None]
    return [_bound(device) for device in devices] + [describe(devargs) for devargs in named]


def _bound(device: pci.PciDevice) -> DpdkDevice:
    if device.usable:
        return describe(device.address, device)
    problem = f"no driver has it; bind it with `dpdk-devbind.py --bind=vfio-pci {device.address}`"
    return DpdkDevice(device.address, device, None, problem)


def describe(devargs: str, device: pci.PciDevice | None = None, timeout_s: float = PROBE_TIMEOUT_S) -> DpdkDevice:
    """Ask DPDK about a device; whatever goes wrong is in `problem`."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", "fastcapa.devices_probe", devargs],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return DpdkDevice(devargs, device, None, f"DPDK did not answer within {timeout_s:g} s")
    except OSError as error:
        return DpdkDevice(devargs, device, None, f"cannot start {sys.executable} to ask DPDK: {error.strerror}")
    except ValueError:  # a NUL character
        return DpdkDevice(devargs, device, None, "devargs hold a character that cannot be passed on")
    try:
        answer = json.loads(child.stdout)
    except ValueError:
        words = child.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {child.returncode}"]
        return DpdkDevice(devargs, device, None, f"DPDK gave no answer: {words[-1].strip()}")
    if "error" in answer:
        return DpdkDevice(devargs, device, None, " ".join(str(answer["error"]).split()))
    info: DeviceInfo = answer
    return DpdkDevice(devargs, device, info, None)
