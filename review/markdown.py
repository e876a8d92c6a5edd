"""The comment: words first, then the figures, then the texts for whoever wants to see them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from review.escape import cell, code, fence, prose
from review.facts import Facts, budget_rows
from review.plan import Change
from review.words import Update, headline, points

LIMIT = 65_536 - 1_024
"""Characters of a comment on GitHub, less what the marker and the line about the commit take."""

_NOTE_ROOM = 90
"""Characters kept for the line by which a section says that it was cut."""


@dataclass(frozen=True)
class _Section:
    """Lines that may be cut anywhere, between what opens and what closes them."""

    head: str
    lines: Sequence[str]
    tail: str = ""

    def within(self, room: int) -> str:
        """As many lines as there is room for; without any, only the note."""
        room -= len(self.head) + len(self.tail)
        kept: list[str] = []
        for line in self.lines:
            room -= len(line)
            if room < 0:
                break
            kept.append(line)
        cut = len(self.lines) - len(kept)
        note = f"\n_{cut} more lines are left out: the comment would be too long._\n" if cut else ""
        return f"{self.head}{''.join(kept)}{self.tail}{note}" if kept else note


def of_update(stack: str, update: Update, warnings: Sequence[str], *, limit: int = LIMIT) -> str:
    """The whole comment, at most `limit` characters; what is cut is said where it is cut."""
    title = f"## PgBouncer: what an update of stack {code(stack)} does\n\n**{headline(update)}**\n"
    sections = [
        _Section("\n", [f"- {point}\n" for point in points(update)]),
        _warnings(warnings),
        _settings(update.before, update.after),
        _connections(update),
        _diff("pgbouncer.ini", update.before.ini, update.after.ini),
        _diff("pg_hba.conf", update.before.hba, update.after.hba),
        _resources(update.plan.changes),
    ]
    return _page(title, sections, limit)


def of_failure(stack: str, error: str, warnings: Sequence[str], *, limit: int = LIMIT) -> str:
    """The comment for a preview that failed. `error` has been cleared of secrets."""
    title = (
        f"## PgBouncer: what an update of stack {code(stack)} does\n\n"
        "**The preview failed, so this cannot be deployed. Nothing has been changed.**\n"
    )
    return _page(title, [_warnings(warnings), _fenced("\n", error.splitlines(), "")], limit)


def _page(title: str, sections: Sequence[_Section], limit: int) -> str:
    """The first sections get the room; every later one can still say that it had none."""
    text = title
    for index, section in enumerate(sections):
        text += section.within(limit - len(text) - _NOTE_ROOM * (len(sections) - index))
    return text


def _warnings(warnings: Sequence[str]) -> _Section:
    return _Section("\n> [!WARNING]\n", [f"> - {prose(warning)}\n" for warning in warnings])


def _fenced(head: str, lines: Sequence[str], tail: str, language: str = "") -> _Section:
    ticks = fence("\n".join(lines))
    return _Section(f"{head}{ticks}{language}\n", [f"{line}\n" for line in lines], f"{ticks}\n{tail}")


def _connections(update: Update) -> _Section:
    """The budget before and after, one row for each spender of either."""
    before, after = dict(_rows(update.before.budget)), dict(_rows(update.after.budget))
    last = ("sum", "max_connections")
    spenders = [name for name in dict.fromkeys([*after, *before]) if name not in last]
    head = "\n### Connections\n\n| who | before | after |\n|---|---:|---:|\n"
    lines = [f"| {prose(name)} | {before.get(name, '–')} | {after.get(name, '–')} |\n" for name in spenders]
    lines += [f"| **{prose(name)}** | {before.get(name, '–')} | {after.get(name, '–')} |\n" for name in last]
    return _Section(head, lines, _verdict(after))


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


def _settings(before: Facts, after: Facts) -> _Section:
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
    return _Section(head, lines)


def _value(settings: Mapping[str, str], key: str) -> str:
    return cell(settings[key]) if key in settings else "–"


def _diff(title: str, old: str, new: str) -> _Section:
    if old == new or not new:
        return _Section("", [])
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), n=2, lineterm="")
    body = list(islice(diff, 2, None))  # without the two lines that name files
    added = sum(line.startswith("+") for line in body)
    removed = sum(line.startswith("-") for line in body)
    summary = f"<code>{title}</code>, lines: {added} added, {removed} removed"
    return _fenced(f"\n<details><summary>{summary}</summary>\n\n", body, "\n</details>\n", "diff")


def _resources(changes: Sequence[Change]) -> _Section:
    head = (
        f"\n<details><summary>Resources that change: {len(changes)}</summary>\n\n"
        "| what | type | name | because of |\n|---|---|---|---|\n"
    )
    lines = [
        f"| {change.kind.value} | {cell(change.type.rpartition('$')[2])} | {cell(change.name)} "
        f"| {', '.join(map(cell, change.keys))} |\n"
        for change in changes
    ]
    return _Section(head, lines, "\n</details>\n")
