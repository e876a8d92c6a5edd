"""The dashboard's panels as one picture, drawn from the answers of a Prometheus to the panels' own queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no display is needed

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter

from monitoring.panels import Panel
from monitoring.prometheus import Line, Prometheus

POINTS = 240
COLUMNS = 2


def draw(
    prometheus: Prometheus, panels: Sequence[Panel], title: str, start: float, end: float, to: Path
) -> None:
    """Write a PNG with all panels between two moments, unix seconds."""
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(15, 3.6 * rows), squeeze=False, layout="constrained")
    figure.suptitle(title, fontsize=15)
    for panel, axis in zip(panels, axes.flat, strict=False):
        _panel(prometheus, panel, axis, start, end)
    for unused in axes.flat[len(panels) :]:
        unused.axis("off")
    figure.savefig(to, dpi=90)
    plt.close(figure)


def _panel(prometheus: Prometheus, panel: Panel, axis: Axes, start: float, end: float) -> None:
    colours = iter(plt.get_cmap("tab20").colors * 2)  # type: ignore[attr-defined] # of listed maps only
    for query in panel.queries:
        for line in prometheus.between(query.expr, start, end, (end - start) / POINTS):
            times = [datetime.fromtimestamp(moment, UTC) for moment, _ in line.points]
            values = [value for _, value in line.points]
            style = {"color": "red", "linestyle": "--"} if query.limit else {"color": next(colours)}
            axis.plot(times, values, label=_legend(query.legend, line), linewidth=1.6, **style)  # type: ignore[arg-type] # dates
    axis.set_title(panel.title, fontsize=11)
    axis.set_ylabel(panel.axis)
    axis.set_xlabel("time, UTC")
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))  # type: ignore[no-untyped-call] # it ships no types
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _legend(template: str, line: Line) -> str:
    text = template
    for name, value in line.labels.items():
        text = text.replace("{{" + name + "}}", value or f"without {name}")
    return text
