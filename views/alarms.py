"""What must be seen first on a look at the pools."""

from __future__ import annotations

from collections.abc import Iterable

from toolchain.stack import option
from views.pools import Look, Pooler

CALM, BUSY, FULL = "calm", "busy", "full"
NEAR = 0.8
"""Share of a limit from which it is worth a look."""


def level(used: int, limit: int) -> str:
    """calm, busy from NEAR of the limit, full at it."""
    if used >= limit:
        return FULL
    return BUSY if used >= NEAR * limit else CALM


def alarms(look: Look) -> list[str]:
    """What must be seen first, the worst first; none when all is well."""
    found = []
    if not look.poolers:
        found.append(
            f"no pooler of stack {look.stack} runs: see `docker ps -a`, or run `make up{option(look.stack)}`"
        )
    if look.trouble:
        found.append(look.trouble)
    found += [
        f"pooler {one.id[:12]} is paused: queries and logins wait" for one in look.poolers if _paused(one)
    ]
    if look.waiting:
        worst = max(look.pools(), key=lambda pool: (pool.waiting > 0, pool.longest_wait))
        found.append(
            f"{look.waiting} waiting, the longest {look.longest_wait:.1f} s: {worst.user} on {worst.entry}"
        )
    found += list(_near(look))
    return found


def _paused(one: Pooler) -> bool:
    return one.paused or any(entry.paused for entry in one.entries)


def _near(look: Look) -> Iterable[str]:
    for one in look.poolers:
        if (now := level(one.backends, one.cap)) != CALM:
            where = "at" if now == FULL else "near"
            yield f"pooler {one.id[:12]} is {where} its cap: {one.backends} of {one.cap} backends"
    if (server := look.server) and (now := level(server.connections, server.usable)) != CALM:
        yield (
            f"Postgres is {'at' if now == FULL else 'near'} its limit: {server.connections} of "
            f"{server.usable} connections that are not reserved"
        )
