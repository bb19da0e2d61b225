"""What Kafka needs: brokers by network and by disk, partitions."""

import math
from dataclasses import dataclass

from fastcapa.bench.sizing.probe import LOAD_MAX, RECORD_BYTES, Probe
from fastcapa.bench.sizing.traffic import Traffic

# One reader of a partition, `fastcapa read` or any other client in Python (ARCHITECTURE.md, "Dependencies").
READER_PACKETS_PER_S = 140_000


@dataclass(frozen=True)
class Terms:
    """What one broker has, and what is asked of the topic."""

    replication: int
    link_bits_per_s: float
    disk_bytes_per_s: float
    compression_ratio: float
    """How many times smaller batches become."""
    readers: int
    """Consumers that each read everything."""


@dataclass(frozen=True)
class Brokers:
    """What is needed; bytes a second of one broker when they share evenly."""

    kafka_bytes_per_s: float
    """From the probe, of all partitions."""
    by_replication: int
    by_network: int
    by_disk: int
    in_bytes_per_s: float
    out_bytes_per_s: float
    disk_bytes_per_s: float
    partitions: int

    @property
    def number(self) -> int:
        """The most that any of the reasons asks for."""
        return max(self.by_replication, self.by_network, self.by_disk)


def brokers(traffic: Traffic, probe: Probe, terms: Terms) -> Brokers:
    """Return the brokers that take it with their links and disks at most LOAD_MAX used.

    Each batch reaches its leader once and goes from there to each follower and to each reader; every replica writes it.
    """
    total = traffic.packets_per_s * (traffic.frame_bytes + RECORD_BYTES) / terms.compression_ratio
    link = terms.link_bits_per_s / 8
    into, out = total * terms.replication, total * (terms.replication - 1 + terms.readers)
    by_network = math.ceil(max(into, out) / (link * LOAD_MAX))
    by_disk = math.ceil(into / (terms.disk_bytes_per_s * LOAD_MAX))
    number = max(terms.replication, by_network, by_disk)
    wanted = max(number, probe.queues * probe.tx_workers, math.ceil(traffic.packets_per_s / READER_PACKETS_PER_S))
    return Brokers(
        kafka_bytes_per_s=total,
        by_replication=terms.replication,
        by_network=by_network,
        by_disk=by_disk,
        in_bytes_per_s=into / number,
        out_bytes_per_s=out / number,
        disk_bytes_per_s=into / number,
        partitions=math.ceil(wanted / number) * number,
    )
