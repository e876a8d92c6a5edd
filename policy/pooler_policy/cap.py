"""Every entry of PgBouncer has a cap of its own, and the caps add up to no more than `max_backends`.

Pools are per user and database: 8 users with 15 clients opened 97 backends without (measured).
"""

from __future__ import annotations

from collections.abc import Iterator

from pooler_policy.ini_text import Entry, database_entries, included_files, ini_of
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule


def _check(resource: Resource, declared: Declared) -> Iterator[str]:
    for text in ini_of(resource):
        entries = database_entries(text)
        for file in included_files(text):
            yield f"pgbouncer.ini: includes {file}, whose entries nobody counts; write them into the file itself"
        if not entries:
            yield "pgbouncer.ini: has no entry in [databases], so nothing bounds the backends; add services"
        for entry in entries:
            if _cap(entry) == 0:
                yield (
                    f"pgbouncer.ini: entry {entry.name} has no max_db_connections, so each user may open a pool of "
                    "its own; give it one, within max_backends"
                )
        yield from _sum(sum(map(_cap, entries)), declared.max_backends)


def _cap(entry: Entry) -> int:
    """Backends; 0 is PgBouncer's way to say no limit."""
    value = entry.values.get("max_db_connections", "0")
    return int(value) if value.isdigit() else 0


def _sum(total: int, most: int | None) -> Iterator[str]:
    if most is None:
        yield "max_backends: is not in the stack's configuration, so the sum of the caps cannot be judged; set it"
    elif total > most:
        yield (
            f"pgbouncer.ini: the max_db_connections of all entries add up to {total}, more than max_backends ({most}); "
            f"lower them by {total - most}, or raise max_backends within max_connections"
        )


RULE = ResourceRule(
    "cap-on-every-entry",
    "Every entry has max_db_connections, and their sum is within max_backends.",
    _check,
)
