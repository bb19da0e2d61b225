"""The results as a picture, with matplotlib: an optional dependency."""

from pathlib import Path
from typing import Any

from fastcapa.bench.samples import Samples
from fastcapa.errors import RunTimeError, UsageError


def check_installed() -> None:
    """Raise UsageError where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401, PLC0415 -- half a second, and only wanted here
    except ImportError:
        raise UsageError("--plot: needs matplotlib; install it with: pip install 'fastcapa[plot]'") from None


def plot(samples: Samples, file: Path) -> None:
    """Draw CPU per packet of every case, with the spread, beside the floors; raise RunTimeError if that fails."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    sizes = sorted({case.frame_bytes for case in samples.cases})
    several_compressions = len({case.compression for case in samples.cases}) > 1
    several_partitions = len({case.partitions for case in samples.cases}) > 1
    figure = Figure(figsize=(4.5 * len(sizes), 5), layout="constrained")
    FigureCanvasAgg(figure)
    # Row by row: producers differ by more than an order of magnitude, so the axis is logarithmic.
    for axes, size in zip(figure.subplots(1, len(sizes), squeeze=False)[0], sizes, strict=True):
        cases = [case for case in samples.cases if case.frame_bytes == size]
        labels = []
        for case in cases:
            label = [case.producer]
            label += [case.compression] if several_compressions else []
            label += [f"{case.partitions} partitions"] if several_partitions else []
            labels.append("\n".join(label))
        _bars(axes, samples, cases, labels)
        axes.set_title(f"{size} bytes")
        if size in samples.floors:
            floor = sorted(samples.floors[size])[len(samples.floors[size]) // 2]
            axes.axhline(floor, color="black", linestyle="--", linewidth=1, label=f"floor, {floor:.0f} ns")
            axes.legend()
    figure.axes[0].set_ylabel("CPU of the whole probe, ns per delivered packet")
    try:
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise RunTimeError(f"--plot {file}: {' '.join(str(error).split())}") from None


def _bars(axes: Any, samples: Samples, cases: list[Any], labels: list[str]) -> None:
    spreads = [samples.spread(case, lambda s: s.cpu_ns) for case in cases]
    medians = [spread.median for spread in spreads]
    errors = [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
    places = range(len(cases))
    bars = axes.bar(places, medians, yerr=errors, capsize=4, color=[_colour(case.producer) for case in cases])
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set_xticks(list(places), labels, fontsize="small")
    axes.set_yscale("log")


def _colour(producer: str) -> str:
    return {"librdkafka": "tab:orange"}.get(producer, "tab:blue")
