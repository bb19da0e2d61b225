"""Queues, workers and memory of the probe."""

import math
from dataclasses import dataclass

from fastcapa.bench.sizing.figures import Cost
from fastcapa.bench.sizing.traffic import Traffic
from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.plan import memory
from fastcapa.plan.machine import MIB, Machine, Node

# A worker that is busy all the time has no room for a burst: its ring or queue overflows at the next one.
LOAD_MAX = 0.7
QUEUES_MAX = 64
# DPDK's rings take more consumers; what they cost each other was not measured.
TX_WORKERS_MAX = 4
# A pause of the tx worker itself (scheduler, page fault, connection being replaced) that the ring has to hold.
RING_S = 0.01
RING_MIN, RING_MAX = 2048, 1 << 22
# In the direct producer's batches while all is well: linger.ms, round trip.
IN_FLIGHT_S = 0.05
BUFFER_MIB_MIN, BUFFER_MIB_MAX = 64, 1 << 20
# What a record adds to its frame in a batch: key, varints, its share of the batch's header. With --headers 43 more and
# the source's name.
RECORD_BYTES = 24
NS = 1e9


@dataclass(frozen=True)
class Probe:
    """What the probe needs; `…_load` are shares of one CPU, of the busiest queue."""

    queues: int
    tx_workers: int
    share: float
    """Of the busiest queue, packets a second."""
    rx_load: float
    tx_load: float
    other_load: float
    """Of all threads that are no workers, together."""
    tx_ring: int
    buffer_mib: int
    """Of each tx worker; 0 with librdkafka."""
    packet_bytes: int
    """DPDK's memory, best in hugepages."""
    ordinary_bytes: int
    queue_packets_per_s: float
    """What one queue takes with its workers busy all the time."""

    @property
    def worker_cpus(self) -> int:
        """CPUs of the workers, one each."""
        return self.queues * (1 + self.tx_workers)

    @property
    def other_cpus(self) -> int:
        """CPUs for everything else: at least one."""
        return max(1, math.ceil(self.other_load / LOAD_MAX))


def probe(traffic: Traffic, cost: Cost, *, producer: str, imbalance: float, stall_s: float) -> Probe:
    """Return the fewest CPUs that take it, each worker at most LOAD_MAX busy.

    `imbalance` is what the busiest queue gets over what it would get if all got the same; `stall_s` is for how long
    Kafka may take nothing. Raises RunTimeError for what no number of queues can take,
    UsageError for a stall that no memory can hold.
    """
    packets = traffic.packets_per_s
    found: list[tuple[int, int, int, float]] = []
    for queues in range(1, QUEUES_MAX + 1):
        share = packets if queues == 1 else min(packets, packets * imbalance / queues)
        tx_workers = max(1, math.ceil(share * cost.tx_ns / NS / LOAD_MAX))
        if share * cost.rx_ns / NS <= LOAD_MAX and tx_workers <= TX_WORKERS_MAX:
            # Of as many CPUs those with one tx worker a ring come first, for that is what was measured.
            found.append((queues * (1 + tx_workers), tx_workers, queues, share))
    if not found:
        most = min(LOAD_MAX / cost.rx_ns, TX_WORKERS_MAX * LOAD_MAX / cost.tx_ns) * NS * QUEUES_MAX / imbalance
        raise RunTimeError(
            f"--plan: {packets:,.0f} packets/s are more than {QUEUES_MAX} queues of {TX_WORKERS_MAX} tx workers take,"
            f" {most:,.0f}; spread the traffic over {math.ceil(packets / most)} probes"
        )
    _, tx_workers, queues, share = min(found)
    direct = producer == "direct"
    buffer_mib = 0
    waiting_s = RING_S + stall_s
    if direct:  # its batches hold a stall in less memory than packet buffers of 2 KiB each would
        record = traffic.frame_bytes + RECORD_BYTES
        waiting_s = RING_S
        buffer_mib = max(BUFFER_MIB_MIN, math.ceil(share * (stall_s + IN_FLIGHT_S) * record / tx_workers / MIB))
        if buffer_mib > BUFFER_MIB_MAX:
            raise UsageError(
                f"--stall {stall_s:g}: {buffer_mib:,} MiB of batches for each tx worker, and {BUFFER_MIB_MAX:,} are the"
                " most; plan a shorter one, and keep the rest on a disk with --spill"
            )
    ring = min(RING_MAX, 1 << (max(RING_MIN, math.ceil(share * waiting_s)) - 1).bit_length())
    packet_bytes, ordinary_bytes = _memory(queues, tx_workers, ring, buffer_mib, direct=direct)
    return Probe(
        queues=queues,
        tx_workers=tx_workers,
        share=share,
        rx_load=share * cost.rx_ns / NS,
        tx_load=share * cost.tx_ns / NS / tx_workers,
        other_load=packets * cost.other_ns / NS,
        tx_ring=ring,
        buffer_mib=buffer_mib,
        packet_bytes=packet_bytes,
        ordinary_bytes=ordinary_bytes,
        queue_packets_per_s=NS / max(cost.rx_ns, cost.tx_ns / tx_workers),
    )


def _memory(queues: int, tx_workers: int, ring: int, buffer_mib: int, *, direct: bool) -> tuple[int, int]:
    """Return what the capture's own plan would take for a DPDK device, in hugepages and besides."""
    config = CaptureConfig(
        sources=(Source(kind=SourceKind.DEVICE, name="planned"),),
        topic="planned",
        properties={},
        rx_queues=queues,
        tx_workers=tx_workers,
        tx_ring=ring,
        buffer_memory=max(1, buffer_mib),
    )
    boundless = Machine(cpus=(), nodes=(Node(0, 1 << 62),))
    needed = memory.need(config, boundless, [0], direct=direct)
    return needed.packet_bytes, needed.ordinary_bytes
