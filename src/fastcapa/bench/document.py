"""The results as JSON: medians, and what they are of."""

import os
import statistics
from pathlib import Path
from typing import Any

from fastcapa import sysfs
from fastcapa.bench.samples import Samples

SCHEMA = 1


def document(samples: Samples, broker: str) -> dict[str, Any]:
    """Return the document; all figures are medians over the runs, "…_ns_per_packet" in ns per delivered packet.

    `broker` says what they were sent into.
    """
    return {
        "schema": SCHEMA,
        "machine": {"cpu": cpu_model(Path("/proc")), "cpus": os.cpu_count() or 0},
        "broker": broker,
        "results": [
            {
                "producer": case.producer,
                "frame_bytes": case.frame_bytes,
                "compression": case.compression,
                "partitions": case.partitions,
                "packets": case.packets,
                "cpu_ns_per_packet": round(samples.spread(case, lambda s: s.cpu_ns).median, 1),
                "tx_busy_ns_per_packet": round(samples.spread(case, lambda s: s.tx_busy_ns).median, 1),
                "rx_busy_ns_per_packet": round(samples.spread(case, lambda s: s.rx_busy_ns).median, 1),
                "rx_cpu_ns_per_packet": round(samples.spread(case, lambda s: s.rx_cpu_ns).median, 1),
                "tx_cpu_ns_per_packet": round(samples.spread(case, lambda s: s.tx_cpu_ns).median, 1),
                "packets_per_s": round(samples.spread(case, lambda s: s.packets_per_s).median, 1),
                "runs": len(runs),
            }
            for case, runs in samples.cases.items()
        ],
        "floor_ns_per_packet": {
            str(size): round(statistics.median(values), 1) for size, values in samples.floors.items()
        },
    }


def cpu_model(procfs: Path) -> str:
    """Return the CPU's name as the kernel has it, "unknown CPU" where it has none."""
    for line in (sysfs.text(procfs / "cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return "unknown CPU"
