"""No entry of PgBouncer takes any database name: it would open pools that nobody has counted."""

from __future__ import annotations

from collections.abc import Iterator

from pooler_policy.ini_text import database_entries, ini_of
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule


def _check(resource: Resource, _: Declared) -> Iterator[str]:
    for text in ini_of(resource):
        if any(entry.name == "*" for entry in database_entries(text)):
            yield (
                "pgbouncer.ini: entry * answers to any database name, with a cap for each; "
                "name the databases instead, in databases or as services"
            )


RULE = ResourceRule("no-wildcard-entry", "[databases] has no * entry.", _check)
