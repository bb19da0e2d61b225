"""What may go wrong with a plan, and what it does not know."""

from fastcapa.bench.sizing.brokers import Brokers
from fastcapa.bench.sizing.figures import Figures
from fastcapa.bench.sizing.probe import LOAD_MAX, NS, RING_MAX, RING_S, Probe
from fastcapa.bench.sizing.traffic import FRAME_BYTES_MIN, WIRE_BYTES, Traffic, bits, size_of
from fastcapa.bench.sizing.wish import Wish
from fastcapa.plan.memory import MBUF_DATA_BYTES


def warnings(wish: Wish, figures: Figures, made: Probe, needed: Brokers, *, cpus: int) -> list[str]:
    """Return a line for each thing that may go wrong, or that the plan does not know; `cpus` are this machine's."""
    traffic, cost, found = wish.traffic, figures.at(wish.traffic.frame_bytes), []
    total_cpus = made.worker_cpus + made.other_cpus
    if total_cpus > cpus:
        found.append(f"{total_cpus} CPUs are needed, this machine has {cpus}")
    if made.queues > 1:
        wire = made.queue_packets_per_s * (traffic.frame_bytes + WIRE_BYTES) * 8
        most = made.queue_packets_per_s / (traffic.packets_per_s / made.queues)
        found.append(
            f"a queue is full with {most:.2f} times its fair share; RSS sends a whole conversation to one queue,"
            f" so a single one of {bits(wire)} fills it, and no number of queues helps: watch the `in` of each queue"
        )
    smallest = figures.at(FRAME_BYTES_MIN)
    worst = Traffic(traffic.bits_per_s, FRAME_BYTES_MIN).packets_per_s
    takes = min(NS / smallest.rx_ns, made.tx_workers * NS / smallest.tx_ns) * made.queues
    if worst > takes:
        found.append(
            f"nothing but the smallest frames (a flood) would be {worst:,.0f} packets/s, and this plan takes"
            f" {takes:,.0f} of them at most: the rest is dropped at the NIC or the ring, and counted"
        )
    if made.tx_workers > 1:
        found.append(
            f"{made.tx_workers} tx workers share a ring: packets of a conversation may change places in its partition;"
            " the figures are of one worker alone, what they cost each other was not measured"
        )
    if not cost.measured:
        found.append(f"{traffic.frame_bytes} B is outside of what was measured ({cost.origin}): measure with --sizes")
    if traffic.frame_bytes > MBUF_DATA_BYTES:
        found.append(
            f"frames of more than {MBUF_DATA_BYTES} B take several packet buffers: the memory above is for one each"
        )
    if not made.buffer_mib and made.share * (RING_S + wish.stall_s) > RING_MAX:
        found.append(
            f"the largest ring holds {RING_MAX / made.share:.2f} s of the busiest queue, not {wish.stall_s:g} s;"
            " the direct producer has --buffer-memory and --spill for that"
        )
    if needed.kafka_bytes_per_s * 8 > wish.terms.link_bits_per_s * LOAD_MAX:
        found.append(f"the probe sends {bits(needed.kafka_bytes_per_s * 8)}: it needs links of its own for that")
    found += [
        f"an outage of Kafka for longer than {wish.stall_s:g} s drops packets; --spill takes"
        f" {size_of(needed.kafka_bytes_per_s * 60)} of disk a minute",
        "the rx worker's figure is of frames in memory, which cost what a NIC's driver costs; a kernel interface (-i)"
        " takes many times as much (bench/README.md)",
        "links, disks, brokers' CPU, the spread over queues, and what several queues take from each other's caches and"
        " memory were not measured",
    ]
    return found
