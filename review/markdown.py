"""The comment: words first, then the figures, then the texts for whoever wants to see them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile

from review.escape import cell, code, fenced, prose
from review.facts import Facts, budget_rows
from review.plan import Change
from review.words import Update, headline, points

LIMIT = 65_536 - 1_024
"""Characters of a comment on GitHub, less what the marker and the line about the commit take."""

_NOTE_ROOM = 120
"""Characters for the line that says how much was cut, and for what closes a section."""


def of_update(stack: str, update: Update, warnings: Sequence[str], *, limit: int = LIMIT) -> str:
    """The whole comment, at most `limit` characters; what is cut is said where it is cut."""
    page = _Page(limit)
    page.add(f"## PgBouncer: what an update of stack {code(stack)} does\n\n**{headline(update)}**\n")
    page.add_lines("\n", [f"- {point}\n" for point in points(update)], "")
    page.add_lines("\n> [!WARNING]\n", [f"> - {prose(warning)}\n" for warning in warnings], "")
    page.add_lines(*_settings(update.before, update.after))
    page.add_lines(*_connections(update))
    for title, old, new in (
        ("pgbouncer.ini", update.before.ini, update.after.ini),
        ("pg_hba.conf", update.before.hba, update.after.hba),
    ):
        _add_diff(page, title, old, new)
    page.add_lines(*_resources(update.plan.changes))
    return page.text


def of_failure(stack: str, error: str, warnings: Sequence[str], *, limit: int = LIMIT) -> str:
    """The comment for a preview that failed. `error` has been cleared of secrets."""
    page = _Page(limit)
    page.add(
        f"## PgBouncer: what an update of stack {code(stack)} does\n\n"
        "**The preview failed, so this cannot be deployed. Nothing has been changed.**\n"
    )
    page.add_lines("\n> [!WARNING]\n", [f"> - {prose(warning)}\n" for warning in warnings], "")
    page.add_block("\n", error.splitlines(), "")
    return page.text


class _Page:
    """Text that grows up to a limit. Every section is cut at a line, and says so."""

    def __init__(self, limit: int) -> None:
        self.text = ""
        self._limit = limit

    @property
    def _room(self) -> int:
        return self._limit - len(self.text) - _NOTE_ROOM

    def add(self, text: str) -> None:
        self.text += text

    def add_lines(self, head: str, lines: Sequence[str], tail: str) -> None:
        """Nothing without lines; else as many as there is room for."""
        if not lines:
            return
        kept, cut = _cut(lines, self._room - len(head) - len(tail))
        note = f"\n_{cut} more are left out: the comment would be too long._\n" if cut else ""
        self.add(f"{head}{''.join(kept)}{tail}{note}" if kept else note)

    def add_block(self, head: str, lines: Sequence[str], tail: str, language: str = "") -> None:
        """Lines in a fence, likewise."""
        overhead = (
            len(head)
            + len(tail)
            + len(fenced("\n".join(lines), language))
            - sum(map(len, lines))
            - len(lines)
        )
        kept, cut = _cut([f"{line}\n" for line in lines], self._room - overhead)
        note = f"\n_{cut} more lines are left out: the comment would be too long._\n" if cut else ""
        block = fenced("".join(kept), language) if kept else ""
        self.add(f"{head}{block}{note}{tail}")


def _cut(lines: Sequence[str], room: int) -> tuple[list[str], int]:
    """The first lines that fit, and how many do not."""
    kept: list[str] = []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)


def _connections(update: Update) -> tuple[str, list[str], str]:
    """The budget before and after, one row for each spender of either."""
    before, after = dict(_rows(update.before.budget)), dict(_rows(update.after.budget))
    last = ("sum", "max_connections")
    spenders = [name for name in dict.fromkeys([*after, *before]) if name not in last]
    head = "\n### Connections\n\n| who | before | after |\n|---|---:|---:|\n"
    lines = [f"| {prose(name)} | {before.get(name, '–')} | {after.get(name, '–')} |\n" for name in spenders]
    lines += [f"| **{prose(name)}** | {before.get(name, '–')} | {after.get(name, '–')} |\n" for name in last]
    return head, lines, _verdict(after)


def _verdict(budget: Mapping[str, int]) -> str:
    if "sum" not in budget or "max_connections" not in budget:
        return ""
    free = budget["max_connections"] - budget["sum"]
    return f"\n{free} connections are left.\n" if free >= 0 else f"\n**Over by {-free} connections.**\n"


def _rows(budget: str) -> Iterator[tuple[str, int]]:
    """Without the number that the label of the pooler's share repeats, so that both stand in one row."""
    for label, number in budget_rows(budget):
        words = label.split()
        yield (
            (" ".join(w for w in words if not w.isdigit() or w == "2") if "max_backends" in words else label),
            number,
        )


def _settings(before: Facts, after: Facts) -> tuple[str, list[str], str]:
    """Settings that change, with what that takes."""
    head = "\n### Settings\n\n| setting | before | after | takes a |\n|---|---|---|---|\n"
    lines = []
    if before.is_there:
        for old, new, kind in (
            (before.restart_only, after.restart_only, "replacement"),
            (before.reloadable, after.reloadable, "reload"),
        ):
            lines += [
                f"| {cell(key)} | {_value(old, key)} | {_value(new, key)} | {kind} |\n"
                for key in sorted({*old, *new})
                if old.get(key) != new.get(key)
            ]
    return head, lines, ""


def _value(settings: Mapping[str, str], key: str) -> str:
    return cell(settings[key]) if key in settings else "–"


def _add_diff(page: _Page, title: str, old: str, new: str) -> None:
    if old == new or not new:
        return
    diff = list(difflib.unified_diff(old.splitlines(), new.splitlines(), "running", "new", n=2, lineterm=""))
    body = list(dropwhile(lambda line: line.startswith(("---", "+++")), diff))
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    summary = f"<code>{title}</code>: {added} lines added, {removed} removed"
    page.add_block(f"\n<details><summary>{summary}</summary>\n\n", body, "\n</details>\n", "diff")


def _resources(changes: Sequence[Change]) -> tuple[str, list[str], str]:
    head = (
        f"\n<details><summary>Resources that change: {len(changes)}</summary>\n\n"
        "| what | type | name | because of |\n|---|---|---|---|\n"
    )
    lines = [
        f"| {change.kind.value} | {cell(change.type.rpartition('$')[2])} | {cell(change.name)} "
        f"| {', '.join(map(cell, change.keys))} |\n"
        for change in changes
    ]
    return head, lines, "\n</details>\n"
