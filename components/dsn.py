"""Connection strings: the one place where a user and a password become a DSN."""

from __future__ import annotations

from urllib.parse import quote

from components.entries import divide
from components.settings import Lane, Settings

CONNECT_TIMEOUT_SECONDS = 5
"""Short, so that a client that resolved a leaving pooler's address tries again soon."""


def dsn(
    *, user: str, password: str | None, host: str, port: int, database: str, application_name: str
) -> str:
    """Libpq URI with every part percent-encoded; without a password it ends up in the driver's own look-up."""
    credentials = quote(user, safe="") + ("" if password is None else f":{quote(password, safe='')}")
    location = f"[{host}]" if ":" in host else host
    return (
        f"postgresql://{credentials}@{location}:{port}/{quote(database, safe='')}"
        f"?application_name={quote(application_name, safe='')}&connect_timeout={CONNECT_TIMEOUT_SECONDS}"
    )


def lanes(settings: Settings, service: str, password: str | None) -> dict[Lane, str]:
    """All three DSNs of one service, whatever its route."""
    names, body = settings.names, settings.services[service]
    pooled = divide(settings).own.get(service, names.transaction_entry)
    targets = {
        Lane.DIRECT: (settings.database_host, settings.database_port, settings.database),
        Lane.TRANSACTION: (settings.alias, settings.port, pooled),
        Lane.SESSION: (settings.alias, settings.port, names.session_entry),
    }
    return {
        lane: dsn(
            user=body.user,
            password=password,
            host=host,
            port=port,
            database=database,
            application_name=service,
        )
        for lane, (host, port, database) in targets.items()
    }
