"""Snapshots of the pipeline as one JSON schema, and the accounting identity.

    source.in  = rx.in + source.missed + source.errors + source.no_mbuf
    rx.in      = rx.filtered + rx.ring_full_drops + rx.out
    rx.out     = tx.in + tx.ring_queued
    tx.in      = kafka.in + tx.held + tx.refused
    kafka.in + kafka.recovered = kafka.delivered + kafka.failed + kafka.in_flight + kafka.spilled

`recovered` came in in an earlier run and was found on the disk (--spill); `spilled` is there now. `unaccounted` is what
is left of source.in, and of what was recovered, when every named term is taken off. In a snapshot of a running pipeline
it may differ from 0 by the packets that moved while it was taken; after a drain it is 0.

An engine that dies takes along what was on its way, as of its last snapshot: `lost_with_engine`, by hop, stands on the
right side of each line above. What it did after that snapshot, and what passed until the next engine ran, nobody knows:
`unknown_seconds` and `outage_seconds` say how long that was, no counter says what it was.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fastcapa.rows import BrokerRow, SourceRow, WorkerRow

SCHEMA = 1
HOPS = ("source", "rx", "ring", "tx", "kafka")
Report = dict[str, Any]


def report(
    workers: Sequence[WorkerRow],
    sources: Sequence[SourceRow],
    names: Sequence[str],
    *,
    seconds: float,
    producer: str,
    brokers: Iterable[BrokerRow] = (),
) -> Report:
    """Return a snapshot; `names` are the sources'. Counters are packets unless the name says bytes or batches."""
    rx = [row for row in workers if row["role"] == "rx"]
    tx = [row for row in workers if row["role"] == "tx"]
    sent = _sum(row["counters"] for row in tx)
    result: Report = {
        "schema": SCHEMA,
        "seconds": round(seconds, 3),
        "producer": producer,
        "source": {key: sum(row[key] for row in sources) for key in ("in", "missed", "errors", "no_mbuf")},
        "rx": _sum(row["counters"] for row in rx),
        "tx": {
            "in": sent["in"],
            "ring_queued": sum(row["ring_queued"] for row in rx),
            "held": sent["held"],
            "refused": sent["refused"],
        },
        "kafka": {
            "in": sent["kafka_in"],
            "recovered": sent["recovered"],
            "delivered": sent["delivered"],
            "failed": sent["failed"],
            "abandoned": sent["abandoned"],  # those of `failed` that the end of the drain left
            "in_flight": sent["kafka_in"] + sent["recovered"] - sent["spilled"] - sent["delivered"] - sent["failed"],
            "spilled": sent["spilled"],
            "bytes": sent["bytes"],
            "batches": sent["batches"],
            "retries": sent["retries"],
        },
        # Packets that were written to the disk and read back, ever; times that writing stopped.
        "spill": {key: sent[f"spill_{key}"] for key in ("written", "replayed", "refusals")},
        # Of several engines in a row (--restart); see combined.py.
        "restarts": 0,
        "outage_seconds": 0.0,
        "unknown_seconds": 0.0,
        "lost_with_engine": dict.fromkeys(HOPS, 0),
    }
    result["unaccounted"] = unaccounted(result)
    result["sources"] = [{"name": name, **row} for name, row in zip(names, sources, strict=True)]
    result["workers"] = [_worker(row, names) for row in workers]
    result["brokers"] = _brokers(brokers)
    return result


def unaccounted(snapshot: Report) -> int:
    """Return how many packets no counter explains."""
    source, rx, tx, kafka = (snapshot[part] for part in ("source", "rx", "tx", "kafka"))
    waiting = tx["ring_queued"] + tx["held"] + kafka["in_flight"] + kafka["spilled"]
    return int(source["in"] + kafka["recovered"] - lost(snapshot) - rx["filtered"] - kafka["delivered"] - waiting)


def losses(snapshot: Report) -> dict[str, int]:
    """Return every cause of loss with its number of packets, in the order of the hops."""
    source, rx, tx, kafka = (snapshot[part] for part in ("source", "rx", "tx", "kafka"))
    return {
        "missed": source["missed"],
        "errors": source["errors"],
        "no_mbuf": source["no_mbuf"],
        "ring_full_drops": rx["ring_full_drops"],
        "refused": tx["refused"],
        "failed": kafka["failed"],
        "lost_with_engine": sum(snapshot["lost_with_engine"].values()),
    }


def of_dead_engine(snapshot: Report, unknown_seconds: float) -> Report:
    """Return the last snapshot of an engine that died so long after it, closed: nothing waits, it is lost.

    That is all that had come into a hop and not left it, packets that moved while the snapshot was taken among them.
    Some of what was in flight may have reached Kafka; nobody is there any more to be told.
    """
    source, rx, tx, kafka = (snapshot[part] for part in ("source", "rx", "tx", "kafka"))
    closed = snapshot | {
        "tx": tx | {"ring_queued": 0, "held": 0},
        "kafka": kafka | {"in_flight": 0},
        "unknown_seconds": unknown_seconds,
        "lost_with_engine": {
            "source": source["in"] - source["missed"] - source["errors"] - source["no_mbuf"] - rx["in"],
            "rx": rx["in"] - rx["filtered"] - rx["ring_full_drops"] - rx["out"],
            "ring": rx["out"] - tx["in"],
            "tx": tx["in"] - tx["refused"] - kafka["in"],
            "kafka": kafka["in"] + kafka["recovered"] - kafka["delivered"] - kafka["failed"] - kafka["spilled"],
        },
    }
    return closed | {"unaccounted": unaccounted(closed)}


def lost(snapshot: Report) -> int:
    """Return the sum of all losses."""
    return sum(losses(snapshot).values())


def unseen_seconds(snapshot: Report) -> float:
    """Return for how long nobody can say what passed: no engine ran, or one that died before its next snapshot."""
    return float(snapshot["outage_seconds"] + snapshot["unknown_seconds"])


def closing_lines(snapshot: Report) -> list[str]:
    """Return tcpdump's last lines, extended to Kafka."""
    source, rx, tx, kafka = (snapshot[part] for part in ("source", "rx", "tx", "kafka"))
    dropped = source["missed"] + source["errors"] + source["no_mbuf"] + rx["ring_full_drops"]
    lines = [
        f"{rx['in']} packets captured",
        f"{rx['filtered']} packets filtered out",
        f"{dropped} packets dropped: {source['missed']} missed by the source, {source['errors']} with errors,"
        f" {source['no_mbuf']} without a buffer, {rx['ring_full_drops']} with the ring full",
        f"{kafka['delivered']} packets delivered, {kafka['failed']} failed"
        f" ({kafka['abandoned']} given up at the end), {tx['refused']} refused as too large",
    ]
    if kafka["recovered"]:
        lines.append(f"{kafka['recovered']} packets of an earlier run were on the disk")
    if kafka["spilled"]:
        lines.append(
            f"{kafka['spilled']} packets are left on the disk: the next run with the same --spill delivers them"
        )
    if rx["time_clamped"]:
        lines.append(f"{rx['time_clamped']} packets dated in the future: CreateTime set to now, key kept")
    # All sources that the system clock stamps count the same steps.
    steps = max((row["clock_steps"] for row in snapshot["sources"]), default=0)
    if steps:
        lines.append(f"{steps} steps of the system clock while capturing: keys step with it")
    if unseen_seconds(snapshot):
        lines += [
            f"engine restarted {snapshot['restarts']} times: {snapshot['outage_seconds']:.1f} s without one, and"
            f" {snapshot['unknown_seconds']:.1f} s that one left no report of; what passed then is not counted",
            f"{losses(snapshot)['lost_with_engine']} packets were on their way when an engine died: counted as lost,"
            " though some may have been delivered",
        ]
    if snapshot["unaccounted"]:
        lines.append(f"{snapshot['unaccounted']} packets unaccounted for: a defect, please report it")
    return lines


def _sum(rows: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in rows:
        for key, value in row.items():
            total[key] = total.get(key, 0) + value
    return total


def _brokers(rows: Iterable[BrokerRow]) -> list[dict[str, int]]:
    """Return one row per broker, in the order of their ids, with what all tx workers together have seen of it."""
    nodes: dict[int, dict[str, int]] = {}
    for row in rows:
        node = nodes.setdefault(row["node"], {"connections": 0, "round_trip_ns": 0, "answers": 0})
        node["connections"] += row["connected"]
        node["round_trip_ns"] += row["round_trip_ns"]
        node["answers"] += row["answers"]
    return [{"node": node, **nodes[node]} for node in sorted(nodes)]


def _worker(row: WorkerRow, names: Sequence[str]) -> dict[str, Any]:
    result = {
        "role": row["role"],
        "source": names[row["source"]],
        "queue": row["queue"],
        "worker": row["worker"],
        "lcore": row["cpu"],
        "busy": round(row["busy_cycles"] / row["total_cycles"], 4) if row["total_cycles"] else 0.0,
        "busy_cycles": row["busy_cycles"],
        "total_cycles": row["total_cycles"],
        "cpu_time_ns": row["cpu_time_ns"],
        **row["counters"],
    }
    if row["role"] == "rx":
        result["ring_queued"] = row["ring_queued"]
        result["longest_gap_ns"] = row["longest_gap_ns"]
        # Of this queue, null where the source knows only its total. They came before `in`.
        result |= row["losses"] or dict.fromkeys(("missed", "errors", "no_mbuf"))
    return result
