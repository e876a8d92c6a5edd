"""Plain text that fits a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

COLUMNS = 80


def section(title: str, lines: Sequence[str], then: str = "    ") -> str:
    """A title and its lines, each wrapped and indented below it."""
    return "\n".join([f"{title}:", *(wrapped(line, "  ", then) for line in lines)])


def wrapped(line: str, first: str = "", then: str = "") -> str:
    """A word longer than the line (a name of 63 bytes) stays whole."""
    return textwrap.fill(
        line,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )
