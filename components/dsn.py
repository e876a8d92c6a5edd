"""Connection strings: the one place where a user and a password become a DSN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from psycopg.conninfo import make_conninfo

from components.dialects import DIALECTS, Form, parameters
from components.drivers import Driver
from components.entries import divide
from components.settings import Lane, Settings

MASK = "****"
"""Stands for a password where a DSN is shown; every form writes it as it is."""


@dataclass(frozen=True)
class _Parts:
    """What a form writes; `password` None leaves it to the driver's own look-up."""

    scheme: str
    user: str
    password: str | None
    host: str
    port: int
    database: str
    parameters: Mapping[str, str]


def dsn(
    *,
    user: str,
    password: str | None,
    host: str,
    port: int,
    database: str,
    application_name: str,
    driver: Driver = Driver.LIBPQ,
    lane: Lane = Lane.DIRECT,
    database_tls: bool = False,
) -> str:
    """A DSN in the dialect of the driver, with what the driver needs on that lane."""
    dialect = DIALECTS[driver]
    wanted = parameters(driver, lane, database_tls=database_tls)
    parts = _Parts(
        scheme=dialect.scheme,
        user=user,
        password=password,
        host=host,
        port=port,
        database=database,
        parameters={
            each.name: application_name if each.name == dialect.application_name else each.value
            for each in wanted
        },
    )
    return _FORMS[dialect.form](parts)


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
            driver=body.driver,
            lane=lane,
            database_tls=settings.admin_sslmode != "disable",
        )
        for lane, (host, port, database) in targets.items()
    }


def _encoded(text: str) -> str:
    return quote(text, safe="*")  # legal everywhere in a URI; keeps MASK readable


def _location(parts: _Parts) -> str:
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    return f"{host}:{parts.port}/{_encoded(parts.database)}"


def _query(pairs: Mapping[str, str]) -> str:
    return "?" * bool(pairs) + "&".join(f"{name}={_encoded(value)}" for name, value in pairs.items())


def _uri(parts: _Parts) -> str:
    password = "" if parts.password is None else f":{_encoded(parts.password)}"
    return f"{parts.scheme}://{_encoded(parts.user)}{password}@{_location(parts)}{_query(parts.parameters)}"


def _jdbc(parts: _Parts) -> str:
    login = {"user": parts.user} | ({} if parts.password is None else {"password": parts.password})
    return f"jdbc:postgresql://{_location(parts)}{_query({**login, **parts.parameters})}"


def _keywords(parts: _Parts) -> str:
    return make_conninfo(
        host=parts.host,
        port=parts.port,
        dbname=parts.database,
        user=parts.user,
        password=parts.password,
        **parts.parameters,
    )


def _ado(parts: _Parts) -> str:
    pairs = {"Host": parts.host, "Port": str(parts.port), "Database": parts.database, "Username": parts.user}
    pairs |= {} if parts.password is None else {"Password": parts.password}
    return ";".join(f"{name}={_ado_quoted(value)}" for name, value in {**pairs, **parts.parameters}.items())


def _ado_quoted(value: str) -> str:
    """Plain where every character is; else in double quotes, with a double quote written twice."""
    if value and all(character.isalnum() or character in "_.-:*" for character in value):
        return value
    return '"' + value.replace('"', '""') + '"'


_FORMS: Mapping[Form, Callable[[_Parts], str]] = {
    Form.URI: _uri,
    Form.KEYWORDS: _keywords,
    Form.JDBC: _jdbc,
    Form.ADO: _ado,
}
