"""What routes, databases and settings of services must agree on, before any arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.settings import Database, Service, Settings

ROLE_SETTINGS = {
    "read_only": "default_transaction_read_only",
    "statement_timeout": "statement_timeout",
    "idle_transaction_timeout": "idle_in_transaction_session_timeout",
}
"""Key of a service → the setting of Postgres that its role gets in its database."""


def session_name(database: str) -> str:
    """Entry of the session lane of one of the `databases`."""
    return f"{database}_session"


def database_entries(databases: Mapping[str, Database]) -> Iterator[tuple[str, str, str]]:
    """(path, entry, what it is) of every entry that `databases` add."""
    for name, body in databases.items():
        yield f"databases.{name}", name, f"the transaction lane of databases.{name}"
        if body.session_backends:
            yield f"databases.{name}", session_name(name), f"the session lane of databases.{name}"


def refuse_routes(settings: Settings) -> Iterator[str]:
    """One line for each route, database or setting that cannot be."""
    services, databases = settings.services, settings.databases
    seen = {settings.database: "database"}
    for name, body in databases.items():
        if not body.dbname:
            yield f"databases.{name}.dbname: is empty; give it a value"
        elif body.dbname in seen:
            yield (
                f"databases.{name}.dbname: {json.dumps(body.dbname)} is that of {seen[body.dbname]} already; "
                "remove one"
            )
        seen[body.dbname] = f"databases.{name}"
    for name, service in services.items():
        if service.database and service.database not in databases:
            known = f"known are {', '.join(databases)}" if databases else "there are none"
            yield (
                f"services.{name}.database: {json.dumps(service.database)} is not in databases ({known}); "
                "add it there, or leave the key out for the stack's own database"
            )
        elif (
            service.database
            and service.route == "session"
            and not databases[service.database].session_backends
        ):
            yield (
                f"services.{name}.route: database {service.database} has no session lane; "
                f"set databases.{service.database}.session_backends, or use direct or transaction"
            )
        for key in ("query_wait_timeout", "max_clients"):
            value = getattr(service, key)
            if value is not None and service.pool_size is None:
                yield (
                    f"services.{name}.{key}: {value} belongs to an entry of its own; "
                    f"set services.{name}.pool_size too"
                )
    yield from _refuse_shared_roles(services)


def _refuse_shared_roles(services: Mapping[str, Service]) -> Iterator[str]:
    """A setting of a role holds for every service that logs in as it to the same database."""
    for name, service in services.items():
        for key in ROLE_SETTINGS:
            value = getattr(service, key)
            if value is None:
                continue
            others = [
                other
                for other, body in services.items()
                if (body.user, body.database) == (service.user, service.database)
                and getattr(body, key) != value
            ]
            if others:
                yield (
                    f"services.{name}.{key}: {json.dumps(value)} would hold for {', '.join(others)} too, which "
                    f"log in as {json.dumps(service.user)}; give the service a user of its own, or all the same value"
                )
