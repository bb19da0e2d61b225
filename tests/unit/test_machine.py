"""The machine that sysfs and procfs describe."""

from pathlib import Path

import pytest
from support.machines import GIB, Description, put

from fastcapa.plan import machine


@pytest.mark.parametrize("cores", [2, 16, 128])
@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_described_is_what_is_read(cores: int, nodes: int, threads: int, tmp_path: Path) -> None:
    described = Description(cores, threads, min(nodes, cores), hugepage_bytes=GIB)
    assert machine.read(*described.write(tmp_path), affinity=described.cpus) == described.machine()


def test_offline_and_forbidden_cpus(tmp_path: Path) -> None:
    described = Description(8, 2, 2, offline=frozenset({3, 9}), cpuset=frozenset({0, 1, 2, 4, 10}))
    read = machine.read(*described.write(tmp_path), affinity=[0, 1, 2, 4, 10])
    assert read == described.machine()
    assert read.offline == (3, 9)
    assert [cpu.number for cpu in read.cpus] == [0, 1, 2, 4, 10]
    assert next(cpu for cpu in read.cpus if cpu.number == 10).core == 2


def test_isolated_cpus_are_ours_unless_somebody_narrowed_the_mask(tmp_path: Path) -> None:
    described = Description(8, isolated=frozenset({4, 5}))
    roots = described.write(tmp_path)
    default = machine.read(*roots, affinity=[0, 1, 2, 3, 6, 7])
    assert all(cpu.ours for cpu in default.cpus)
    narrowed = machine.read(*roots, affinity=[0, 1, 2])
    assert [cpu.number for cpu in narrowed.cpus if cpu.ours] == [0, 1, 2]
    assert [cpu.number for cpu in narrowed.cpus if cpu.isolated] == [4, 5]


def test_a_machine_that_shows_nothing(tmp_path: Path) -> None:
    read = machine.read(tmp_path / "sys", tmp_path / "proc", affinity=[0, 5])
    assert [cpu.number for cpu in read.cpus] == [0, 5]
    assert read.nodes == (machine.Node(0, 0),)
    assert read.available_bytes is None


def test_memory_is_that_of_the_cgroup_if_it_is_less(tmp_path: Path) -> None:
    sysfs, procfs = Description(2, available_bytes=8 * GIB).write(tmp_path)
    put(sysfs / "fs/cgroup/a/b/memory.max", "max")
    put(sysfs / "fs/cgroup/a/b/memory.current", "1")
    assert machine.read(sysfs, procfs, [0]).available_bytes == 8 * GIB
    put(sysfs / "fs/cgroup/a/memory.max", str(2 * GIB))
    put(sysfs / "fs/cgroup/a/memory.current", str(GIB // 2))
    assert machine.read(sysfs, procfs, [0]).available_bytes == 2 * GIB - GIB // 2


def test_the_node_of_a_device(tmp_path: Path) -> None:
    sysfs, _ = Description(2, interfaces={"eth1": 1, "veth0": -1}).write(tmp_path)
    put(sysfs / "bus/pci/devices/0000:3b:00.0/numa_node", "1")
    put(sysfs / "devices/pci0/0000:00:01.0/numa_node", "0")
    put(sysfs / "devices/pci0/0000:00:01.0/virtio0/vendor", "0x1af4")
    (sysfs / "class/net/eth0").mkdir()
    (sysfs / "class/net/eth0/device").symlink_to(sysfs / "devices/pci0/0000:00:01.0/virtio0")
    nodes = {name: machine.device_node(name, sysfs) for name in ("eth0", "eth1", "veth0", "0000:3b:00.0", "lo", "..")}
    assert nodes == {"eth0": 0, "eth1": 1, "veth0": -1, "0000:3b:00.0": 1, "lo": -1, "..": -1}


def test_this_machine_has_cpus() -> None:
    here = machine.Machine.here()
    assert any(cpu.ours for cpu in here.cpus)
    assert here.available_bytes
