"""What two snapshots say together: rates, loads and fills, hop by hop, and where it is too narrow. Pure.

Rates are per second, over the time between the two; shares (loads, fills) are 0 to 1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastcapa.stats import Report

# A ring or a buffer this full has no room for the next burst; a worker this busy can take no more.
NEARLY_FULL = 0.8
FULL = 0.95
BUSY = 0.9


@dataclass(frozen=True)
class Limits:
    """What a snapshot does not say of the capture."""

    tx_ring: int
    """Packets that each ring holds."""
    live: bool
    """Whether packets come whether or not there is room: a file waits, and fills its ring all the time."""


@dataclass(frozen=True)
class Loss:
    """Packets lost for one cause."""

    cause: str
    """The counter's name in the report."""
    packets: int
    rate: float


@dataclass(frozen=True)
class Hop:
    """One hop of a packet's way."""

    name: str
    packets_in: int
    packets_out: int
    in_rate: float
    out_rate: float
    waiting: int
    """Packets that are here now."""
    fill: float | None
    """Of the fullest ring or buffer."""
    load: float | None
    """Of the busiest worker."""
    losses: tuple[Loss, ...]

    @property
    def loss_rate(self) -> float:
        """Packets lost here per second."""
        return sum(loss.rate for loss in self.losses)


@dataclass(frozen=True)
class Queue:
    """One rx queue with its ring and its tx workers."""

    source: str
    queue: int
    in_rate: float
    drop_rate: float
    ring_fill: float
    rx_load: float
    tx_load: float
    """Of its busiest tx worker."""
    buffer_fill: float
    """Likewise."""


@dataclass(frozen=True)
class Broker:
    """One broker, all tx workers together."""

    node: int
    connections: int
    answer_rate: float
    round_trip_ms: float | None
    """Mean over the interval; None: no answer in it."""


@dataclass(frozen=True)
class Finding:
    """What is too narrow, and what to do about it."""

    hop: str
    text: str
    remedy: str
    loss: bool
    """Whether packets are being lost there; else they soon may be."""


@dataclass(frozen=True)
class View:
    """The pipeline at one time."""

    seconds: float
    """Since the start."""
    hops: tuple[Hop, ...]
    queues: tuple[Queue, ...]
    brokers: tuple[Broker, ...]
    byte_rate: float
    """Of the frames given to Kafka."""
    filtered: int
    lost: int
    loss_rate: float
    unaccounted: int
    findings: tuple[Finding, ...]

    def hop(self, name: str) -> Hop:
        """Return the hop of that name."""
        return next(hop for hop in self.hops if hop.name == name)

    @property
    def round_trip_ms(self) -> float | None:
        """The slowest broker's."""
        return max((b.round_trip_ms for b in self.brokers if b.round_trip_ms is not None), default=None)


class _Interval:
    """Two snapshots of one engine, the first of which may be its start."""

    def __init__(self, before: Report | None, now: Report) -> None:
        # An engine that was started again counts from 0.
        if before is not None and before["seconds"] > now["seconds"]:
            before = None
        self.before: Mapping[str, Any] = before or {}
        self.now = now
        self.seconds = now["seconds"] - self.before.get("seconds", 0)

    def gain(self, part: str, name: str) -> int:
        return max(0, int(self.now[part][name]) - int(self.before.get(part, {}).get(name, 0)))

    def rate(self, part: str, name: str) -> float:
        return self.per_second(self.gain(part, name))

    def per_second(self, gain: int) -> float:
        return gain / self.seconds if self.seconds > 0 else 0.0

    def workers(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each worker's row as it was and as it is; {} for one that was not."""
        earlier = self.before.get("workers", [])
        for index, row in enumerate(self.now["workers"]):
            yield (earlier[index] if index < len(earlier) else {}), row


def _gain(before: Mapping[str, Any], now: Mapping[str, Any], *names: str) -> int:
    return max(0, sum((now[name] or 0) - (before.get(name) or 0) for name in names))


def _load(before: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    total = _gain(before, now, "total_cycles")
    return min(1.0, _gain(before, now, "busy_cycles") / total) if total else 0.0


def view(before: Report | None, now: Report, limits: Limits) -> View:
    """Return what happened between two snapshots; `before` is None for the first one of a run."""
    interval = _Interval(before, now)
    queues = tuple(_queues(interval, limits))
    brokers = tuple(_brokers(interval))
    hops = tuple(_hops(interval, queues))
    made = View(
        seconds=now["seconds"],
        hops=hops,
        queues=queues,
        brokers=brokers,
        byte_rate=interval.rate("kafka", "bytes"),
        filtered=now["rx"]["filtered"],
        lost=sum(loss.packets for hop in hops for loss in hop.losses),
        loss_rate=sum(hop.loss_rate for hop in hops),
        unaccounted=now["unaccounted"],
        findings=(),
    )
    return View(**{**vars(made), "findings": tuple(_findings(made, limits))})


def _hops(interval: _Interval, queues: tuple[Queue, ...]) -> Iterator[Hop]:
    source, rx, tx, kafka = (interval.now[part] for part in ("source", "rx", "tx", "kafka"))

    def losses(part: str, *causes: str) -> tuple[Loss, ...]:
        return tuple(Loss(cause, interval.now[part][cause], interval.rate(part, cause)) for cause in causes)

    def most(name: str) -> float | None:
        return max((getattr(queue, name) for queue in queues), default=None)

    # What the rx workers passed on: to the ring or, if that was full, to nowhere.
    offered = rx["in"] - rx["filtered"]
    offered_rate = interval.per_second(max(0, interval.gain("rx", "in") - interval.gain("rx", "filtered")))
    yield Hop(
        "source",
        source["in"],
        rx["in"],
        interval.rate("source", "in"),
        interval.rate("rx", "in"),
        0,
        None,
        None,
        losses("source", "missed", "errors", "no_mbuf"),
    )
    yield Hop("rx", rx["in"], offered, interval.rate("rx", "in"), offered_rate, 0, None, most("rx_load"), ())
    yield Hop(
        "ring",
        offered,
        tx["in"],
        offered_rate,
        interval.rate("tx", "in"),
        tx["ring_queued"],
        most("ring_fill"),
        None,
        losses("rx", "ring_full_drops"),
    )
    yield Hop(
        "tx",
        tx["in"],
        kafka["in"],
        interval.rate("tx", "in"),
        interval.rate("kafka", "in"),
        tx["held"],
        None,
        most("tx_load"),
        losses("tx", "refused"),
    )
    yield Hop(
        "kafka",
        kafka["in"],
        kafka["delivered"],
        interval.rate("kafka", "in"),
        interval.rate("kafka", "delivered"),
        kafka["in_flight"],
        most("buffer_fill"),
        None,
        losses("kafka", "failed"),
    )


def _queues(interval: _Interval, limits: Limits) -> Iterator[Queue]:
    # Rows come as rx worker, its tx workers, rx worker, ...
    lanes: list[list[tuple[dict[str, Any], dict[str, Any]]]] = []
    for pair in interval.workers():
        if pair[1]["role"] == "rx":
            lanes.append([])
        lanes[-1].append(pair)
    for (before, now), *senders in lanes:
        yield Queue(
            source=now["source"],
            queue=now["queue"],
            in_rate=interval.per_second(_gain(before, now, "in")),
            drop_rate=interval.per_second(_gain(before, now, "ring_full_drops", "missed", "errors", "no_mbuf")),
            ring_fill=now["ring_queued"] / limits.tx_ring,
            rx_load=_load(before, now),
            tx_load=max((_load(*pair) for pair in senders), default=0.0),
            buffer_fill=max((row["buffer_permille"] / 1000 for _, row in senders), default=0.0),
        )


def _brokers(interval: _Interval) -> Iterator[Broker]:
    earlier = {row["node"]: row for row in interval.before.get("brokers", [])}
    for row in interval.now["brokers"]:
        before = earlier.get(row["node"], {})
        answers = _gain(before, row, "answers")
        yield Broker(
            node=row["node"],
            connections=row["connections"],
            answer_rate=interval.per_second(answers),
            round_trip_ms=_gain(before, row, "round_trip_ns") / answers / 1e6 if answers else None,
        )


def _findings(now: View, limits: Limits) -> Iterator[Finding]:
    """Yield what explains the losses of this interval, and what is about to make some; the worst first."""
    yield from _ring_findings(now, limits)
    rx, kafka = now.hop("rx"), now.hop("kafka")
    rates = {loss.cause: loss.rate for hop in now.hops for loss in hop.losses}
    if rates["missed"] > 0 and (rx.load or 0) >= BUSY:
        text = f"the rx workers are busy all the time ({rx.load:.0%}) and the source loses packets"
        yield Finding("rx", text, "more --rx-queues, each with a CPU of its own (--lcores), or a filter", True)
    elif rates["missed"] > 0:
        text = "the source loses packets: bursts are larger than its queue, or the rx workers get no CPU"
        remedy = "a larger --rx-buffer-mb (interfaces) or --rx-descriptors (devices); CPUs of their own for the workers"
        yield Finding("source", text, remedy, True)
    if rates["no_mbuf"] > 0:
        text = "packet buffers run out: frames far larger than one buffer fill the rings"
        yield Finding("source", text, "a larger --tx-ring, which makes the pool larger; offloads off on the NIC", True)
    if rates["errors"] > 0:
        text = "the source receives damaged frames"
        yield Finding("source", text, "check cable, transceiver and MTU", True)
    if rates["refused"] > 0:
        text = "frames are larger than the topic takes"
        yield Finding("tx", text, "raise the topic's max.message.bytes, or cut packets with --snaplen", True)
    if kafka.loss_rate > 0:
        yield Finding("kafka", "Kafka does not take packets", "the log says why; the brokers' own logs do, too", True)


def _ring_findings(now: View, limits: Limits) -> Iterator[Finding]:
    ring, tx, kafka = (now.hop(name) for name in ("ring", "tx", "kafka"))
    losing = ring.loss_rate > 0
    if not losing and not (limits.live and (ring.fill or 0) >= NEARLY_FULL):
        return
    end = "the ring is full and packets are dropped" if losing else "the ring is nearly full"
    if (kafka.fill or 0) >= FULL:
        slow = f"; a request takes {now.round_trip_ms:,.0f} ms" if now.round_trip_ms is not None else "; none answers"
        text = f"Kafka does not keep up: {kafka.waiting:,} packets wait for it{slow}; {end}"
        remedy = "faster brokers, more partitions, -X compression.type=lz4; --buffer-memory for pauses only"
        yield Finding("kafka", text, remedy, losing)
    elif (tx.load or 0) >= BUSY:
        text = f"the tx workers are busy all the time ({tx.load:.0%}); {end}"
        yield Finding("tx", text, "more --tx-workers, each with a CPU of its own; less compression", losing)
    else:
        text = f"bursts are larger than the ring ({limits.tx_ring:,} packets); {end}"
        yield Finding("ring", text, "a larger --tx-ring; CPUs of their own for the tx workers", losing)
