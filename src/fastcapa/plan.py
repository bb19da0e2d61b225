"""Which worker runs on which CPU, and how much packet memory there is: decided and said before anything starts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastcapa.config import SNAPLEN_MAX, CaptureConfig, Source, SourceKind
from fastcapa.errors import UsageError

# One packet buffer: data room with headroom (RTE_MBUF_DEFAULT_BUF_SIZE), struct rte_mbuf, a mempool's header, padding.
# A mempool lets no buffer cross a page: without hugepages there is one in each page of 4 KiB.
MBUF_BYTES = 2176 + 128 + 256
MBUF_BYTES_ORDINARY_PAGES = 4096
MBUF_DATA_BYTES = 2048
# A mempool keeps up to 1.5 times its cache size (256) for each thread that uses it.
CACHED_MBUFS = 384
# RTE_MAX_LCORE of Debian's DPDK, less the main lcore: each worker is registered as one.
WORKERS_MAX = 127
# DPDK's own structures and those of its drivers.
EAL_BYTES = 64 << 20
# Each buffer of a source in memory has a flow of its own; a probe sees thousands at once.
FLOWS_IN_MEMORY = 4096
# Segmentation offload shows frames of up to 64 KB on a kernel interface. Rings are not sized for nothing but those.
SEGMENTS_MEAN_MAX = 2


@dataclass(frozen=True)
class Machine:
    """What the plan has to work with."""

    cpus: tuple[int, ...]
    """CPUs that this process may use."""
    free_hugepage_bytes: int

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine as this process sees it."""
        free = 0
        for directory in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
            size_kb = int(directory.name.removeprefix("hugepages-").removesuffix("kB"))
            free += size_kb * 1024 * int((directory / "free_hugepages").read_text())
        return cls(tuple(sorted(os.sched_getaffinity(0))), free)

    def without_hugepages(self) -> "Machine":
        """Return this machine as it is when its hugepages cannot be had."""
        return replace(self, free_hugepage_bytes=0)


@dataclass(frozen=True)
class Plan:
    """Where everything goes."""

    worker_cpus: tuple[int, ...]
    """In the data plane's order: rx worker of a queue, its tx workers, the next queue; -1: not pinned."""
    control_cpus: tuple[int, ...]
    """For all other threads."""
    backoff: bool
    """Idle workers sleep instead of spinning."""
    mbufs: tuple[int, ...]
    """Packet buffers of each source."""
    memory_bytes: int
    hugepages: bool
    notes: tuple[str, ...]
    """What a user should know of it, a line each."""


def make(config: CaptureConfig, machine: Machine) -> Plan:
    """Return the plan; raise UsageError with the numbers if the workers do not fit the CPUs."""
    queues = len(config.sources) * config.rx_queues
    workers = queues * (1 + config.tx_workers)
    cpus = machine.cpus
    if workers > WORKERS_MAX:
        raise UsageError(
            f"{workers} workers are planned, DPDK takes {WORKERS_MAX}; use fewer sources, --rx-queues or --tx-workers"
        )
    if len(cpus) < workers and not config.oversubscribe:
        raise UsageError(
            f"{workers} workers ({queues} rx, {queues * config.tx_workers} tx) on {len(cpus)} CPUs;"
            " use fewer sources, --rx-queues or --tx-workers, or add --oversubscribe to let them share"
        )
    mbufs = tuple(_mbufs(config, source) for source in config.sources)
    memory = _memory(config, mbufs, MBUF_BYTES)
    hugepages = machine.free_hugepage_bytes >= memory
    if not hugepages:
        memory = _memory(config, mbufs, MBUF_BYTES_ORDINARY_PAGES)
    notes = [_memory_note(memory, sum(mbufs), machine, hugepages)]
    if len(cpus) > workers:
        # The first CPUs serve interrupts on most machines: the control threads are better there than a worker.
        split = len(cpus) - workers
        control, own = cpus[:split], cpus[split:]
        notes.append(f"workers on CPUs {_list(own)}, everything else on {_list(control)}")
        return Plan(own, control, False, mbufs, memory, hugepages, tuple(notes))
    notes.append(
        f"{workers} workers share {len(cpus)} CPUs with everything else: they are not pinned, and sleep when idle"
    )
    return Plan((-1,) * workers, cpus, True, mbufs, memory, hugepages, tuple(notes))


def _mbufs(config: CaptureConfig, source: Source) -> int:
    """Return how many packet buffers a source needs so that its rings can be full and every hand too."""
    bursts = config.rx_burst * config.rx_attempts + config.tx_workers * config.tx_burst
    packets = config.tx_ring + bursts + CACHED_MBUFS * (1 + config.tx_workers)
    if source.kind is SourceKind.DEVICE:
        # DPDK drivers want a full queue of buffers beside those that are on their way; af_xdp has a fixed 4,096.
        return config.rx_queues * (packets + max(config.rx_descriptors, 4096))
    if source.kind is SourceKind.MEMORY:
        return config.rx_queues * (packets + FLOWS_IN_MEMORY)
    segments = min(-(-config.snaplen // MBUF_DATA_BYTES), SEGMENTS_MEAN_MAX)
    # At least one frame of the largest size has to fit, or a file could never go on.
    return config.rx_queues * (packets * segments + 2 * SNAPLEN_MAX // MBUF_DATA_BYTES)


def _memory(config: CaptureConfig, mbufs: Sequence[int], mbuf_bytes: int) -> int:
    # Per buffer also a slot in the pool's own ring; per packet a slot in the tx ring.
    return EAL_BYTES + (mbuf_bytes + 16) * sum(mbufs) + 16 * config.tx_ring * len(config.sources) * config.rx_queues


def _memory_note(memory: int, mbufs: int, machine: Machine, hugepages: bool) -> str:
    text = f"packet memory {memory >> 20} MiB for {mbufs} packet buffers"
    if hugepages:
        return f"{text}, in hugepages"
    free = machine.free_hugepage_bytes >> 20
    return f"{text}, in ordinary pages ({free} MiB of hugepages are free): more TLB misses, DPDK NICs cannot be used"


def _list(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus))
