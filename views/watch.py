"""`make watch`: pools, clients, waits and backends on one screen, alarms on top."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from views.alarms import BUSY, CALM, FULL, alarms, level
from views.pools import Entry, Look, Pooler
from views.wording import duration, printable

COLOURS = {CALM: "green", BUSY: "yellow", FULL: "bold red"}
BAR_CELLS = 24


def screen(look: Look) -> RenderableType:
    """Alarms, limits, pools, and who holds a backend."""
    parts: list[RenderableType] = [_heading(look), *_alarms(look), Text(""), _limits(look)]
    for one in look.poolers:
        parts += [Text(""), _pools(one, many=len(look.poolers) > 1)]
    if any(entry.holder for entry in _entries(look)):
        parts += [Text(""), _holders(look)]
    return Group(*parts)


def _heading(look: Look) -> Text:
    number = len(look.poolers)
    running = {0: "no pooler", 1: "1 pooler"}.get(number, f"{number} poolers (overlap)")
    return Text(f"stack {look.stack}   {look.taken} UTC   {running}", style="bold", overflow="fold")


def _alarms(look: Look) -> list[Text]:
    found = alarms(look)
    if not found:
        return [Text("ok: nobody waits, no limit is near", style="green")]
    return [Text(f"! {printable(line)}", style="bold red", overflow="fold") for line in found]


def _limits(look: Look) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for one in look.poolers:
        table.add_row(
            f"pooler {one.id[:12]}", bar(one.backends, one.cap), f"{one.backends} of {one.cap} backends"
        )
    if server := look.server:
        of = f"{server.connections} of {server.usable} (max_connections {server.max_connections})"
        table.add_row("Postgres", bar(server.connections, server.usable), of)
    return table


def bar(used: int, limit: int) -> Text:
    """`[####----]`, coloured by how near the limit is."""
    filled = min(BAR_CELLS, round(BAR_CELLS * used / limit)) if limit else BAR_CELLS
    return Text(f"[{'#' * filled}{'-' * (BAR_CELLS - filled)}]", style=COLOURS[level(used, limit)])


def _pools(one: Pooler, *, many: bool) -> Table:
    table = _table(f"ENTRY / USER of {one.id[:12]}" if many else "ENTRY / USER")
    for title in ("LANE", "CLIENTS", "WAITING", "LONGEST", "BACKENDS"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in one.entries:
        starved = any(pool.waiting for pool in entry.pools)  # a full entry without waits is a busy one
        if not starved and (entry.lookups or not (entry.pools or entry.backends)):
            continue
        table.add_row(
            Text(entry.name, style="bold"),
            "paused" if entry.paused else entry.mode,
            *("", "", ""),
            Text(f"{entry.backends}/{entry.cap}", style="bold red" if starved else ""),
        )
        for pool in entry.pools:
            waits = "bold red" if pool.waiting else ""
            table.add_row(
                Text(f"  {printable(pool.user)}"),
                "",
                str(pool.active + pool.waiting),
                Text(str(pool.waiting), style=waits),
                Text(f"{pool.longest_wait:.1f} s" if pool.waiting else "-", style=waits),
                str(pool.backends),
            )
    if not table.rows:
        table.add_row(Text("no client and no backend"), *[""] * 5)
    return table


def _holders(look: Look) -> Table:
    table = _table("LONGEST ON")
    table.add_column("PID", justify="right", no_wrap=True)
    table.add_column("USER", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("APPLICATION", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("FROM", no_wrap=True, overflow="ellipsis", max_width=15)
    table.add_column("AGE", justify="right", no_wrap=True)
    held = [(entry.name, entry.holder) for entry in _entries(look) if entry.holder]
    for name, one in sorted(held, key=lambda pair: -pair[1].seconds):
        age = duration(one.seconds) + (" idle" if one.state.startswith("idle") else "")
        cells = (name, str(one.pid), one.user, one.application or "-", one.address or "-", age)
        table.add_row(*(Text(printable(text)) for text in cells))
    return table


def _table(first: str) -> Table:
    """Names give way to figures where there is not room for both."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True, header_style="dim")
    table.add_column(first, no_wrap=True, overflow="ellipsis", ratio=4)
    return table


def _entries(look: Look) -> Iterator[Entry]:
    return (entry for one in look.poolers for entry in one.entries)


def as_json(look: Look) -> str:
    """The same for scripts; counts are connections, times in seconds."""
    return json.dumps(
        asdict(look)
        | {"alarms": alarms(look), "waiting": look.waiting, "longest_wait": round(look.longest_wait, 3)},
        indent=2,
    )
