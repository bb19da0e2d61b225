"""The plan as text: each number, and in the same line where it comes from."""

from rich import box
from rich.console import Console
from rich.table import Table

from fastcapa.bench.sizing.plan import Sizing

_PARTS = {"traffic": "traffic", "probe": "the probe", "kafka": "Kafka"}


def print_sizing(sizing: Sizing, console: Console) -> None:
    """Print the plan, the options to type and the warnings."""
    console.print(f"planned with: {sizing.figures}")
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "needed", "where it comes from"):
        table.add_column(heading)
    part = None
    for number in sizing.numbers:
        if part is not None and number.part != part:
            table.add_section()
        table.add_row(_PARTS[number.part] if number.part != part else "", number.shown, number.origin)
        part = number.part
    console.print(table)
    console.print(f"fastcapa capture {' '.join(sizing.options)} ...", soft_wrap=True)
    for warning in sizing.warnings:
        console.print(f"mind: {warning}", soft_wrap=True)
