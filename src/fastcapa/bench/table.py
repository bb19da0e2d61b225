"""The results as a table."""

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from fastcapa.bench.plan import PRODUCERS, Case
from fastcapa.bench.samples import Samples, Spread


@dataclass(frozen=True)
class _Column:
    heading: str
    text: Callable[[Samples, Case], str]
    left: bool = False


def _spread(samples: Samples, case: Case) -> str:
    cpu = samples.spread(case, lambda s: s.cpu_ns)
    return f"{_ns(cpu.low)} - {_ns(cpu.high)}"


_COLUMNS = (
    _Column("bytes", lambda _, c: str(c.frame_bytes)),
    _Column("compression", lambda _, c: c.compression, left=True),
    _Column("partitions", lambda _, c: f"{c.partitions:,}"),
    _Column("producer", lambda _, c: c.producer, left=True),
    _Column("CPU", lambda s, c: _ns(s.spread(c, lambda x: x.cpu_ns).median)),
    _Column("min - max", _spread),
    _Column(f"{PRODUCERS[0]}\n/ this", lambda s, c: _ratio(s.times_less(c, c.beside(PRODUCERS[0])))),
    _Column("rx busy", lambda s, c: _ns(s.spread(c, lambda x: x.rx_busy_ns).median)),
    _Column("tx busy", lambda s, c: _ns(s.spread(c, lambda x: x.tx_busy_ns).median)),
    _Column("rx CPU", lambda s, c: _ns(s.spread(c, lambda x: x.rx_cpu_ns).median)),
    _Column("other\nCPU", lambda s, c: _ns(s.spread(c, lambda x: x.other_cpu_ns).median)),
    _Column("tx CPU", lambda s, c: _ns(s.spread(c, lambda x: x.tx_cpu_ns).median)),
    _Column("tx CPU\n/ floor", lambda s, c: _ratio(s.over_floor(c, lambda x: x.tx_cpu_ns))),
    _Column("packets/s", lambda s, c: f"{s.spread(c, lambda x: x.packets_per_s).median:,.0f}"),
)


def print_table(samples: Samples, console: Console) -> None:
    """Print a row per case, medians over the runs; ratios are between figures of the same round."""
    table = Table(title="ns per delivered packet", title_justify="left", box=box.SIMPLE_HEAD)
    for column in _COLUMNS:
        table.add_column(column.heading, justify="left" if column.left else "right", no_wrap=True)
    several = len({case.producer for case in samples.cases}) > 1
    last: Case | None = None
    for case in samples.cases:
        if several and last is not None and case.beside(last.producer) != last:
            table.add_section()
        last = case
        table.add_row(*(column.text(samples, case) for column in _COLUMNS))
    console.print(table)
    for size, values in samples.floors.items():
        floor = Spread.of(values)
        console.print(f"floor at {size} bytes: {_ns(floor.median)} ns/packet ({_ns(floor.low)} - {_ns(floor.high)})")


def _ns(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.2f}"
