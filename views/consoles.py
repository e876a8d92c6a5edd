"""What the running poolers of a stack answer; one that goes while it is asked is left out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolchain import pooler_console
from toolchain.problem import Problem
from toolchain.processes import attempt

Rows = list[dict[str, str]]

COMMANDS = ("SHOW POOLS", "SHOW CLIENTS", "SHOW SERVERS", "SHOW DATABASES", "SHOW STATE")
_TRIES = 10
_BETWEEN_TRIES_SECONDS = 0.3


@dataclass(frozen=True)
class Console:
    """One pooler's answers. Entries of the console itself are left out."""

    pooler: str
    """Id of its container."""
    pools: Rows
    clients: Rows
    servers: Rows
    databases: Rows
    state: dict[str, str]
    """`active`, `paused`, `suspended` → yes or no."""


def ask(poolers: Sequence[str]) -> tuple[Console, ...]:
    """The answers of those that still run; a Problem when one runs and does not answer."""
    return tuple(console for pooler in poolers for console in _ask(pooler))


def addresses(poolers: Sequence[str], network: str) -> frozenset[str]:
    """Where the poolers are on a network, as Postgres sees them."""
    found = set()
    for pooler in poolers:
        shown = attempt(
            ["docker", "container", "inspect", "--format={{json .NetworkSettings.Networks}}", pooler]
        )
        networks = json.loads(shown.stdout) if shown.returncode == 0 else {}
        if address := networks.get(network, {}).get("IPAddress"):
            found.add(str(address))
    return frozenset(found)


def _ask(pooler: str) -> Iterator[Console]:
    for tried in range(_TRIES):
        try:
            pools, clients, servers, databases, state = pooler_console.ask_all(pooler, COMMANDS)
        except (Problem, ValueError) as refused:  # no answer, or half of one
            if not _runs(pooler):
                return
            if tried == _TRIES - 1:
                raise Problem(f"the pooler {pooler[:12]} runs but does not answer: {refused}") from None
            time.sleep(_BETWEEN_TRIES_SECONDS)  # its process may end a moment before its container does
            continue
        yield Console(
            pooler,
            _services(pools, "database"),
            _services(clients, "database"),
            _services(servers, "database"),
            _services(databases, "name"),
            {row["key"]: row["value"] for row in state},
        )
        return


def _services(rows: Rows, key: str) -> Rows:
    return [row for row in rows if row[key] != "pgbouncer"]


def _runs(pooler: str) -> bool:
    shown = attempt(["docker", "container", "inspect", "--format={{.State.Running}}", pooler])
    return shown.returncode == 0 and shown.stdout.strip() == "true"
