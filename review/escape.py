"""Text of others inside our Markdown: it is shown as it is, and can be neither markup nor a mention."""

from __future__ import annotations

import re

_BREAK = "\u200b"
"""Zero-width space: GitHub looks for mentions, references and links in the rendered text, so escaping is too early."""


def code(text: str) -> str:
    """A code span. Line breaks become spaces, as every renderer makes them."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", text)
    if not flat.strip():
        return "(empty)"
    ticks = "`" * (_longest_run(flat) + 1)
    inner = f" {flat} " if flat.startswith(("`", " ")) or flat.endswith(("`", " ")) else flat
    return f"{ticks}{inner}{ticks}"


def cell(text: str) -> str:
    """The same in a table, where a pipe ends the cell even inside a code span."""
    if "|" not in text:
        return code(text)
    # No backslash: one that stands before the pipe already would undo it.
    return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda found: f'&#{ord(found[0])};', text)}</code>"


def prose(text: str) -> str:
    """Part of a sentence, outside of code."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", text)
    escaped = re.sub(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", flat)
    escaped = re.sub(r"[@#](?=\w)|(?i:\bGH-(?=\d))", rf"\g<0>{_BREAK}", escaped)
    return re.sub(r"(?i:\bhttps?:|\bwww\.)", rf"\g<0>{_BREAK}", escaped)


def fence(text: str) -> str:
    """What opens and closes a block: longer than any run of backticks inside."""
    return "`" * max(3, _longest_run(text) + 1)


def fenced(text: str, language: str = "") -> str:
    """The whole block."""
    body = text if text.endswith("\n") or not text else f"{text}\n"
    return f"{fence(text)}{language}\n{body}{fence(text)}\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
