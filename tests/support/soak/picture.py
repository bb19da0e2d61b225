"""`python tests/support/soak/picture.py DIRECTORY`: pictures and a table of what a soak has left there, by producer."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Rows = list[dict[str, str]]
_COLOURS = {"direct": "tab:blue", "direct, --spill": "tab:green", "librdkafka": "tab:orange"}
_COLOURS |= {"direct, --restart": "tab:purple", "librdkafka, --restart": "tab:brown"}
_PANELS: tuple[tuple[str, str, float], ...] = (
    ("engine, MiB", "engine_kib", 1024),
    ("supervisor, MiB", "supervisor_kib", 1024),
    ("engine, descriptors", "engine_descriptors", 1),
    ("engine, threads", "engine_threads", 1),
    ("with Kafka or on\nthe disk, packets", "waiting", 1),
)
_GROWTH = (
    ("engine", "engine_kib", 1024, "MiB"),
    ("supervisor", "supervisor_kib", 1024, "MiB"),
    ("descriptors", "engine_descriptors", 1, ""),
    ("threads", "engine_threads", 1, ""),
)


def draw(document: dict[str, Any], rows: Rows, file: Path) -> None:
    """What is offered, how long it takes, and what the processes have meanwhile; faults are the grey bars."""
    figure = Figure(figsize=(11, 14), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2 + len(_PANELS), 1, sharex=True)
    for fault in document["faults"]:
        for axes in panels:
            axes.axvspan(fault["began"] / 60, fault["ended"] / 60, color="0.9", linewidth=0)
        place = (fault["began"] / 60, 1.03)
        panels[0].annotate(
            fault["name"], place, xycoords=("data", "axes fraction"), rotation=60, fontsize=6, annotation_clip=False
        )
    first = [row for row in rows if row["lane"] == document["lanes"][0]["lane"]]
    panels[0].step([float(row["seconds"]) / 60 for row in first], [int(row["rate"]) for row in first], color="black")
    panels[0].set_ylabel("offered, frames/s")
    for lane in document["lanes"]:
        colour = _COLOURS[lane["lane"]]
        times = [each["seconds"] / 60 for each in lane["latencies"]]
        medians = [each["median_ms"] for each in lane["latencies"]]
        panels[1].plot(times, medians, color=colour, label=lane["lane"], linewidth=1)
        mine = [row for row in rows if row["lane"] == lane["lane"]]
        for axes, (title, name, unit) in zip(panels[2:], _PANELS, strict=True):
            axes.set_ylabel(title)
            value = _waiting if name == "waiting" else _column(name, unit)
            points = [(float(row["seconds"]) / 60, value(row)) for row in mine]
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1)
    panels[1].set_yscale("log")
    panels[1].set_ylabel("until it is in Kafka,\nmedian of 5 s, ms")
    panels[1].legend(fontsize="x-small", ncols=5, loc="upper center")
    panels[-1].set_yscale("symlog", linthresh=10)
    panels[-1].set_ylim(bottom=0)
    panels[-1].set_xlabel("minutes")
    figure.savefig(file, dpi=90)


def _column(name: str, unit: float) -> Callable[[dict[str, str]], float]:
    return lambda row: float(row[name]) / unit if row[name] else float("nan")


def _waiting(row: dict[str, str]) -> float:
    return float(row["in_flight"]) + float(row["spilled"]) if row["in_flight"] else float("nan")


def table(lanes: list[dict[str, Any]]) -> str:
    """The figures in Markdown."""
    columns = ["capture", "frames", "arrived", "counted as lost", "restarts", "written to the disk", "latency"]
    columns += [title for title, *_ in _GROWTH]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for lane in lanes:
        lost = ", ".join(f"{cause} {count:,}" for cause, count in lane["counted"].items()) or "nothing"
        lost += f"; {lane['unseen']:,} seen by nobody" if lane["unseen"] else ""
        lost += "; the library gave up" if lane["fatal"] else ""
        cells = [lane["lane"], f"{lane['sent']:,}", f"{lane['arrived']:,}", lost, str(lane["restarts"])]
        cells += [f"{lane['written']:,}", f"{lane['median_ms']:.0f} ms"]
        for _, name, unit, word in _GROWTH:
            second, last, largest = (each / unit for each in lane["growth"][name])
            digits = 1 if unit > 1 else 0
            cells.append(f"{second:.{digits}f}, {last:.{digits}f}, {largest:.{digits}f} {word}".strip())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Draw and print."""
    directory = Path(sys.argv[1])
    lanes: list[dict[str, Any]] = []
    for left in sorted(directory.glob("*/soak.json")):
        document = json.loads(left.read_text())
        with left.with_name("samples.csv").open(newline="") as file:
            draw(document, list(csv.DictReader(file)), directory / f"soak-{left.parent.name}.png")
        lanes += document["lanes"]
    text = table(lanes)
    (directory / "soak.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
