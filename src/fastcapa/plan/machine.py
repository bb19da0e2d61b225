"""The machine that a plan is made for, as data: its CPUs, their cores and NUMA nodes, and its free memory.

Read from sysfs and procfs, or described in a test. Whatever is not there (a container, an old kernel) is taken as a
machine without it: one NUMA node, no siblings, no isolation.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fastcapa import cpu_list
from fastcapa import sysfs as sysfs_files

MIB = 1 << 20


@dataclass(frozen=True)
class Cpu:
    """A logical CPU that a thread of ours may run on."""

    number: int
    core: int
    """The lowest number among the CPUs of its core: siblings (hyper-threads) have the same."""
    node: int = 0
    isolated: bool = False
    """Taken from the scheduler (isolcpus): threads run there only when they are pinned to it."""
    ours: bool = True
    """In this process's affinity mask. Others may still be named by --lcores."""


@dataclass(frozen=True)
class Node:
    """A NUMA node."""

    number: int
    free_hugepage_bytes: int = 0


@dataclass(frozen=True)
class Machine:
    """What a plan has to work with."""

    cpus: tuple[Cpu, ...]
    """CPUs that are online and in our cgroup's cpuset, in the order of their numbers."""
    nodes: tuple[Node, ...] = (Node(0),)
    available_bytes: int | None = None
    """Memory that can be had without swapping, within the cgroup's limit; None: not known."""
    offline: tuple[int, ...] = ()
    """CPUs that are there and switched off."""
    forbidden: tuple[int, ...] = ()
    """CPUs that are online and not in our cgroup's cpuset."""

    @property
    def free_hugepage_bytes(self) -> int:
        """Return what is free on all nodes together."""
        return sum(node.free_hugepage_bytes for node in self.nodes)

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine as this process sees it."""
        return read(Path("/sys"), Path("/proc"), os.sched_getaffinity(0))

    def without_hugepages(self) -> "Machine":
        """Return this machine as it is when its hugepages cannot be had."""
        return replace(self, nodes=tuple(replace(node, free_hugepage_bytes=0) for node in self.nodes))


def read(sysfs: Path, procfs: Path, affinity: Iterable[int]) -> Machine:
    """Return the machine that sysfs and procfs describe; `affinity` is this process's mask."""
    mask = set(affinity)
    cpus = sysfs / "devices/system/cpu"
    online = set(_cpus(cpus / "online")) or mask
    allowed = online & (set(_cpuset(sysfs, procfs)) or online)
    isolated = set(_cpus(cpus / "isolated"))
    # isolcpus takes CPUs out of every process's mask, but not for ever: workers are what they were isolated for. A
    # mask that is narrower still was set by somebody (taskset, systemd), who means it.
    if allowed - isolated <= mask:
        mask |= allowed & isolated
    node_of = _nodes(sysfs)
    return Machine(
        cpus=tuple(
            Cpu(
                number=number,
                core=min(_siblings(cpus / f"cpu{number}"), default=number),
                node=node_of.get(number, 0),
                isolated=number in isolated,
                ours=number in mask,
            )
            for number in sorted(allowed)
        ),
        nodes=_memory_nodes(sysfs),
        available_bytes=_available(sysfs, procfs),
        offline=tuple(sorted(set(_cpus(cpus / "present")) - online)),
        forbidden=tuple(sorted(online - allowed)),
    )


def device_node(name: str, sysfs: Path = Path("/sys")) -> int:
    """Return the NUMA node of a kernel interface, or of a PCI device by its address; -1 if it has none or hides it."""
    if "/" in name or name in ("", ".", ".."):
        return -1
    for path in (sysfs / "class/net" / name / "device", sysfs / "bus/pci/devices" / name):
        # A virtio interface's own device has no node; the PCI device above it has.
        for directory in (path, path.resolve().parent):
            number = sysfs_files.number(directory / "numa_node")
            if number is not None:
                return number
    return -1


def hugepage_bytes(directory: Path, which: str) -> int:
    """Return the bytes of the hugepages ("free_hugepages", "nr_hugepages") of every size under a directory."""
    total = 0
    for size in directory.glob("hugepages-*kB"):
        kb = size.name.removeprefix("hugepages-").removesuffix("kB")
        total += (sysfs_files.number(size / which) or 0) * int(kb) * 1024 if kb.isdigit() else 0
    return total


def _memory_nodes(sysfs: Path) -> tuple[Node, ...]:
    directories = {
        int(path.name.removeprefix("node")): path
        for path in (sysfs / "devices/system/node").glob("node[0-9]*")
        if path.name.removeprefix("node").isdigit()
    }
    if not directories:
        return (Node(0, hugepage_bytes(sysfs / "kernel/mm/hugepages", "free_hugepages")),)
    return tuple(
        Node(number, hugepage_bytes(path / "hugepages", "free_hugepages"))
        for number, path in sorted(directories.items())
    )


def _nodes(sysfs: Path) -> dict[int, int]:
    """Return the NUMA node of each CPU."""
    return {
        cpu: int(path.name.removeprefix("node"))
        for path in (sysfs / "devices/system/node").glob("node[0-9]*")
        for cpu in _cpus(path / "cpulist")
    }


def _siblings(cpu: Path) -> tuple[int, ...]:
    # Its name from Linux 5.3 on, and the one before.
    return _cpus(cpu / "topology/core_cpus_list") or _cpus(cpu / "topology/thread_siblings_list")


def cgroup_files(sysfs: Path, procfs: Path, controller: str, name: str) -> list[Path]:
    """Return the paths of a cgroup file from our own cgroup up to the root, version 2 and then version 1."""
    files: list[Path] = []
    for line in (sysfs_files.text(procfs / "self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = sysfs / "fs/cgroup" / (controller if controllers else "")
        own = root / path.lstrip("/")
        files += [directory / name for directory in (own, *own.parents) if directory.is_relative_to(root)]
    return files


def _cpuset(sysfs: Path, procfs: Path) -> tuple[int, ...]:
    """Return the CPUs of our cgroup's cpuset; empty if none is set or it cannot be seen."""
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
        for file in cgroup_files(sysfs, procfs, "cpuset", name):
            if cpus := _cpus(file):
                return cpus
    return ()


def _available(sysfs: Path, procfs: Path) -> int | None:
    """Return MemAvailable, or what is left of a cgroup's limit if that is less."""
    found: list[int] = []
    for line in (sysfs_files.text(procfs / "meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for limit in cgroup_files(sysfs, procfs, "memory", "memory.max"):
        most, used = sysfs_files.number(limit), sysfs_files.number(limit.with_name("memory.current"))
        if most is not None and used is not None:
            found.append(max(0, most - used))
    return min(found, default=None)


def _cpus(file: Path) -> tuple[int, ...]:
    try:
        return cpu_list.parse(text) if (text := sysfs_files.text(file)) else ()
    except ValueError:
        return ()
