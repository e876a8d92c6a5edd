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
    """The DSNs of one service by all lanes that its database has, whatever its route."""
    body = settings.services[service]
    targets = {Lane.DIRECT: (settings.database_host, settings.database_port, settings.dbname(body))}
    for lane, entry in divide(settings).of(settings, service).items():
        targets[lane] = (settings.alias, settings.port, entry)
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
