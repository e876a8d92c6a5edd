"""The picture is drawn from the answers to the panels' own queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from monitoring import picture
from monitoring.panels import Panel, Query
from monitoring.prometheus import Line, Prometheus

PANEL = Panel(
    "Backends",
    "backends",
    "short",
    "",
    (Query("busy", "{{user}} of {{entry}}"), Query("vector(25)", "cap: 25", limit=True)),
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Figure:
    """One panel between second 1000 and second 1120."""

    def between(_: Prometheus, expr: str, start: float, end: float, step: float) -> list[Line]:
        assert step == 0.5
        value = {"busy": 7.0, "vector(25)": 25.0}[expr]
        return [Line({"user": "web"}, ((start, value), (end, value)))]

    kept: list[Figure] = []
    monkeypatch.setattr(Prometheus, "between", between)
    monkeypatch.setattr(plt, "close", kept.append)
    picture.draw(Prometheus("http://unused"), [PANEL], "A stack", 1000, 1120, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    return kept[0]


def points(line: Line2D) -> list[list[float]]:
    return [[float(minutes), float(value)] for minutes, value in np.asarray(line.get_xydata())]


def test_a_line_goes_over_minutes(drawn: Figure) -> None:
    assert points(drawn.axes[0].lines[0]) == [[0.0, 7.0], [2.0, 7.0]]


def test_a_limit_is_a_dashed_red_line(drawn: Figure) -> None:
    limit = drawn.axes[0].lines[1]
    assert (limit.get_color(), limit.get_linestyle(), points(limit)) == (
        "red",
        "--",
        [[0.0, 25.0], [2.0, 25.0]],
    )


def test_a_legend_names_labels_and_the_lack_of_one(drawn: Figure) -> None:
    assert [line.get_label() for line in drawn.axes[0].lines] == ["web of without entry", "cap: 25"]


def test_both_axes_are_labelled(drawn: Figure) -> None:
    assert (drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()) == ("minutes", "backends")
