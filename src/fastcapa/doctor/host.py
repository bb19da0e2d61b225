"""The host: hugepages, privileges, IOMMU, CPUs, clock, limits, versions."""

import platform
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastcapa import __version__, _clock, _dataplane, cpu_list, sysfs
from fastcapa.doctor.finding import Finding, blocks, note, ok, warning
from fastcapa.host import capabilities
from fastcapa.plan.machine import cgroup_files, hugepage_bytes

MIB = 1 << 20
# What a DPDK device has locked at least: its rings and the packet buffers of one queue.
_LOCKED_BYTES_MIN = 128 * MIB
# Sockets to a middling cluster from some tx workers, with what the EAL keeps open.
_FILES_MIN = 1024
# Clocks that are read without a system call.
_FAST_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")


@dataclass(frozen=True)
class Host:
    """Where a host's facts come from; tests give others."""

    sysfs: Path = Path("/sys")
    procfs: Path = Path("/proc")
    dev: Path = Path("/dev")
    limit: Callable[[int], tuple[int, int]] = resource.getrlimit
    clock: Callable[[], tuple[bool, int]] = _clock.discipline


@dataclass(frozen=True)
class Purpose:
    """What the host is to be fit for."""

    interfaces: bool = False
    """Capture from kernel interfaces."""
    nics: bool = False
    """Capture from PCI devices through DPDK."""
    vfio: bool = False
    """One of these is, or has to be, bound to vfio-pci."""


def examine(host: Host, purpose: Purpose) -> Iterator[Finding]:
    """Yield every finding on the host."""
    yield from versions(host)
    yield from privileges(host, purpose)
    yield from hugepages(host, purpose)
    yield from iommu(host, purpose)
    yield from cpus(host)
    yield from clock(host)
    yield from files(host)


def versions(host: Host) -> Iterator[Finding]:
    """Say what is installed."""
    kernel = sysfs.text(host.procfs / "sys/kernel/osrelease") or platform.release()
    yield ok("versions", f"fastcapa {__version__}, Python {platform.python_version()}, {_dataplane.versions()}")
    yield ok("versions", f"Linux {kernel}")


def privileges(host: Host, purpose: Purpose) -> Iterator[Finding]:
    """Check the capabilities that sockets on interfaces and locked memory need."""
    held = capabilities.held(host.procfs)
    if held >> capabilities.NET_RAW & 1:
        yield ok("privileges", "CAP_NET_RAW: kernel interfaces can be captured from")
    else:
        found = blocks if purpose.interfaces else warning
        yield found(
            "privileges",
            "no CAP_NET_RAW: kernel interfaces cannot be captured from (capture files and the demo can be)",
            "run fastcapa as root, or: sudo setpriv --reuid=$USER --regid=$(id -g) --init-groups --inh-caps=+net_raw"
            " --ambient-caps=+net_raw fastcapa capture ...",
        )
    locked = host.limit(resource.RLIMIT_MEMLOCK)[0]
    if held >> capabilities.IPC_LOCK & 1 or locked in (resource.RLIM_INFINITY,) or locked >= _LOCKED_BYTES_MIN:
        yield ok("privileges", "memory can be locked (DPDK NICs need that)")
    else:
        found = blocks if purpose.nics else note
        yield found(
            "privileges",
            f"only {locked // 1024} KiB of memory may be locked and there is no CAP_IPC_LOCK: DPDK NICs cannot be used",
            "run fastcapa as root, or: ulimit -l unlimited (in a service: LimitMEMLOCK=infinity)",
        )


def hugepages(host: Host, purpose: Purpose) -> Iterator[Finding]:
    """Check what hugepages there are, and which are free, by NUMA node."""
    nodes = [
        (path.name, path / "hugepages")
        for path in sorted((host.sysfs / "devices/system/node").glob("node[0-9]*"))
        if (path / "hugepages").is_dir()
    ] or [("the machine", host.sysfs / "kernel/mm/hugepages")]
    total = sum(hugepage_bytes(path, "nr_hugepages") for _, path in nodes)
    free = sum(hugepage_bytes(path, "free_hugepages") for _, path in nodes)
    shares = ", ".join(
        f"{hugepage_bytes(path, 'free_hugepages') // MIB} of"
        f" {hugepage_bytes(path, 'nr_hugepages') // MIB} MiB on {name}"
        for name, path in nodes
    )
    remedy = "echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages (as root; at boot: hugepages=512)"
    mounted = "hugetlbfs" in (sysfs.text(host.procfs / "mounts") or "")
    if free > 0:
        where = "hugetlbfs is mounted" if mounted else "hugetlbfs is not mounted, which is not needed"
        yield ok("hugepages", f"free: {shares}; {where}")
        return
    why = "all are taken" if total else "there are none"
    found = warning if purpose.nics else note
    yield found("hugepages", f"free: {shares} ({why}): ordinary pages are used, with more TLB misses", remedy)


def iommu(host: Host, purpose: Purpose) -> Iterator[Finding]:
    """Check what vfio-pci needs."""
    groups = len(sysfs.names(host.sysfs / "kernel/iommu_groups"))
    unsafe = sysfs.text(host.sysfs / "module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y"
    found = blocks if purpose.vfio else note
    if groups:
        yield ok("iommu", f"the IOMMU is on, {groups} groups")
    elif unsafe:
        yield note("iommu", "vfio works without an IOMMU (unsafe: a NIC may write anywhere in memory); needs root")
    else:
        yield found(
            "iommu",
            "no IOMMU groups: vfio-pci cannot be used; kernel interfaces do not need it",
            "boot with intel_iommu=on iommu=pt (AMD: iommu=pt); in a virtual machine without an IOMMU:"
            " echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
        )
    if (host.dev / "vfio/vfio").exists():
        yield ok("iommu", "vfio is loaded")
    else:
        yield found("iommu", "vfio is not loaded: no NIC can be bound to vfio-pci", "modprobe vfio-pci")


def cpus(host: Host) -> Iterator[Finding]:
    """Check isolation, frequency governors and the cgroup's share of CPU time."""
    directory = host.sysfs / "devices/system/cpu"
    isolated = sysfs.text(directory / "isolated")
    if isolated:
        yield ok("cpu", f"CPUs {isolated} are isolated for the workers")
    else:
        yield note(
            "cpu",
            "no CPU is isolated: other processes and interrupts interrupt the workers",
            "boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST; `fastcapa capture ... --check` shows the CPUs",
        )
    by_governor: dict[str, list[int]] = {}
    for path in directory.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        number = path.parent.parent.name.removeprefix("cpu")
        by_governor.setdefault(sysfs.text(path) or "?", []).append(int(number))
    slow = {governor: numbers for governor, numbers in by_governor.items() if governor != "performance"}
    for governor, numbers in slow.items():
        yield warning(
            "cpu",
            f"frequency governor {governor} on CPUs {cpu_list.show(numbers)}: bursts meet a CPU that is still slow",
            "cpupower frequency-set -g performance",
        )
    if not slow:
        yield ok("cpu", "frequency governor performance" if by_governor else "no frequency governor here")
    yield from _quota(host)


def _quota(host: Host) -> Iterator[Finding]:
    for file in cgroup_files(host.sysfs, host.procfs, "cpu", "cpu.max"):
        words = (sysfs.text(file) or "max").split()
        if words[0].isdecimal() and len(words) > 1:
            yield warning(
                "cpu",
                f"this cgroup may use {int(words[0]) / int(words[1]):g} CPUs' time ({file}): when it is used up,"
                " workers stand still and packets are lost",
                "take the limit off (Kubernetes: no CPU limit, or whole CPUs with the static CPU manager)",
            )


def clock(host: Host) -> Iterator[Finding]:
    """Check whether the system clock is right and cheap to read."""
    try:
        synchronised, error_us = host.clock()
    except OSError:
        yield note("clock", "the kernel does not say whether the clock is synchronised", "chronyc tracking")
    else:
        if synchronised:
            yield ok("clock", f"synchronised, to within {error_us / 1000:g} ms at worst")
        else:
            yield warning(
                "clock",
                "not synchronised: receive times, which are the keys, drift from those of other machines",
                "apt-get install chrony && chronyc waitsync 10",
            )
    flags = next(
        (line for line in (sysfs.text(host.procfs / "cpuinfo") or "").splitlines() if "constant_tsc" in line), ""
    )
    source = sysfs.text(host.sysfs / "devices/system/clocksource/clocksource0/current_clocksource") or "unknown"
    if platform.machine() == "x86_64" and ("nonstop_tsc" not in flags or "constant_tsc" not in flags):
        yield warning(
            "clock",
            "the CPU's cycle counter is not invariant (constant_tsc, nonstop_tsc): busy shares are wrong",
            "use a machine type that passes the host's CPU through (libvirt: cpu mode='host-passthrough')",
        )
    if source in _FAST_CLOCKS:
        yield ok("clock", f"clock source {source}")
    else:
        yield warning(
            "clock",
            f"clock source {source}: each reading is a system call, once a burst for DPDK devices",
            "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        )


def files(host: Host) -> Iterator[Finding]:
    """Check how many files and sockets may be open."""
    soft, _ = host.limit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _FILES_MIN:
        yield ok("limits", f"{soft} open files are allowed")
    else:
        yield warning(
            "limits",
            f"{soft} open files are allowed: each tx worker has a socket for every broker",
            "ulimit -n 65536 (in a service: LimitNOFILE=65536)",
        )
