"""Workers on CPUs and packet memory, on machines that are described."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.machines import GIB, Description

from fastcapa import plan
from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.errors import UsageError
from fastcapa.plan.memory import MBUF_DATA_BYTES

MIB = 1 << 20
SMALL = Description(cores=2)
MIDDLE = Description(cores=8, threads=2, nodes=2)
LARGE = Description(cores=64, threads=2, nodes=4)


def config(sources: int = 1, kind: SourceKind = SourceKind.INTERFACE, **options: object) -> CaptureConfig:
    names = tuple(Source(kind=kind, name=f"s{i}") for i in range(sources))
    return CaptureConfig.model_validate({"sources": names, "topic": "t", "properties": {}, **options})


# ---- described machines ----


def test_spinning_workers_have_cores_of_their_own_near_the_device() -> None:
    made = plan.make(config(tx_workers=2), MIDDLE.machine(), [1])
    assert made.worker_cpus == (4, 5, 6)
    # No control thread on a sibling of a worker (12, 13, 14).
    assert made.control_cpus == (0, 1, 2, 3, 7, 8, 9, 10, 11, 15)
    assert not made.backoff
    assert "rx workers on CPUs 4, tx workers on 5-6, everything else on 0-3,7-11,15" in made.notes


def test_without_a_cpu_for_the_rest_workers_share_and_sleep() -> None:
    made = plan.make(config(), SMALL.machine())
    assert made.worker_cpus == (-1, -1)
    assert made.backoff
    assert made.control_cpus == (0, 1)


def test_more_workers_than_cpus_are_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match=r"4 workers \(2 rx, 2 tx\) on 2 CPUs; use fewer sources, --rx-queues or"):
        plan.make(config(2), SMALL.machine())
    made = plan.make(config(2, oversubscribe=True), SMALL.machine())
    assert made.worker_cpus == (-1,) * 4


def test_more_workers_than_dpdk_takes_are_refused() -> None:
    with pytest.raises(UsageError, match="are 544 workers; DPDK takes 127"):
        plan.make(config(32, tx_workers=16, oversubscribe=True), Description(cores=1024).machine())


def test_two_devices_on_two_nodes_each_have_their_own() -> None:
    made = plan.make(config(2, rx_queues=4), LARGE.machine(), [3, 1])
    first, second = made.worker_cpus[:8], made.worker_cpus[8:]
    assert all(LARGE.node(cpu) == 3 for cpu in first)
    assert all(LARGE.node(cpu) == 1 for cpu in second)


def test_a_full_node_overflows_to_cores_elsewhere_before_siblings() -> None:
    made = plan.make(config(rx_queues=3), MIDDLE.machine(), [1])  # 6 workers, 4 cores on the node
    assert sum(MIDDLE.node(cpu) == 1 for cpu in made.worker_cpus) == 4
    assert len({cpu % MIDDLE.cores for cpu in made.worker_cpus}) == 6
    assert any("are not on their device's NUMA node" in note for note in made.notes)


def test_siblings_come_last_and_are_named() -> None:
    made = plan.make(config(rx_queues=6), MIDDLE.machine(), [0])  # 12 workers, 8 cores
    assert len(set(made.worker_cpus)) == 12
    assert 0 not in made.worker_cpus
    assert any("share cores (hyper-threads)" in note for note in made.notes)


def test_isolated_cpus_are_the_workers() -> None:
    machine = Description(cores=16, isolated=frozenset(range(8, 12))).machine()
    made = plan.make(config(rx_queues=2), machine)
    assert made.worker_cpus == (8, 9, 10, 11)
    made = plan.make(config(rx_queues=1), machine)
    assert not set(made.control_cpus) & set(range(8, 12))


def test_all_of_a_source_without_a_node_is_on_one_node() -> None:
    made = plan.make(config(rx_queues=2), MIDDLE.machine(), [-1])
    assert len({MIDDLE.node(cpu) for cpu in made.worker_cpus}) == 1


# ---- --lcores ----


def test_lcores_are_taken_in_their_order() -> None:
    made = plan.make(config(rx_queues=2, lcores="9,1,4-5"), Description(cores=16).machine())
    assert made.worker_cpus == (9, 1, 4, 5)
    assert not set(made.control_cpus) & {9, 1, 4, 5}


def test_lcores_too_many_are_told_and_shared_cores_too() -> None:
    made = plan.make(config(lcores="1,9,2"), MIDDLE.machine())
    assert made.worker_cpus == (1, 9)
    assert any(note.startswith("workers on CPUs 1,9 share cores") for note in made.notes)
    assert "--lcores: 2 not used, there are 2 workers" in made.notes


@pytest.mark.parametrize(
    ("lcores", "text"),
    [
        ("1,99", "there is no CPU 99; choose from 0-1,4-7"),
        ("2,3", "CPU 2 is offline; switch it on with `echo 1 > /sys/devices/system/cpu/cpu2/online`"),
        ("3,4", r"CPU 3 is not in this process's cgroup \(cpuset\)"),
        ("4,4", "CPU 4 is given twice"),
        ("4", r"names 1 CPUs for 2 workers \(1 rx, 1 tx\); name 2"),
    ],
)
def test_lcores_that_cannot_be_are_refused(lcores: str, text: str) -> None:
    machine = Description(cores=8, offline=frozenset({2}), cpuset=frozenset({0, 1, 4, 5, 6, 7})).machine()
    with pytest.raises(UsageError, match=text):
        plan.make(config(lcores=lcores), machine)


def test_lcores_have_to_leave_a_cpu() -> None:
    with pytest.raises(UsageError, match="takes all 2 CPUs of this process for 2 workers and leaves none"):
        plan.make(config(lcores="0,1"), SMALL.machine())
    made = plan.make(config(lcores="0,1", oversubscribe=True), SMALL.machine())
    assert (made.worker_cpus, made.control_cpus, made.backoff) == ((0, 1), (0, 1), True)


# ---- memory ----


def test_hugepages_are_used_when_there_are_enough() -> None:
    assert not plan.make(config(), Description(cores=4).machine()).hugepages
    assert not plan.make(config(), Description(cores=4, hugepage_bytes=2 * MIB).machine()).hugepages
    made = plan.make(config(), Description(cores=4, hugepage_bytes=GIB).machine())
    assert made.hugepages
    assert "in hugepages" in made.notes[0]


def test_hugepages_have_to_be_on_the_nodes_of_the_devices() -> None:
    machine = Description(cores=16, nodes=2, hugepage_bytes=GIB).machine()
    wanted = config(tx_ring=1 << 18)  # 1.2 GiB for a frame of two buffers
    assert not plan.make(wanted, machine, [0]).hugepages
    assert plan.make(wanted, machine, [-1]).hugepages


def test_memory_by_node_is_said() -> None:
    made = plan.make(config(2), Description(cores=16, nodes=2, hugepage_bytes=GIB).machine(), [0, 1])
    assert "MiB by NUMA node: 64 on any, " in made.notes[0]
    without = plan.make(config(2), Description(cores=16, nodes=2).machine(), [0, 1])
    assert "MiB of hugepages that are free: 0 on node 0, 0 on node 1" in without.notes[0]


@pytest.mark.parametrize("kind", list(SourceKind))
def test_buffers_for_full_rings_and_every_hand(kind: SourceKind) -> None:
    options = {"tx_ring": 65_536, "rx_burst": 512, "rx_attempts": 16, "tx_burst": 4096}
    one = plan.make(config(kind=kind, **options), Description(cores=16).machine())
    assert one.mbufs[0] >= 65_536 + 512 * 16 + 4096
    # Without hugepages, each buffer that a device writes into has a page of its own.
    assert one.memory_bytes >= one.mbufs[0] * (4096 if kind is SourceKind.DEVICE else 2560)
    assert kind is SourceKind.DEVICE or one.memory_bytes < one.mbufs[0] * 4096
    four = plan.make(config(kind=kind, rx_queues=4, **options), Description(cores=16).machine())
    assert four.mbufs[0] >= 4 * (65_536 + 512 * 16 + 4096)


def test_the_largest_frame_fits_the_smallest_pool() -> None:
    small = config(kind=SourceKind.FILE, tx_ring=2, rx_burst=1, rx_attempts=1, tx_burst=1)
    assert plan.make(small, Description(cores=4).machine()).mbufs[0] * MBUF_DATA_BYTES >= 2 * 262_144


def test_memory_that_is_not_there_is_refused_with_the_numbers() -> None:
    machine = Description(cores=4, available_bytes=64 * MIB).machine()
    with pytest.raises(
        UsageError, match=r"183 MiB of memory are needed \(151 for 35328 .* 32 for .* 64 MiB are available"
    ):
        plan.make(config(), machine)


def test_batches_of_the_direct_producer_are_counted_by_worker() -> None:
    wanted = config(rx_queues=2, tx_workers=3, buffer_memory=16, kind=SourceKind.FILE)
    machine = Description(cores=16).machine()
    assert plan.make(wanted, machine, direct=True).ordinary_bytes == 2 * 3 * 16 * MIB
    assert plan.make(wanted, machine).ordinary_bytes == 0


def test_kernel_buffers_are_counted_by_queue() -> None:
    made = plan.make(config(2, rx_queues=3, rx_buffer_mb=8), Description(cores=16).machine())
    assert made.ordinary_bytes == 2 * 3 * 8 * MIB
    assert plan.make(config(kind=SourceKind.FILE), Description(cores=16).machine()).ordinary_bytes == 0


def test_table_has_a_line_for_each_queue() -> None:
    wanted = config(2, rx_queues=2, tx_workers=2)
    made = plan.make(wanted, Description(cores=16).machine())
    assert plan.table(wanted, made) == [
        "s0 queue 0: rx on CPU 1, tx on 2, 3",
        "s0 queue 1: rx on CPU 4, tx on 5, 6",
        "s1 queue 0: rx on CPU 7, tx on 8, 9",
        "s1 queue 1: rx on CPU 10, tx on 11, 12",
    ]


# ---- what holds on every machine ----

MACHINES = st.builds(
    lambda cores, threads, nodes, isolated: Description(
        cores, threads, min(nodes, cores), frozenset(cpu for cpu in isolated if 0 < cpu < cores * threads)
    ),
    st.sampled_from([1, 2, 3, 8, 16, 64]),
    st.sampled_from([1, 2]),
    st.integers(1, 4),
    st.frozensets(st.integers(1, 127), max_size=8),
)
CONFIGS = st.builds(
    lambda sources, queues, tx: config(sources, rx_queues=queues, tx_workers=tx, oversubscribe=True),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
)


@settings(max_examples=150, deadline=None)
@given(MACHINES, CONFIGS, st.lists(st.integers(-1, 4), min_size=4, max_size=4))
def test_every_placement_keeps_the_rules(described: Description, wanted: CaptureConfig, nodes: list[int]) -> None:
    machine = described.machine()
    nodes = nodes[: len(wanted.sources)]
    made = plan.make(wanted, machine, nodes)
    workers = len(wanted.sources) * wanted.rx_queues * (1 + wanted.tx_workers)
    cpus = [cpu.number for cpu in machine.cpus]
    assert len(made.worker_cpus) == workers
    assert made.control_cpus
    assert made.backoff == (len(cpus) <= workers)
    if made.backoff:
        assert set(made.worker_cpus) == {-1}
        return
    # A CPU each, none of them also for the other threads.
    assert len(set(made.worker_cpus)) == workers
    assert not set(made.worker_cpus) & set(made.control_cpus)
    # Two on one core only when there is no other core.
    core = {cpu.number: cpu.core for cpu in machine.cpus}
    reserved = min(cpu.number for cpu in machine.cpus if not cpu.isolated)
    assert reserved not in made.worker_cpus
    cores = {cpu.core for cpu in machine.cpus if cpu.number != reserved}
    assert len({core[cpu] for cpu in made.worker_cpus}) == min(workers, len(cores))
    # Other threads on a worker's core only when no other core is left for them.
    busy = {core[cpu] for cpu in made.worker_cpus}
    idle = {cpu.core for cpu in machine.cpus if not cpu.isolated} - busy
    assert not idle or not {core[cpu] for cpu in made.control_cpus} & busy
    # An isolated CPU is for workers.
    isolated = {cpu.number for cpu in machine.cpus if cpu.isolated}
    assert not set(made.control_cpus) & isolated
    # Nobody is away from home while a core of its own is free there, unless for an isolated one.
    step = wanted.rx_queues * (1 + wanted.tx_workers)
    for index, cpu in enumerate(made.worker_cpus):
        home = nodes[index // step]
        free_at_home = {
            other.core
            for other in machine.cpus
            if other.node == home and other.core not in busy and other.core != core[reserved]
        }
        assert described.node(cpu) == home or not free_at_home or cpu in isolated


@settings(max_examples=50, deadline=None)
@given(MACHINES, CONFIGS)
def test_the_same_machine_gives_the_same_plan(described: Description, wanted: CaptureConfig) -> None:
    assert plan.make(wanted, described.machine()) == plan.make(wanted, described.machine())
