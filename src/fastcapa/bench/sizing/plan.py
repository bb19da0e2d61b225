"""The whole plan: every number with where it comes from, and the options to type."""

from dataclasses import dataclass
from typing import Any

from fastcapa.bench.sizing.brokers import READER_PACKETS_PER_S, Brokers, brokers
from fastcapa.bench.sizing.figures import Cost, Figures
from fastcapa.bench.sizing.probe import IN_FLIGHT_S, LOAD_MAX, RECORD_BYTES, RING_S, Probe, probe
from fastcapa.bench.sizing.traffic import WIRE_BYTES, bits, size_of
from fastcapa.bench.sizing.warnings import warnings
from fastcapa.bench.sizing.wish import Wish

LOAD = f"{LOAD_MAX:.0%}"


@dataclass(frozen=True)
class Number:
    """A number of the plan."""

    part: str
    key: str
    value: float | int
    shown: str
    origin: str


@dataclass(frozen=True)
class Sizing:
    """The plan."""

    numbers: tuple[Number, ...]
    options: tuple[str, ...]
    """Of `fastcapa capture`."""
    warnings: tuple[str, ...]
    figures: str
    """What was measured, where."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON: each number with its unit in its key, and its origin."""
        parts: dict[str, dict[str, Any]] = {}
        for number in self.numbers:
            parts.setdefault(number.part, {})[number.key] = {"value": number.value, "from": number.origin}
        return {
            "figures": self.figures,
            **parts,
            "options": list(self.options),
            "warnings": list(self.warnings),
        }


def size(wish: Wish, figures: Figures, cpus: int) -> Sizing:
    """Return the plan; `cpus` are this machine's. Raises UsageError or RunTimeError where there is none."""
    cost = figures.at(wish.traffic.frame_bytes)
    made = probe(wish.traffic, cost, producer=wish.producer, imbalance=wish.imbalance, stall_s=wish.stall_s)
    needed = brokers(wish.traffic, made, wish.terms)
    numbers = (*_traffic(wish), *_probe(wish, cost, made), *_kafka(wish, needed))
    options = [f"--rx-queues {made.queues}", f"--tx-workers {made.tx_workers}", f"--tx-ring {made.tx_ring}"]
    options += [f"--buffer-memory {made.buffer_mib}"] if made.buffer_mib else ["--producer librdkafka"]
    return Sizing(numbers, tuple(options), tuple(warnings(wish, figures, made, needed, cpus=cpus)), figures.where)


def _traffic(wish: Wish) -> list[Number]:
    traffic = wish.traffic
    packets = traffic.packets_per_s
    captured = packets * traffic.frame_bytes
    return [
        Number("traffic", "bits_per_s", traffic.bits_per_s, f"{bits(traffic.bits_per_s)} on the wire", "given, --plan"),
        Number(
            "traffic",
            "mean_frame_bytes",
            traffic.frame_bytes,
            f"mean frame {traffic.frame_bytes} B",
            "given, --mean-frame",
        ),
        Number(
            "traffic",
            "packets_per_s",
            round(packets),
            f"{packets:,.0f} packets/s",
            f"{traffic.frame_bytes} B + {WIRE_BYTES} B of preamble, check sequence and gap each",
        ),
        Number("traffic", "captured_bytes_per_s", round(captured), f"{size_of(captured)}/s of frames", "without those"),
    ]


def _probe(wish: Wish, cost: Cost, made: Probe) -> list[Number]:
    share = "all of them"
    if made.queues > 1:
        share = f"{wish.imbalance:g} times the mean of {made.queues} queues: {wish.origin('--imbalance')}"
    rows = [
        ("rx_cpu_ns_per_packet", round(cost.rx_ns, 1), f"rx worker {cost.rx_ns:.1f} ns a packet", cost.origin),
        ("tx_cpu_ns_per_packet", round(cost.tx_ns, 1), f"tx worker {cost.tx_ns:.1f} ns a packet", cost.origin),
        ("other_cpu_ns_per_packet", round(cost.other_ns, 1), f"the rest {cost.other_ns:.1f} ns a packet", cost.origin),
        ("rx_queues", made.queues, f"rx queues: {made.queues}", f"the fewest CPUs with each at most {LOAD} busy"),
        ("tx_workers_per_queue", made.tx_workers, f"tx workers for each: {made.tx_workers}", "likewise"),
        ("busiest_queue_packets_per_s", round(made.share), f"busiest queue {made.share:,.0f} packets/s", share),
        ("rx_load", round(made.rx_load, 3), f"its rx worker {made.rx_load:.0%} busy", "packets/s times ns"),
        ("tx_load", round(made.tx_load, 3), f"its tx workers {made.tx_load:.0%} busy", "packets/s times ns"),
        ("worker_cpus", made.worker_cpus, f"CPUs for workers: {made.worker_cpus}", "queues times (1 + tx workers)"),
        (
            "other_cpus",
            made.other_cpus,
            f"CPUs for the rest: {made.other_cpus}",
            f"{made.other_load:.2f} of one busy, planned at {LOAD}, at least one",
        ),
        (
            "tx_ring_packets",
            made.tx_ring,
            f"tx ring of {made.tx_ring:,} packets",
            f"{RING_S * 1e3:.0f} ms of the busiest queue, assumed: the tx worker's own pauses, a power of two"
            if made.buffer_mib
            else f"{wish.stall_s:g} s of it: {wish.origin('--stall')}; and {RING_S * 1e3:.0f} ms; a power of two",
        ),
    ]
    if made.buffer_mib:
        rows.append(
            (
                "buffer_memory_mib",
                made.buffer_mib,
                f"{made.buffer_mib:,} MiB of batches for each tx worker",
                f"{wish.stall_s:g} s without Kafka: {wish.origin('--stall')}; and {IN_FLIGHT_S * 1e3:.0f} ms in flight",
            )
        )
    rows += [
        ("packet_bytes", made.packet_bytes, f"{size_of(made.packet_bytes)} of packet memory", "the capture's own plan"),
        ("ordinary_bytes", made.ordinary_bytes, f"{size_of(made.ordinary_bytes)} of other memory", "likewise: batches"),
    ]
    return [Number("probe", *row) for row in rows]


def _kafka(wish: Wish, needed: Brokers) -> list[Number]:
    terms, total = wish.terms, needed.kafka_bytes_per_s
    link = f"{bits(terms.link_bits_per_s)}: {wish.origin('--broker-link')}"
    disk = f"{size_of(terms.disk_bytes_per_s)}/s: {wish.origin('--broker-disk')}"
    disk_hour = total * terms.replication * 3600
    into, out = needed.in_bytes_per_s, needed.out_bytes_per_s
    smaller = f", {terms.compression_ratio:g} times smaller: {wish.origin('--compression-ratio')}"
    rows = [
        (
            "bytes_per_s",
            round(total),
            f"{size_of(total)}/s ({bits(total * 8)}) from the probe",
            f"frames and {RECORD_BYTES} B of a record each{smaller if terms.compression_ratio != 1 else ''}",
        ),
        ("brokers", needed.number, f"brokers: {needed.number}", "the most of the next three"),
        (
            "brokers_by_replication",
            needed.by_replication,
            f"  for the replicas: {needed.by_replication}",
            wish.origin("--replication"),
        ),
        (
            "brokers_by_network",
            needed.by_network,
            f"  by network: {needed.by_network}",
            f"in and out at most {LOAD} of {link}; {terms.readers} to read it: {wish.origin('--readers')}",
        ),
        ("brokers_by_disk", needed.by_disk, f"  by disk: {needed.by_disk}", f"at most {LOAD} of {disk}"),
        ("broker_in_bytes_per_s", round(into), f"{size_of(into)}/s into each", "leaders and followers spread evenly"),
        ("broker_out_bytes_per_s", round(out), f"{size_of(out)}/s out of each", "to followers and readers"),
        (
            "disk_bytes_per_hour",
            round(disk_hour),
            f"{size_of(disk_hour)} of disk an hour, all brokers",
            "bytes times replicas",
        ),
        (
            "partitions",
            needed.partitions,
            f"partitions: {needed.partitions}",
            f"a multiple of the brokers, one for each tx worker and each {READER_PACKETS_PER_S:,} packets/s,"
            " what one reader in Python takes",
        ),
    ]
    return [Number("kafka", *row) for row in rows]
