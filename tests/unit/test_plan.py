"""Workers on CPUs and packet memory, on machines that are described."""

import pytest

from fastcapa import plan
from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.errors import UsageError

GIB = 1 << 30


def config(sources: int = 1, kind: SourceKind = SourceKind.INTERFACE, **options: object) -> CaptureConfig:
    names = tuple(Source(kind=kind, name=f"s{i}") for i in range(sources))
    return CaptureConfig.model_validate({"sources": names, "topic": "t", "properties": {}, **options})


def machine(cpus: int, hugepages: int = 0) -> plan.Machine:
    return plan.Machine(tuple(range(cpus)), hugepages)


def test_spinning_workers_have_cpus_of_their_own() -> None:
    made = plan.make(config(tx_workers=2), machine(16))
    assert len(set(made.worker_cpus)) == 3
    assert not set(made.worker_cpus) & set(made.control_cpus)
    assert sorted([*made.worker_cpus, *made.control_cpus]) == list(range(16))
    assert not made.backoff


def test_without_a_cpu_for_the_rest_workers_share_and_sleep() -> None:
    made = plan.make(config(), machine(2))
    assert made.worker_cpus == (-1, -1)
    assert made.backoff
    assert made.control_cpus == (0, 1)


def test_more_workers_than_cpus_are_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match=r"4 workers \(2 rx, 2 tx\) on 2 CPUs"):
        plan.make(config(2), machine(2))
    made = plan.make(config(2, oversubscribe=True), machine(2))
    assert made.worker_cpus == (-1,) * 4


@pytest.mark.parametrize("cpus", [2, 3, 16, 128])
@pytest.mark.parametrize(("sources", "tx_workers"), [(1, 1), (4, 1), (32, 1), (1, 16), (4, 16)])
def test_every_worker_has_a_place(cpus: int, sources: int, tx_workers: int) -> None:
    made = plan.make(config(sources, tx_workers=tx_workers, oversubscribe=True), machine(cpus))
    workers = sources * (1 + tx_workers)
    assert len(made.worker_cpus) == workers
    assert len(made.mbufs) == sources
    assert made.control_cpus
    assert made.backoff == (cpus <= workers)


def test_more_workers_than_dpdk_takes_are_refused() -> None:
    with pytest.raises(UsageError, match="544 workers are planned, DPDK takes 127"):
        plan.make(config(32, tx_workers=16, oversubscribe=True), machine(1024))


def test_hugepages_are_used_when_there_are_enough() -> None:
    assert not plan.make(config(), machine(4)).hugepages
    assert not plan.make(config(), machine(4, hugepages=1 << 20)).hugepages
    made = plan.make(config(), machine(4, hugepages=GIB))
    assert made.hugepages
    assert "in hugepages" in made.notes[0]


@pytest.mark.parametrize("kind", list(SourceKind))
def test_buffers_for_a_full_ring_and_every_hand(kind: SourceKind) -> None:
    made = plan.make(config(kind=kind, tx_ring=65_536, rx_burst=512, rx_attempts=16, tx_burst=4096), machine(4))
    assert made.mbufs[0] >= 65_536 + 512 * 16 + 4096
    # Without hugepages each buffer has a page of its own.
    assert made.memory_bytes >= made.mbufs[0] * 4096


def test_the_largest_frame_fits_the_smallest_pool() -> None:
    small = config(kind=SourceKind.FILE, tx_ring=2, rx_burst=1, rx_attempts=1, tx_burst=1)
    assert plan.make(small, machine(4)).mbufs[0] * plan.MBUF_DATA_BYTES >= 2 * 262_144


def test_this_machine_has_cpus() -> None:
    assert plan.Machine.here().cpus
