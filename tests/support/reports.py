"""Snapshots of engines that there never were."""

from __future__ import annotations

from typing import Any

from fastcapa import stats

LOSSES = {"missed": 2, "errors": 0, "no_mbuf": 0}


def snapshot(scale: int, *, drained: bool = False, losses_known: bool = True) -> stats.Report:
    """Of an engine with one worker of each role; every counter is a multiple of `scale`."""
    place: Any = {"state": "running", "source": 0, "queue": 1, "worker": 0, "cpu": scale, "failed": False}
    place |= {"busy_cycles": scale, "total_cycles": 4 * scale, "cpu_time_ns": scale}
    received = {"in": 98, "out": 90, "bytes": 900, "filtered": 5, "truncated": 0, "time_clamped": 0}
    received |= {"ring_full_drops": 3, "full_bursts": 1}
    sent = {"in": 80, "held": 0, "refused": 4, "kafka_in": 76, "delivered": 60, "failed": 6, "abandoned": 0}
    sent |= {
        "bytes": 760,
        "batches": 2,
        "retries": 1,
        "recovered": 0,
        "spilled": 0,
        "spill_written": 0,
        "spill_replayed": 0,
        "spill_refusals": 0,
    }
    if drained:
        sent |= {"in": 90, "kafka_in": 86, "delivered": 80}
    queued = received["out"] - sent["in"]
    rx: Any = {**place, "role": "rx", "ring_queued": queued * scale, "losses": LOSSES if losses_known else None}
    rx["longest_gap_ns"] = 100 // scale
    rx["counters"] = {key: scale * value for key, value in received.items()}
    tx: Any = {**place, "role": "tx", "counters": {key: scale * value for key, value in sent.items()}}
    source: Any = {"in": 100 * scale, "missed": 2 * scale, "errors": 0, "no_mbuf": 0, "no_mbuf_waits": 0}
    source |= {"unfetched": 0, "clock_steps": 1, "clock": f"clock {scale}"}
    made = stats.report([rx, tx], [source], ["eth1"], seconds=10.0 * scale, producer="direct")
    made |= {"rules": {"filter": f"less {scale}", "snaplen": scale, "since": float(scale), "changes": scale}}
    return made | {"cost": {"cpu_seconds": 1.5, "delivery_seconds": 2.0, "cycles_per_second": 1000}}
