"""A look of `make watch` as an SVG, 80 columns wide."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from views.pools import Look
from views.watch import screen
from views.wrapped import COLUMNS


def draw(look: Look, file: Path) -> None:
    """Writes the picture; it names no path and no host of this machine."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(screen(look))
    file.write_text(console.export_svg(title="make watch", unique_id="watch"), encoding="utf-8")
