"""One look at a running stack: what its poolers say, and what Postgres says. Every view is made from this."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.entries import divide
from components.preflight import OWN_APPLICATION
from components.settings import Settings, SettingsError, load
from toolchain import pooler_console
from toolchain.problem import Problem
from toolchain.stack import Stack, own_values
from views import consoles
from views.database import query, statistics


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
    schemas: Mapping[str, tuple[str, ...]]
    """Database that superusers work in → its schemas that hold tables."""


def settings_of(stack: Stack) -> Settings:
    """The configuration of a stack, secrets included; a Problem when it cannot be read."""
    try:
        shown = stack.pulumi("config", "--json", "--show-secrets")
    except Problem as refused:
        if "no stack named" in str(refused):
            raise Problem(f"stack {stack.name} has not been made; run `make up STACK={stack.name}`") from None
        raise
    try:
        settings = load(own_values(json.loads(shown)))
        divide(settings)  # what cannot be divided cannot be looked at by entries either
    except SettingsError as refused:
        raise Problem(f"the configuration of stack {stack.name} cannot be used:\n{refused}") from None
    return settings


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
    privileged = frozenset(str(name) for (name,) in superusers)
    backends = []
    for pid, user, application, address, state in rows:
        pooled = pid in pids or address in addresses
        texts = (str(user), str(application), str(address), str(state))
        backends.append(Backend(int(str(pid)), *texts, pooled))
    return Sample(len(answers), tuple(clients), tuple(backends), privileged, _schemas(settings, privileged))


def _schemas(settings: Settings, superusers: frozenset[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for service in settings.services.values():
        database = settings.dbname(service)
        if service.user in superusers and database not in found:
            with statistics(settings, database) as connection:
                rows = connection.execute(query("schemas")).fetchall()
            found[database] = tuple(str(name) for (name,) in rows)
    return found


def _client(row: dict[str, str]) -> Client:
    waiting = row["state"].startswith("waiting")
    wait = int(row["wait"]) + int(row["wait_us"]) / 1e6 if waiting else 0.0
    return Client(row["user"], row["database"], row["application_name"], row["addr"], waiting, wait)
