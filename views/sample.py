"""One look at a running stack: what its poolers say, and what Postgres says. Every view is made from this."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.settings import Settings, SettingsError, load
from toolchain import pooler_console
from toolchain.problem import Problem
from toolchain.stack import Stack
from views import consoles
from views.database import query, statistics

OWN_APPLICATION = "pgbouncer-stack"
"""application_name of the deployment's own connections, see components/preflight.py."""


@dataclass(frozen=True)
class Client:
    """A client of a pooler. `wait` in seconds, 0 unless it waits for a backend."""

    user: str
    entry: str
    application: str
    address: str
    waiting: bool
    wait: float


@dataclass(frozen=True)
class Backend:
    """A connection that Postgres holds in a database of the stack."""

    pid: int
    user: str
    application: str
    address: str
    state: str
    pooled: bool
    """It is a pooler's, not one that came past it."""


@dataclass(frozen=True)
class Sample:
    """Taken within about a second, not at one instant."""

    poolers: int
    clients: tuple[Client, ...]
    backends: tuple[Backend, ...]
    superusers: frozenset[str]
    """Users of services that are superusers."""
    schemas: tuple[str, ...]
    """Schemas of the stack's own database that hold tables."""


def settings_of(stack: Stack) -> Settings:
    """The configuration of a stack, secrets included; a Problem when it cannot be read."""
    found = json.loads(stack.pulumi("config", "--json", "--show-secrets"))
    prefix = "pgbouncer:"
    try:
        return load(
            {
                key.removeprefix(prefix): entry["value"]
                for key, entry in found.items()
                if key.startswith(prefix)
            }
        )
    except SettingsError as refused:
        raise Problem(f"the configuration of stack {stack.name} cannot be used:\n{refused}") from None


def take(stack: str, settings: Settings) -> Sample:
    """Ask every running pooler, two during an overlap, then Postgres."""
    poolers = pooler_console.poolers(stack)
    addresses = consoles.addresses(poolers, settings.network)
    answers = consoles.ask(poolers)
    clients = [_client(row) for answer in answers for row in answer.clients]
    pids = {int(row["remote_pid"]) for answer in answers for row in answer.servers}
    with statistics(settings) as connection:
        given = {"databases": list(settings.dbnames()), "own": OWN_APPLICATION}
        rows = connection.execute(query("backends"), given).fetchall()
        superusers = connection.execute(query("superusers"), {"users": list(settings.users())}).fetchall()
        schemas = connection.execute(query("schemas")).fetchall()
    backends = []
    for pid, user, application, address, state in rows:
        pooled = pid in pids or address in addresses
        texts = (str(user), str(application), str(address), str(state))
        backends.append(Backend(int(str(pid)), *texts, pooled))
    return Sample(
        len(answers),
        tuple(clients),
        tuple(backends),
        frozenset(str(name) for (name,) in superusers),
        tuple(str(name) for (name,) in schemas),
    )


def _client(row: dict[str, str]) -> Client:
    waiting = row["state"].startswith("waiting")
    wait = int(row["wait"]) + int(row["wait_us"]) / 1e6 if waiting else 0.0
    return Client(row["user"], row["database"], row["application_name"], row["addr"], waiting, wait)
