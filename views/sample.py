"""One look at a running stack: what its poolers say, and what Postgres says. Every view is made from this."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components import preflight
from components.settings import Settings, SettingsError, load
from toolchain import engine, pooler_console
from toolchain.problem import Problem
from toolchain.stack import Stack

OWN_APPLICATION = "pgbouncer-stack"
"""application_name of the deployment's own connections, see components/preflight.py."""

# The last condition leaves out this connection and those of an update.
_BACKENDS = """
SELECT pid, usename, application_name, coalesce(host(client_addr), 'local'), coalesce(state, '')
FROM pg_catalog.pg_stat_activity
WHERE datname = ANY(%s) AND usename IS NOT NULL
  AND backend_type IN ('client backend', 'walsender') AND application_name <> %s
"""
_MAY_SEE = "SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
_SUPERUSERS = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper AND rolname = ANY(%s)"


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
    clients = [
        _client(row)
        for pooler in poolers
        for row in pooler_console.ask(pooler, "SHOW CLIENTS")
        if row["database"] != "pgbouncer"
    ]
    pids = {
        int(row["remote_pid"]) for pooler in poolers for row in pooler_console.ask(pooler, "SHOW SERVERS")
    }
    addresses = {_address(pooler, settings.network) for pooler in poolers}
    try:
        with preflight.connect(settings) as connection:
            if connection.execute(_MAY_SEE).fetchone() != (True,):
                raise Problem(
                    f"admin_user {settings.admin_user} may not see other sessions; "
                    f"as a superuser run GRANT pg_monitor TO {settings.admin_user}"
                )
            rows = connection.execute(_BACKENDS, [list(settings.dbnames()), OWN_APPLICATION]).fetchall()
            superusers = connection.execute(_SUPERUSERS, [list(settings.users())]).fetchall()
    except SettingsError as refused:
        raise Problem(str(refused)) from None
    backends = []
    for pid, user, application, address, state in rows:
        pooled = pid in pids or address in addresses
        texts = (str(user), str(application), str(address), str(state))
        backends.append(Backend(int(str(pid)), *texts, pooled))
    return Sample(
        len(poolers), tuple(clients), tuple(backends), frozenset(str(name) for (name,) in superusers)
    )


def _client(row: dict[str, str]) -> Client:
    waiting = row["state"].startswith("waiting")
    wait = int(row["wait"]) + int(row["wait_us"]) / 1e6 if waiting else 0.0
    return Client(row["user"], row["database"], row["application_name"], row["addr"], waiting, wait)


def _address(pooler: str, network: str) -> str:
    found = json.loads(engine.docker("container", "inspect", pooler))[0]["NetworkSettings"]["Networks"]
    return str(found[network]["IPAddress"]) if network in found else ""
