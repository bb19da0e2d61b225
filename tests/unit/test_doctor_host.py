"""What the doctor says of hosts that are described."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.machines import GIB, Description, put

from fastcapa.doctor import host
from fastcapa.doctor.finding import Finding, Severity
from fastcapa.doctor.host import Host, Purpose

Check = Callable[[Host], Iterator[Finding]]


def made(root: Path, described: Description | None = None, **changes: object) -> Host:
    """A host in good order; what a test wants to be wrong it changes."""
    sysfs, procfs = (described or Description(4)).write(root)
    put(procfs / "self/status", "Name: x\nCapEff:\t000001ffffffffff\n")
    put(procfs / "cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc")
    put(sysfs / "devices/system/clocksource/clocksource0/current_clocksource", "tsc")
    arguments: dict[str, object] = {
        "sysfs": sysfs,
        "procfs": procfs,
        "dev": root / "dev",
        "limit": lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        "clock": lambda: (True, 1500),
    }
    return Host(**(arguments | changes))  # type: ignore[arg-type]


def found(findings: Iterator[Finding], severity: Severity) -> list[str]:
    chosen = [finding for finding in findings if finding.severity is severity]
    assert all(finding.remedy for finding in chosen if severity in (Severity.WARNING, Severity.BLOCKS))
    return [finding.text for finding in chosen]


def test_a_host_in_good_order_has_nothing_to_mend(tmp_path: Path) -> None:
    described = Description(4, isolated=frozenset({2, 3}), hugepage_bytes=GIB)
    here = made(tmp_path, described)
    put(here.sysfs / "kernel/iommu_groups/0/type", "DMA")
    put(here.dev / "vfio/vfio", "")
    findings = list(host.examine(here, Purpose(interfaces=True, nics=True, vfio=True)))
    assert {finding.severity for finding in findings} == {Severity.OK}
    texts = " | ".join(finding.text for finding in findings)
    for part in ("CPUs 2-3 are isolated", "1024 of 1024 MiB on node0", "to within 1.5 ms", "IOMMU is on, 1 groups"):
        assert part in texts


@pytest.mark.parametrize(
    ("purpose", "severity"), [(Purpose(), Severity.WARNING), (Purpose(interfaces=True), Severity.BLOCKS)]
)
def test_without_cap_net_raw(purpose: Purpose, severity: Severity, tmp_path: Path) -> None:
    here = made(tmp_path)
    put(here.procfs / "self/status", "CapEff:\t0000000000000000")
    (text,) = found(host.privileges(here, purpose), severity)
    assert text.startswith("no CAP_NET_RAW")


@pytest.mark.parametrize(("purpose", "severity"), [(Purpose(), Severity.NOTE), (Purpose(nics=True), Severity.BLOCKS)])
def test_without_locked_memory(purpose: Purpose, severity: Severity, tmp_path: Path) -> None:
    here = made(tmp_path, limit=lambda which: (65_536, 65_536))
    put(here.procfs / "self/status", "CapEff:\t0000000000002000")  # CAP_NET_RAW only
    (text,) = found(host.privileges(here, purpose), severity)
    assert text.startswith("only 64 KiB of memory may be locked")


@pytest.mark.parametrize(("nics", "severity"), [(False, Severity.NOTE), (True, Severity.WARNING)])
def test_hugepages_that_are_taken_are_not_those_that_are_not_there(
    nics: bool, severity: Severity, tmp_path: Path
) -> None:
    here = made(tmp_path, Description(4, nodes=2))
    (text,) = found(host.hugepages(here, Purpose(nics=nics)), severity)
    assert text.startswith("free: 0 of 0 MiB on node0, 0 of 0 MiB on node1 (there are none)")
    put(here.sysfs / "devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "8")
    (text,) = found(host.hugepages(here, Purpose(nics=nics)), severity)
    assert "0 of 16 MiB on node1 (all are taken)" in text


def test_hugepages_of_a_kernel_without_numa(tmp_path: Path) -> None:
    put(tmp_path / "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2")
    put(tmp_path / "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1")
    (text,) = found(host.hugepages(Host(tmp_path / "sys", tmp_path / "proc"), Purpose()), Severity.OK)
    assert text.startswith("free: 1024 of 2048 MiB on the machine")


def test_vfio_with_and_without_an_iommu(tmp_path: Path) -> None:
    here = made(tmp_path)
    texts = found(host.iommu(here, Purpose(vfio=True)), Severity.BLOCKS)
    assert [text.split(":")[0] for text in texts] == ["no IOMMU groups", "vfio is not loaded"]
    assert len(found(host.iommu(here, Purpose(nics=True)), Severity.NOTE)) == 2  # mlx5 needs none
    put(here.sysfs / "module/vfio/parameters/enable_unsafe_noiommu_mode", "Y")
    put(here.dev / "vfio/vfio", "")
    assert not found(host.iommu(here, Purpose(vfio=True)), Severity.BLOCKS)


def test_governor_and_quota(tmp_path: Path) -> None:
    here = made(tmp_path)
    for cpu, governor in enumerate(("powersave", "performance", "powersave", "powersave")):
        put(here.sysfs / f"devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", governor)
    put(here.sysfs / "fs/cgroup/a/cpu.max", "150000 100000")
    put(here.sysfs / "fs/cgroup/cpu.max", "max 100000")
    governor, quota = found(host.cpus(here), Severity.WARNING)
    assert governor.startswith("frequency governor powersave on CPUs 0,2-3:")
    assert quota.startswith("this cgroup may use 1.5 CPUs' time")


def test_a_clock_that_nobody_keeps(tmp_path: Path) -> None:
    here = made(tmp_path, clock=lambda: (False, 16_000_000))
    put(here.sysfs / "devices/system/clocksource/clocksource0/current_clocksource", "hpet")
    put(here.procfs / "cpuinfo", "flags : fpu constant_tsc")
    texts = " | ".join(found(host.clock(here), Severity.WARNING))
    assert "not synchronised" in texts
    assert "clock source hpet" in texts


def test_too_few_files(tmp_path: Path) -> None:
    (text,) = found(host.files(made(tmp_path, limit=lambda which: (256, 256))), Severity.WARNING)
    assert text.startswith("256 open files")


def test_a_container_that_shows_nothing_is_no_error(tmp_path: Path) -> None:
    findings = list(host.examine(Host(tmp_path / "sys", tmp_path / "proc", tmp_path / "dev"), Purpose()))
    assert all(finding.severity is not Severity.BLOCKS for finding in findings)
