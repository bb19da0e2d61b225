"""Machines that are described, and the sysfs and procfs that such a machine would have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fastcapa import cpu_list
from fastcapa.plan.machine import Cpu, Machine, Node

GIB = 1 << 30


@dataclass(frozen=True)
class Description:
    """Cores are spread over the nodes in blocks; CPU n + cores is the sibling of CPU n, as on most servers."""

    cores: int
    threads: int = 1
    nodes: int = 1
    isolated: frozenset[int] = frozenset()
    hugepage_bytes: int = 0
    """Free on each node, a multiple of 2 MiB."""
    available_bytes: int = 256 * GIB
    offline: frozenset[int] = frozenset()
    cpuset: frozenset[int] | None = None
    interfaces: dict[str, int] = field(default_factory=dict)
    """NUMA node of each."""

    @property
    def cpus(self) -> range:
        return range(self.cores * self.threads)

    def node(self, cpu: int) -> int:
        return cpu % self.cores * self.nodes // self.cores

    def machine(self) -> Machine:
        """The machine as data."""
        allowed = self.cpuset if self.cpuset is not None else frozenset(self.cpus)
        online = [cpu for cpu in self.cpus if cpu not in self.offline]
        return Machine(
            cpus=tuple(
                Cpu(
                    cpu,
                    min(other for other in online if other % self.cores == cpu % self.cores),
                    self.node(cpu),
                    cpu in self.isolated,
                )
                for cpu in online
                if cpu in allowed
            ),
            nodes=tuple(Node(number, self.hugepage_bytes) for number in range(self.nodes)),
            available_bytes=self.available_bytes,
            offline=tuple(sorted(self.offline)),
            forbidden=tuple(cpu for cpu in online if cpu not in allowed),
        )

    def write(self, root: Path) -> tuple[Path, Path]:
        """Make the sysfs and procfs that the kernel of this machine would show; return both."""
        sysfs, procfs = root / "sys", root / "proc"
        cpus = sysfs / "devices/system/cpu"
        online = [cpu for cpu in self.cpus if cpu not in self.offline]
        put(cpus / "present", cpu_list.show(self.cpus))
        put(cpus / "online", cpu_list.show(online))
        put(cpus / "isolated", cpu_list.show(self.isolated))
        for cpu in online:
            siblings = [other for other in online if other % self.cores == cpu % self.cores]
            put(cpus / f"cpu{cpu}/topology/core_cpus_list", cpu_list.show(siblings))
        for node in range(self.nodes):
            directory = sysfs / f"devices/system/node/node{node}"
            put(directory / "cpulist", cpu_list.show(cpu for cpu in online if self.node(cpu) == node))
            pages = directory / "hugepages/hugepages-2048kB"
            put(pages / "free_hugepages", str(self.hugepage_bytes >> 21))
            put(pages / "nr_hugepages", str(self.hugepage_bytes >> 21))
        for name, node in self.interfaces.items():
            put(sysfs / f"class/net/{name}/device/numa_node", str(node))
        put(procfs / "meminfo", f"MemTotal: 1 kB\nMemAvailable:   {self.available_bytes >> 10} kB\n")
        put(procfs / "self/cgroup", "0::/a/b\n")
        if self.cpuset is not None:
            put(sysfs / "fs/cgroup/a/cpuset.cpus.effective", cpu_list.show(self.cpuset))
        return sysfs, procfs


def put(file: Path, text: str) -> None:
    """Write a file and the directories above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
