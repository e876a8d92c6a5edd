"""Plain text that fits a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from toolchain.report import table
from views.wording import printable

COLUMNS = 80
_LEAST = 6


def fitted(
    header: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[int], columns: int = COLUMNS
) -> str:
    """A table no wider than `columns`: cells of the columns `names` give way, the widest first, and end in …"""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]

    def widths() -> list[int]:
        return [max(len(row[column]) for row in cells) for column in range(len(header))]

    while (over := sum(widths()) + 2 * (len(header) - 1) - columns) > 0:
        widest = max(names, key=lambda column: widths()[column])
        room = max(_LEAST, widths()[widest] - over)
        if room >= widths()[widest]:
            break
        second = max((widths()[one] for one in names if one != widest), default=0)
        room = max(room, min(second, widths()[widest] - 1))
        for row in cells:
            if len(row[widest]) > room:
                row[widest] = row[widest][: room - 1] + "…"
    return table(cells[0], cells[1:])


def section(title: str, lines: Sequence[str], then: str = "    ") -> str:
    """A title and its lines, each wrapped and indented below it."""
    return "\n".join([f"{title}:", *(wrapped(line, "  ", then) for line in lines)])


def wrapped(line: str, first: str = "", then: str = "") -> str:
    """A word longer than the line (a name of 63 bytes) stays whole."""
    return textwrap.fill(
        printable(line),
        COLUMNS,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )
