"""A look of `make watch` as an SVG, 80 columns wide."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from views.pools import Look
from views.watch import screen
from views.wrapped import COLUMNS

# Fonts of another host are not loaded in a README, and give away who reads it where they are.
FORMAT = re.sub(r"@font-face {{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "font-family: Fira Code, monospace", "font-family: Menlo, Consolas, DejaVu Sans Mono, monospace"
)


def draw(look: Look, file: Path) -> None:
    """Writes the picture; it names no path and no host of this machine."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(screen(look))
    drawn = console.export_svg(title="make watch", unique_id="watch", code_format=FORMAT)
    file.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", encoding="utf-8")
