"""The dashboard's panels as one picture, drawn from the answers of a Prometheus to the panels' own queries."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no display is needed

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from monitoring.panels import Panel
from monitoring.prometheus import Line, Prometheus

POINTS = 240
COLUMNS = 2
LEGEND_CHARACTERS = 60


def draw(
    prometheus: Prometheus, panels: Sequence[Panel], title: str, start: float, end: float, to: Path
) -> None:
    """Write a PNG with all panels between two moments, unix seconds."""
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(15, 4.4 * rows), squeeze=False, layout="constrained")
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
            minutes = [(moment - start) / 60 for moment, _ in line.points]
            values = [value for _, value in line.points]
            colour, style = ("red", "--") if query.limit else (next(colours), "-")
            label = textwrap.fill(_legend(query.legend, line), LEGEND_CHARACTERS)
            axis.plot(minutes, values, label=label, linewidth=1.6, color=colour, linestyle=style)
    axis.set_title(panel.title, fontsize=12)
    axis.set_ylabel(panel.axis)
    axis.set_xlabel("minutes")
    axis.set_ylim(bottom=0)
    axis.margins(x=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, frameon=False)


def _legend(template: str, line: Line) -> str:
    """As Grafana fills it in; Prometheus drops labels that are empty."""
    return re.sub(r"{{(\w+)}}", lambda found: line.labels.get(found[1]) or f"without {found[1]}", template)
