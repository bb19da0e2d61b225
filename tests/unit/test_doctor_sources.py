"""What the doctor says of interfaces and devices that are described."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.machines import Description, put

from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.doctor import sources
from fastcapa.doctor.finding import Finding, Severity
from fastcapa.host import dpdk, pci
from fastcapa.host.ethtool import Facts
from fastcapa.host.interfaces import Interface

NIC = "0000:3b:00.0"
NOTHING = Facts()


def interface(facts: object = NOTHING, **changes: object) -> Interface:
    values: dict[str, object] = {
        "name": "eth1",
        "kind": "physical",
        "driver": "ice",
        "pci": NIC,
        "numa_node": 0,
        "mac": "02:00:00:00:00:01",
        "up": True,
        "link": True,
        "mtu": 1500,
        "xdp": False,
        "ethernet": True,
        "facts": facts,
    }
    return Interface(**(values | changes))  # type: ignore[arg-type]


def texts(findings: list[Finding], severity: Severity) -> list[str]:
    return [finding.text for finding in findings if finding.severity is severity]


def look(candidate: Interface) -> list[Finding]:
    return list(sources.interface("eth1", [interface(name="lo", kind="loopback"), candidate]))


def test_a_good_interface() -> None:
    assert {finding.severity for finding in look(interface(Facts(speed_mbps=100_000)))} == {Severity.OK}


def test_a_missing_one_names_those_that_there_are() -> None:
    (finding,) = sources.interface("eth9", [interface()])
    assert finding.severity is Severity.BLOCKS
    assert finding.text == "eth9: no such interface; there are eth1"


@pytest.mark.parametrize(
    ("changes", "severity", "text"),
    [
        ({"up": False}, Severity.BLOCKS, "eth1: is down"),
        ({"ethernet": False, "kind": "wireguard"}, Severity.BLOCKS, "eth1: is not Ethernet (wireguard)"),
        ({"link": False}, Severity.WARNING, "eth1: up, but without a carrier"),
        ({"xdp": True}, Severity.WARNING, "eth1: an XDP program is attached"),
    ],
)
def test_states(changes: dict[str, object], severity: Severity, text: str) -> None:
    (found,) = texts(look(interface(**changes)), severity)
    assert found.startswith(text)


def test_merging_offloads_are_switched_off_by_the_remedy() -> None:
    findings = look(interface(Facts(merging=["gro", "lro", "gro-hw"])))
    (finding,) = [finding for finding in findings if finding.severity is Severity.WARNING]
    assert finding.text.startswith("eth1: gro, lro, gro-hw merge received frames")
    assert finding.remedy == "ethtool -K eth1 gro off lro off rx-gro-hw off"


@pytest.mark.parametrize(("kind", "severity"), [("veth", Severity.WARNING), ("physical", Severity.NOTE)])
def test_segmentation_counts_where_the_other_end_is_here(kind: str, severity: Severity) -> None:
    (text,) = texts(look(interface(Facts(segmenting=["gso", "tso"]), kind=kind)), severity)
    assert text.startswith("eth1: gso, tso: ")


def test_small_rings_can_be_larger() -> None:
    (finding,) = [
        finding
        for finding in look(interface(Facts(rx_descriptors=512, rx_descriptors_max=8160)))
        if finding.severity is Severity.NOTE
    ]
    assert finding.remedy == "ethtool -G eth1 rx 8160"


# ---- the PCI bus ----


def nic(sysfs: Path, driver: str | None, *, interfaces: tuple[str, ...] = ()) -> None:
    directory = sysfs / "bus/pci/devices" / NIC
    put(directory / "class", "0x020000")
    put(directory / "vendor", "0x8086")
    put(directory / "device", "0x159b")
    put(directory / "numa_node", "1")
    if driver is not None:
        (sysfs / "bus/pci/drivers" / driver).mkdir(parents=True)
        (directory / "driver").symlink_to(sysfs / "bus/pci/drivers" / driver)
    for name in interfaces:
        put(directory / f"net/{name}/ifindex", "7")


@pytest.mark.parametrize(
    ("driver", "bound", "usable"),
    [
        ("vfio-pci", "vfio-pci", True),
        ("igb_uio", "uio", True),
        ("ice", "kernel", False),
        ("mlx5_core", "kernel", True),
        (None, "none", False),
    ],
)
def test_what_a_device_is_bound_to(driver: str | None, bound: str, usable: bool, tmp_path: Path) -> None:
    nic(tmp_path, driver)
    put(tmp_path / "bus/pci/devices/0000:00:02.0/class", "0x030000")  # no network device
    (device,) = pci.find(tmp_path)
    assert (device.address, device.id, device.numa_node) == (NIC, "8086:159b", 1)
    assert (device.bound, device.usable) == (bound, usable)
    assert sources.needs_vfio(NIC, tmp_path) == (driver in ("vfio-pci", "ice", None))


def test_a_device_with_a_kernel_driver_blocks_and_says_what_goes_away(tmp_path: Path) -> None:
    nic(tmp_path, "ice", interfaces=("ens1f0",))
    (finding,) = sources.device("3b:00.0", tmp_path)
    assert finding.severity is Severity.BLOCKS
    assert "bound to ice as ens1f0, which then goes away" in finding.text
    assert finding.remedy is not None
    assert finding.remedy.endswith(f"dpdk-devbind.py --bind=vfio-pci {NIC}")


def test_a_device_that_is_not_there_blocks(tmp_path: Path) -> None:
    (finding,) = sources.device(NIC, tmp_path)
    assert finding.severity is Severity.BLOCKS


def test_a_device_that_nobody_has_is_listed_with_the_command(tmp_path: Path) -> None:
    nic(tmp_path, None)
    (device,) = dpdk.find([], tmp_path)
    assert device.problem == f"no driver has it; bind it with `dpdk-devbind.py --bind=vfio-pci {NIC}`"
    assert device.option is None


# ---- the child that asks DPDK ----


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exec sleep 60", "DPDK did not answer within 0.5 s"),
        ("echo EAL: no way >&2; kill -SEGV $$", "DPDK gave no answer: EAL: no way"),
        ("exit 7", "DPDK gave no answer: exit code 7"),
        ("""echo '{"error": "cannot  open it"}'""", "cannot open it"),
    ],
)
def test_a_probe_that_hangs_dies_or_fails(
    script: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(tmp_path, monkeypatch, script)
    assert dpdk.describe("net_x0", timeout_s=0.5).problem == problem


def test_a_probe_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing"))
    assert "No such file" in str(dpdk.describe("net_x0").problem)


# ---- the plan ----


def test_the_plan_is_part_of_the_findings() -> None:
    config = CaptureConfig(
        sources=(Source(kind=SourceKind.INTERFACE, name="eth1"),), topic="t", properties={}, rx_queues=4
    )
    (refused,) = sources.placement(config, Description(2).machine())
    assert refused.severity is Severity.BLOCKS
    assert refused.text.startswith("8 workers (4 rx, 4 tx) on 2 CPUs")
    (shared,) = sources.placement(config, Description(8).machine())
    assert shared.severity is Severity.WARNING
    fits = list(sources.placement(config, Description(16).machine()))
    assert fits[0].text == "eth1 queue 0: rx on CPU 1, tx on 2"
    assert len(fits) == 5
