"""A view as a table of 80 columns, and as one line."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fastcapa.monitor import Status
from fastcapa.monitor.rates import FULL, NEARLY_FULL, Finding, Hop, View

TITLES = {"source": "source", "rx": "rx workers", "ring": "tx rings", "tx": "tx workers", "kafka": "Kafka"}
# Counters of losses in words, as the closing lines have them.
CAUSES = {
    "missed": "missed",
    "errors": "damaged",
    "no_mbuf": "no buffer",
    "ring_full_drops": "ring full",
    "refused": "too large",
    "failed": "failed",
}
_WAITING = {"ring": "queued", "tx": "held", "kafka": "in flight"}
_BAR = 5
# Lines that the hops, the header and a finding take; what is left of the terminal is for the queues.
_FIXED_LINES = 18


def short(number: float) -> str:
    """Return a number in at most five characters, with k, M, G or T for the thousands."""
    for unit in ("", "k", "M", "G"):
        if number < 999.5:
            digits = 0 if unit == "" or number >= 99.95 else 1 if number >= 9.995 else 2
            return f"{number:.{digits}f}{unit}"
        number /= 1000
    return f"{number:.0f}T"


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def line(view: View) -> str:
    """Return the view as one line."""
    source, ring, kafka = view.hop("source"), view.hop("ring"), view.hop("kafka")
    parts = [
        duration(view.seconds),
        f"in {source.packets_in} ({short(source.in_rate)}/s)",
        f"delivered {kafka.packets_out} ({short(kafka.out_rate)}/s)",
    ]
    lost = [(hop, loss) for hop in view.hops for loss in hop.losses if loss.packets]
    parts += [f"{CAUSES[loss.cause]} {loss.packets} ({short(loss.rate)}/s)" for _, loss in lost] or ["nothing lost"]
    parts += [f"ring {ring.fill or 0:.0%}", f"in flight {kafka.waiting}", f"buffer {kafka.fill or 0:.0%}"]
    if view.round_trip_ms is not None:
        parts.append(f"round trip {view.round_trip_ms:.1f} ms")
    return ", ".join(parts)


def table(status: Status, height: int = 25) -> RenderableType:
    """Return what the terminal shows; `height` lines are there."""
    view, about = status.view, status.about
    assert view is not None and about is not None  # noqa: S101 -- there is no table before the first snapshot
    title = Text(f"{', '.join(about.sources)} → {about.topic} at {about.brokers}", no_wrap=True, overflow="ellipsis")
    state = f"{duration(view.seconds)}  {status.phase}  {about.producer}  {short(view.byte_rate * 8)}bit/s"
    parts: list[RenderableType] = [title, Text(state, style="dim"), _hops(view)]
    if view.brokers:
        parts.append(_brokers(view))
    if len(view.queues) > 1:
        parts.append(_queues(view, max(3, height - _FIXED_LINES - len(view.findings))))
    parts.extend(_finding(finding) for finding in view.findings)
    return Group(*parts)


def _hops(view: View) -> Table:
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=79, header_style="bold")
    made.add_column("hop", width=10)
    for heading, width in (("in", 13), ("in/s", 5), ("out/s", 5)):
        made.add_column(heading, width=width, justify="right", no_wrap=True)
    made.add_column("full, busy", width=_BAR + 5, no_wrap=True)
    made.add_column("waits", width=5, justify="right", no_wrap=True)
    made.add_column("lost here", width=24, no_wrap=True)
    narrow = {finding.hop for finding in view.findings}
    for hop in view.hops:
        style = "bold" if hop.name in narrow else ""
        made.add_row(
            Text(TITLES[hop.name], style=style),
            f"{hop.packets_in:,}",
            short(hop.in_rate),
            short(hop.out_rate),
            _share(hop),
            _waiting(hop),
            _losses(hop),
        )
    return made


def _share(hop: Hop) -> Text:
    share, colour = (hop.fill, _colour(hop.fill)) if hop.load is None else (hop.load, _colour(hop.load))
    if share is None:
        return Text("")
    filled = round(share * _BAR)
    return Text.assemble(("█" * filled, colour), ("░" * (_BAR - filled), "dim"), (f"{share:5.0%}", colour))


def _colour(share: float | None) -> str:
    if share is None or share < NEARLY_FULL:
        return "green"
    return "yellow" if share < FULL else "red"


def _waiting(hop: Hop) -> str:
    return f"{short(hop.waiting)}" if hop.name in _WAITING else ""


def _losses(hop: Hop) -> Text:
    """One line per cause: the hop's own causes are all named, so that a 0 is seen to be one."""
    lines = Text()
    for number, loss in enumerate(hop.losses):
        style = "bold red" if loss.rate > 0 else "red" if loss.packets else "dim"
        rate = f" +{short(loss.rate)}/s" if loss.rate > 0 else ""
        lines.append(("\n" if number else "") + f"{CAUSES[loss.cause]} {short(loss.packets)}{rate}", style=style)
    return lines


def _brokers(view: View) -> Text:
    def words(node: int, connections: int, trip: float | None) -> str:
        return f"broker {node} " + ("not connected" if not connections else "-" if trip is None else f"{trip:.1f} ms")

    known = "  ".join(words(b.node, b.connections, b.round_trip_ms) for b in view.brokers)
    return Text(f"round trip  {known}", no_wrap=True, overflow="ellipsis")


def _queues(view: View, rows: int) -> Table:
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=79, header_style="bold")
    made.add_column("queue", no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("in/s", "lost/s", "rx load", "ring", "tx load", "buffer"):
        made.add_column(heading, justify="right", no_wrap=True)
    # Those in trouble first, then the busiest.
    ranked = sorted(view.queues, key=lambda q: (q.drop_rate, q.ring_fill, q.in_rate), reverse=True)
    for queue in ranked[:rows]:
        shares = (queue.rx_load, queue.ring_fill, queue.tx_load, queue.buffer_fill)
        made.add_row(
            f"{queue.source} {queue.queue}",
            short(queue.in_rate),
            Text(short(queue.drop_rate), style="bold red" if queue.drop_rate else "dim"),
            *_percents(shares),
        )
    if len(ranked) > rows:
        made.add_row(Text(f"and {len(ranked) - rows} more", style="dim"))
    return made


def _percents(shares: Iterable[float]) -> list[Text]:
    return [Text(f"{share:.0%}", style=_colour(share)) for share in shares]


def _finding(finding: Finding) -> Text:
    style = "bold red" if finding.loss else "yellow"
    return Text.assemble((f"{finding.text}\n", style), f"  → {finding.remedy}", overflow="fold")
