"""How much memory a capture needs, of which kind and on which NUMA node."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastcapa.config import SNAPLEN_MAX, CaptureConfig, Source, SourceKind
from fastcapa.errors import UsageError
from fastcapa.plan.machine import MIB, Machine

# One packet buffer: data room with headroom (RTE_MBUF_DEFAULT_BUF_SIZE), struct rte_mbuf, a mempool's header, padding.
MBUF_BYTES = 2176 + 128 + 256
MBUF_BYTES_DMA = 4096  # in ordinary pages: none crosses a page that a device writes into, so each has a page of 4 KiB
MBUF_DATA_BYTES = 2048
# A mempool keeps up to 1.5 times its cache size (256) for each thread that uses it.
CACHED_MBUFS = 384
# DPDK's own structures and those of its drivers.
EAL_BYTES = 64 * MIB
# Each buffer of a source in memory has a flow of its own; a probe sees thousands at once.
FLOWS_IN_MEMORY = 4096
# Segmentation offload shows frames of up to 64 KB on a kernel interface. Rings are not sized for nothing but those.
SEGMENTS_MEAN_MAX = 2


@dataclass(frozen=True)
class Memory:
    """What a capture needs."""

    mbufs: tuple[int, ...]
    """Packet buffers of each source, all its queues together."""
    packet_bytes: int
    """DPDK's: packet buffers, rings and its own structures."""
    by_node: dict[int, int]
    """The same by NUMA node, -1 for what may be on any."""
    hugepages: bool
    ordinary_bytes: int
    """Besides: the kernel's rx buffers of interfaces, the direct producer's batches."""


def need(config: CaptureConfig, machine: Machine, nodes: Sequence[int], *, direct: bool) -> Memory:
    """Return what the capture needs; `nodes` are the sources'. Raises UsageError if the machine has not so much."""
    mbufs = tuple(_mbufs(config, source) for source in config.sources)
    by_node = _by_node(config, mbufs, nodes, dma_bytes=MBUF_BYTES)
    hugepages = _fits(by_node, machine)
    if not hugepages:
        by_node = _by_node(config, mbufs, nodes, dma_bytes=MBUF_BYTES_DMA)
    packet_bytes = sum(by_node.values())
    batches = _batches(config) if direct else 0
    ordinary = _kernel_buffers(config) + batches
    taken = ordinary + (0 if hugepages else packet_bytes)
    if machine.available_bytes is not None and taken > machine.available_bytes:
        raise UsageError(
            f"{taken // MIB} MiB of memory are needed ({(taken - ordinary) // MIB} for {sum(mbufs)} packet buffers,"
            f" {(ordinary - batches) // MIB} for the kernel's rx buffers, {batches // MIB} for batches) and"
            f" {machine.available_bytes // MIB} MiB are available; use a smaller --tx-ring, --rx-buffer-mb or"
            " --buffer-memory, or fewer --rx-queues or --tx-workers"
        )
    return Memory(mbufs, packet_bytes, by_node, hugepages, ordinary)


def notes(memory: Memory, machine: Machine) -> list[str]:
    """Return what a user should know of it, a line each."""
    text = f"packet memory {memory.packet_bytes // MIB} MiB for {sum(memory.mbufs)} packet buffers"
    if not memory.hugepages:
        return [f"{text}, in ordinary pages ({_free(machine)}): more TLB misses, DPDK NICs cannot be used"]
    if len(machine.nodes) > 1:
        shares = (f"{size // MIB} on {'any' if node < 0 else node}" for node, size in sorted(memory.by_node.items()))
        text += f" (MiB by NUMA node: {', '.join(shares)})"
    return [f"{text}, in hugepages"]


def _free(machine: Machine) -> str:
    if len(machine.nodes) == 1:
        return f"{machine.free_hugepage_bytes // MIB} MiB of hugepages are free"
    by_node = ", ".join(f"{node.free_hugepage_bytes // MIB} on node {node.number}" for node in machine.nodes)
    return f"MiB of hugepages that are free: {by_node}"


def _fits(by_node: dict[int, int], machine: Machine) -> bool:
    """Whether the free hugepages of each node are enough, and of all nodes for what may be anywhere."""
    free = {node.number: node.free_hugepage_bytes for node in machine.nodes}
    return sum(by_node.values()) <= sum(free.values()) and all(
        size <= free.get(node, 0) for node, size in by_node.items() if node >= 0
    )


def _mbufs(config: CaptureConfig, source: Source) -> int:
    """Return how many packet buffers a source needs so that its rings can be full and every hand too."""
    bursts = config.rx_burst * config.rx_attempts + config.tx_workers * config.tx_burst
    packets = config.rx_queues * (config.tx_ring + bursts + CACHED_MBUFS * (1 + config.tx_workers))
    if source.kind is SourceKind.DEVICE:
        # DPDK drivers want full queues of buffers beside those that are on their way; af_xdp has a fixed 4,096.
        return packets + config.rx_queues * max(config.rx_descriptors, 4096)
    if source.kind is SourceKind.MEMORY:
        return packets + FLOWS_IN_MEMORY
    segments = min(-(-config.snaplen // MBUF_DATA_BYTES), SEGMENTS_MEAN_MAX)
    # At least one frame of the largest size has to fit, or a file could never go on.
    return packets * segments + config.rx_queues * 2 * SNAPLEN_MAX // MBUF_DATA_BYTES


def _by_node(config: CaptureConfig, mbufs: Sequence[int], nodes: Sequence[int], *, dma_bytes: int) -> dict[int, int]:
    """`dma_bytes`: what a buffer takes that a device writes into."""
    # Per buffer also a slot in the pool's own ring; per packet a slot in the tx ring.
    by_node = {-1: EAL_BYTES}
    for source, node, count in zip(config.sources, nodes, mbufs, strict=True):
        mbuf_bytes = dma_bytes if source.kind is SourceKind.DEVICE else MBUF_BYTES
        size = (mbuf_bytes + 16) * count + 16 * config.tx_ring * config.rx_queues
        by_node[node] = by_node.get(node, 0) + size
    return by_node


def _kernel_buffers(config: CaptureConfig) -> int:
    interfaces = sum(source.kind is SourceKind.INTERFACE for source in config.sources)
    return interfaces * config.rx_queues * config.rx_buffer_mb * MIB


def _batches(config: CaptureConfig) -> int:
    return len(config.sources) * config.rx_queues * config.tx_workers * config.buffer_memory * MIB
