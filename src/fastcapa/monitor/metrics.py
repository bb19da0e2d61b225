"""The newest snapshot as Prometheus metrics.

A metric is called as the counter in the report is: `rx.ring_full_drops` is fastcapa_rx_ring_full_drops_total. Labels
are bounded: sources, queues and workers by the command line, brokers by the cluster. There is none for partitions.
"""

import operator
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from fastcapa import __version__
from fastcapa.monitor import Monitor, Status
from fastcapa.stats import Report

NS = 1e9

# (metric without prefix, counter in the report's row, help).
_SOURCE = (
    ("source_in", "in", "Packets that arrived at the source, as far as it reports"),
    ("source_missed", "missed", "Packets dropped by the source: its queue was full"),
    ("source_errors", "errors", "Damaged frames dropped by the source"),
    ("source_no_mbuf", "no_mbuf", "Packets dropped because there was no packet buffer"),
    ("source_no_mbuf_waits", "no_mbuf_waits", "Times that a packet waited in the device for a packet buffer"),
    ("source_clock_steps", "clock_steps", "Steps of the system clock that stamps the packets"),
)
_RX = (
    ("rx_in", "in", "Packets fetched from the source"),
    ("rx_out", "out", "Packets put into the tx ring"),
    ("rx_bytes", "bytes", "Bytes of the packets put into the tx ring"),
    ("rx_filtered", "filtered", "Packets that did not match the filter"),
    ("rx_truncated", "truncated", "Packets cut to snaplen"),
    ("rx_time_clamped", "time_clamped", "Packets whose CreateTime was set to now"),
    ("rx_ring_full_drops", "ring_full_drops", "Packets dropped because the tx ring was full"),
    ("rx_full_bursts", "full_bursts", "Fetches that came back full"),
)
_TX = (
    ("tx_in", "in", "Packets taken from the tx ring"),
    ("tx_refused", "refused", "Packets larger than the topic takes, dropped"),
    ("kafka_in", "kafka_in", "Packets given to the producer"),
    ("kafka_delivered", "delivered", "Packets acknowledged by Kafka"),
    ("kafka_failed", "failed", "Packets that Kafka did not take, given up; the abandoned ones among them"),
    ("kafka_abandoned", "abandoned", "Packets given up because the time of the drain was over"),
    ("kafka_bytes", "bytes", "Bytes of the packets given to the producer"),
    ("kafka_batches", "batches", "Record batches sent (direct), Produce requests sent (librdkafka)"),
    ("kafka_retries", "retries", "Record batches (direct) or messages (librdkafka) sent again"),
    ("kafka_recovered", "recovered", "Packets of an earlier run, found on the disk"),
    ("spill_written", "spill_written", "Packets written to the disk"),
    ("spill_replayed", "spill_replayed", "Packets read back from the disk"),
    ("spill_refusals", "spill_refusals", "Times that writing to the disk stopped: no room, or it failed"),
)
# Counters that say that a packet is lost, one per cause: what an alert has to look at.
LOSSES = (
    "fastcapa_source_missed_total",
    "fastcapa_source_errors_total",
    "fastcapa_source_no_mbuf_total",
    "fastcapa_rx_ring_full_drops_total",
    "fastcapa_tx_refused_total",
    "fastcapa_kafka_failed_total",
)

_QUEUE_LABELS = ("source", "queue")
_WORKER_LABELS = ("source", "queue", "worker")


class _Table:
    """Values by labels; a file that is given twice is two sources of one name, whose values are combined."""

    def __init__(self, family: Any, combine: Callable[[float, float], float] = operator.add) -> None:
        self._family = family
        self._combine = combine
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, labels: Iterable[object], value: float) -> None:
        key = tuple(map(str, labels))
        self._values[key] = self._combine(self._values[key], value) if key in self._values else value

    def metric(self) -> Metric:
        for labels, value in self._values.items():
            self._family.add_metric(labels, value)
        metric: Metric = self._family
        return metric


def _counter(name: str, text: str, labels: Iterable[str]) -> _Table:
    return _Table(CounterMetricFamily(f"fastcapa_{name}", f"{text}.", labels=list(labels)))


def _gauge(
    name: str, text: str, labels: Iterable[str], combine: Callable[[float, float], float] = operator.add
) -> _Table:
    return _Table(GaugeMetricFamily(f"fastcapa_{name}", f"{text}.", labels=list(labels)), combine)


class _Snapshot(Collector):
    """All metrics of the monitor's newest status."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; only those of the engine before its first snapshot."""
        status = self._monitor.status
        yield from _engine(status)
        yield from _reloads(status)
        if status.report is None or status.about is None:
            return
        yield from _rules(status.report)
        yield from _sources(status.report)
        yield from _queues(status.report, status.about.tx_ring)
        yield from _senders(status.report)
        yield from _workers(status.report)
        yield from _brokers(status.report)
        yield GaugeMetricFamily(
            "fastcapa_unaccounted",
            "Packets that no counter explains, but those that moved while it was taken.",
            value=status.report["unaccounted"],
        )


def _engine(status: Status) -> Iterator[Metric]:
    now = time.monotonic()
    running = status.phase in ("running", "draining")
    producer = status.about.producer if status.about is not None else ""
    build = GaugeMetricFamily("fastcapa_build_info", "Always 1.", labels=["version", "producer"])
    build.add_metric([__version__, producer], 1)
    yield build
    yield GaugeMetricFamily(
        "fastcapa_engine_up", "1 while the engine runs and is heard of.", value=running and status.healthy(now) is None
    )
    yield GaugeMetricFamily(
        "fastcapa_engine_ready", "1 while it runs and Kafka acknowledges packets.", value=status.ready(now) is None
    )
    if status.started_at is not None:
        text = "Unix time of the engine's start."
        yield GaugeMetricFamily("fastcapa_engine_start_time_seconds", text, value=status.started_at)
        text = "Age of the engine's last snapshot, which is what the other metrics show."
        yield GaugeMetricFamily("fastcapa_engine_snapshot_age_seconds", text, value=now - status.heard_at)


def _reloads(status: Status) -> Iterator[Metric]:
    reloads = status.reloads
    family = CounterMetricFamily(
        "fastcapa_config_reloads", "Times that SIGHUP had the configuration read again.", labels=["result"]
    )
    family.add_metric(["taken"], reloads.taken)
    family.add_metric(["refused"], reloads.refused)
    yield family
    if reloads.taken_at is not None:
        text = "Unix time at which a configuration was last read again and taken."
        yield GaugeMetricFamily("fastcapa_config_last_reload_success_timestamp_seconds", text, value=reloads.taken_at)


def _rules(report: Report) -> Iterator[Metric]:
    rules = report["rules"]
    family = GaugeMetricFamily(
        "fastcapa_rx_filter_info", "Always 1; the filter and snaplen in force.", labels=["filter", "snaplen"]
    )
    family.add_metric([rules["filter"], str(rules["snaplen"])], 1)
    yield family
    text = "Times that the filter or snaplen of the running probe has changed."
    yield CounterMetricFamily("fastcapa_rx_rules_changes", text, value=rules["changes"])


def _sources(report: Report) -> Iterator[Metric]:
    for name, counter, text in _SOURCE:
        table = _counter(name, text, ["source"])
        for row in report["sources"]:
            table.add([row["name"]], row[counter])
        yield table.metric()


def _queues(report: Report, ring: int) -> Iterator[Metric]:
    rows = [row for row in report["workers"] if row["role"] == "rx"]
    for name, counter, text in _RX:
        table = _counter(name, text, _QUEUE_LABELS)
        for row in rows:
            table.add([row["source"], row["queue"]], row[counter])
        yield table.metric()
    queued = _gauge("tx_ring_queued", "Packets in the tx ring", _QUEUE_LABELS)
    size = _gauge("tx_ring_size", "Packets that the tx ring holds", _QUEUE_LABELS)
    gap = _gauge(
        "rx_longest_gap_seconds", "Longest time from one fetch to the next since the start", _QUEUE_LABELS, max
    )
    for row in rows:
        gap.add([row["source"], row["queue"]], row["longest_gap_ns"] / NS)
        queued.add([row["source"], row["queue"]], row["ring_queued"])
        size.add([row["source"], row["queue"]], ring)
    for table in (queued, size, gap):
        yield table.metric()


def _senders(report: Report) -> Iterator[Metric]:
    rows = [row for row in report["workers"] if row["role"] == "tx"]
    for name, counter, text in _TX:
        table = _counter(name, text, _WORKER_LABELS)
        for row in rows:
            table.add(_place(row), row[counter])
        yield table.metric()
    held = _gauge("tx_held", "Packets taken from the ring that the producer does not accept yet", _WORKER_LABELS)
    flying = _gauge("kafka_in_flight", "Packets given to the producer and not acknowledged yet", _WORKER_LABELS)
    spilled = _gauge("kafka_spilled", "Packets on the disk, not read back yet", _WORKER_LABELS)
    fill = _gauge(
        "kafka_buffer_fill_ratio", "How much of the producer's memory or queue is in use", _WORKER_LABELS, max
    )
    for row in rows:
        held.add(_place(row), row["held"])
        flying.add(_place(row), row["kafka_in"] + row["recovered"] - row["spilled"] - row["delivered"] - row["failed"])
        spilled.add(_place(row), row["spilled"])
        fill.add(_place(row), row["buffer_permille"] / 1000)
    for table in (held, flying, spilled, fill):
        yield table.metric()


def _workers(report: Report) -> Iterator[Metric]:
    labels = ("role", *_WORKER_LABELS, "lcore")
    busy = _counter("worker_busy_cycles", "Clock cycles in which the worker moved packets", labels)
    total = _counter("worker_cycles", "Clock cycles since the worker's start", labels)
    for row in report["workers"]:
        place = (row["role"], *_place(row), row["lcore"])
        busy.add(place, row["busy_cycles"])
        total.add(place, row["total_cycles"])
    yield busy.metric()
    yield total.metric()


def _brokers(report: Report) -> Iterator[Metric]:
    connections = _gauge("broker_connections", "Tx workers with a connection to the broker", ["broker"])
    trips = SummaryMetricFamily(
        "fastcapa_broker_round_trip_seconds",
        "Time from a request to its answer: Produce requests (direct), all requests (librdkafka).",
        labels=["broker"],
    )
    for row in report["brokers"]:
        connections.add([row["node"]], row["connections"])
        trips.add_metric([str(row["node"])], row["answers"], row["round_trip_ns"] / NS)
    yield connections.metric()
    yield trips


def _place(row: dict[str, Any]) -> tuple[object, ...]:
    return (row["source"], row["queue"], row["worker"])


class Exposition:
    """The metrics as text."""

    def __init__(self, monitor: Monitor) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Snapshot(monitor))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the text and its content type, in the format that the Accept header prefers."""
        encode, content_type = choose_encoder(accept)
        text: bytes = encode(self._registry)
        return text, content_type
