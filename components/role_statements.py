"""Statements that pin settings of services on their roles; pure text."""

from __future__ import annotations

from psycopg import sql

from components.routes import ROLE_SETTINGS
from components.settings import Service, Settings


def role_statements(settings: Settings, dbname: str | None = None) -> str:
    """ALTER ROLE … IN DATABASE … for every declared setting, sorted; of one database only with `dbname`.

    Bound to the database, so that what the team has set on the role itself stays as it is and comes back on RESET.
    Empty without any.
    """
    lines = {
        sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {};\n")
        .format(sql.Identifier(user), sql.Identifier(database), sql.Identifier(name), sql.Literal(value))
        .as_string()
        for user, database, name, value in declared_settings(settings)
        if dbname in (None, database)
    }
    return "".join(sorted(lines))


def declared_settings(settings: Settings) -> list[tuple[str, str, str, str]]:
    """(role, database, setting of Postgres, value), each once: several services may share a role."""
    found = [
        (service.user, settings.dbname(service), ROLE_SETTINGS[key], value)
        for service in settings.services.values()
        for key, value in _declared(service)
    ]
    return list(dict.fromkeys(found))


def _declared(service: Service) -> list[tuple[str, str]]:
    found = []
    for key in ROLE_SETTINGS:
        value = getattr(service, key)
        if isinstance(value, bool):
            found.append((key, "on" if value else "off"))
        elif value is not None:
            found.append((key, f"{value}s"))
    return found
