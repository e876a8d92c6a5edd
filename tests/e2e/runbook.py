"""docs/runbook.md as data: its sections, their commands, and what each command is said to print."""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCED = re.compile(
    r"^```sh\n(?P<script>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block of commands with the block that shows what they print."""

    section: str
    script: str
    printed: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether the page says that make fails here."""
        return any(line.startswith("make: ***") for line in self.printed)


def blocks(text: str) -> list[Block]:
    """All blocks in the order of the page."""
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        for match in FENCED.finditer(body):
            lines = (match["printed"] or "").splitlines()
            found.append(Block(title, match["script"], tuple(line for line in lines if line.strip() != "…")))
    return found


def missing(printed: tuple[str, ...], said: str) -> list[str]:
    """Lines of the page that the output does not have in this order.

    `…` is anything, blanks are alike in any number, 0 is 0, and any other number is one that is not 0.
    """
    output = iter([" ".join(line.split()) for line in said.splitlines()])
    return [line for line in printed if not any(pattern(line).fullmatch(shown) for shown in output)]


def pattern(line: str) -> re.Pattern[str]:
    """What a line of the page stands for."""
    parts = re.split(r"(…|[1-9][0-9]*)", " ".join(line.split()))
    return re.compile(
        "".join(
            ".*" if part == "…" else "[1-9][0-9]*" if re.fullmatch("[1-9][0-9]*", part) else re.escape(part)
            for part in parts
        )
    )
