"""The counters of a report as a table, a row per hop."""

from rich.console import Console
from rich.table import Table

from fastcapa.stats import Report


def print_counters(report: Report, console: Console) -> None:
    """Print what came in, what went out and each cause of loss, hop by hop."""
    source, rx, tx, kafka = (report[part] for part in ("source", "rx", "tx", "kafka"))
    table = Table(title="packets, hop by hop", title_justify="left")
    for heading in ("hop", "in", "out", "lost or waiting here"):
        table.add_column(heading, justify="left" if heading[0] in "hl" else "right")
    hops = (
        ("source", source["in"], rx["in"], {key: source[key] for key in ("missed", "errors", "no_mbuf")}),
        ("rx worker", rx["in"], rx["out"], {key: rx[key] for key in ("filtered", "ring_full_drops")}),
        ("tx ring", rx["out"], tx["in"], {"queued": tx["ring_queued"]}),
        ("tx worker", tx["in"], kafka["in"], {"held": tx["held"], "refused": tx["refused"]}),
        ("Kafka", kafka["in"], kafka["delivered"], {key: kafka[key] for key in ("in_flight", "spilled", "failed")}),
    )
    for name, packets_in, packets_out, rest in hops:
        causes = ", ".join(f"{value:,} {key}" for key, value in rest.items() if value) or "-"
        table.add_row(name, f"{packets_in:,}", f"{packets_out:,}", causes)
    console.print(table)
    console.print(
        f"unaccounted: {report['unaccounted']}   batches: {kafka['batches']:,}   bytes: {kafka['bytes']:,}"
        f"   retries: {kafka['retries']:,}   seconds: {report['seconds']:.2f}"
    )
