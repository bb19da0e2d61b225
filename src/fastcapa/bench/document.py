"""The results as JSON: medians."""

import statistics
from typing import Any

from fastcapa.bench.samples import Samples

SCHEMA = 1


def document(samples: Samples) -> dict[str, Any]:
    """Return the document; all figures are medians over the runs, "…_ns_per_packet" in ns per delivered packet."""
    return {
        "schema": SCHEMA,
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
                "packets_per_s": round(samples.spread(case, lambda s: s.packets_per_s).median, 1),
                "runs": len(runs),
            }
            for case, runs in samples.cases.items()
        ],
        "floor_ns_per_packet": {
            str(size): round(statistics.median(values), 1) for size, values in samples.floors.items()
        },
    }
