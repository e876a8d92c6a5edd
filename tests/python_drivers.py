"""Each Python driver as an application uses it: with nothing but its DSN."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import closing, suppress

import asyncpg  # type: ignore[import-untyped]  # has no types
import dj_database_url
import django.db  # type: ignore[import-untyped]  # has no types
import psycopg
import psycopg2
import sqlalchemy
from django.conf import settings as django_settings  # type: ignore[import-untyped]  # has no types
from django.db.utils import ConnectionHandler  # type: ignore[import-untyped]  # has no types
from sqlalchemy.ext.asyncio import create_async_engine

from components.drivers import Driver

Row = tuple[str, str, int]
"""User, application, and the number that was asked with."""

TIMES = 12
"""psycopg 3 prepares a statement at its 6th execution only."""

_QUERY = "SELECT current_user::text, pg_catalog.current_setting('application_name'), {}::int"


def _psycopg(dsn: str) -> list[Row]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [_row(connection.execute(_QUERY.format("%s"), [n]).fetchone()) for n in range(TIMES)]


def _psycopg2(dsn: str) -> list[Row]:
    found = []
    with closing(psycopg2.connect(dsn)) as connection:
        for n in range(TIMES):
            with connection, connection.cursor() as cursor:
                cursor.execute(_QUERY.format("%s"), [n])
                found.append(_row(cursor.fetchone()))
    return found


def _asyncpg(dsn: str) -> list[Row]:
    async def ask() -> list[Row]:
        connection = await asyncpg.connect(dsn)
        try:
            return [_row(await connection.fetchrow(_QUERY.format("$1"), n)) for n in range(TIMES)]
        finally:
            await connection.close()

    return _run(ask())


def _sqlalchemy(dsn: str) -> list[Row]:
    engine = sqlalchemy.create_engine(dsn)
    found = []
    try:
        for n in range(TIMES):
            with engine.begin() as connection:
                found.append(_row(connection.execute(_TEXT, {"n": n}).fetchone()))
    finally:
        engine.dispose()
    return found


def _sqlalchemy_async(dsn: str) -> list[Row]:
    async def ask() -> list[Row]:
        engine = create_async_engine(dsn)
        found = []
        try:
            for n in range(TIMES):
                async with engine.begin() as connection:
                    found.append(_row((await connection.execute(_TEXT, {"n": n})).fetchone()))
        finally:
            await engine.dispose()
        return found

    return _run(ask())


def _django(dsn: str) -> list[Row]:
    if not django_settings.configured:
        django_settings.configure()
    connection = ConnectionHandler({"default": dj_database_url.parse(dsn)})["default"]
    found = []
    with closing(connection):
        for n in range(TIMES):
            with connection.cursor() as cursor:
                cursor.execute(_QUERY.format("%s"), [n])
                found.append(_row(cursor.fetchone()))
    return found


_TEXT = sqlalchemy.text(
    "SELECT current_user::text, pg_catalog.current_setting('application_name'), CAST(:n AS int)"
)


def _row(found: object) -> Row:
    """A row of any of these libraries as a plain tuple."""
    assert isinstance(found, Iterable)
    user, application, number = found
    return str(user), str(application), int(number)


def _run(asking: Coroutine[None, None, list[Row]]) -> list[Row]:
    """asyncio.run would leave the thread without the event loop that Pulumi's tests use."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asking)
    finally:
        loop.close()


ASK: dict[Driver, Callable[[str], list[Row]]] = {
    Driver.LIBPQ: _psycopg,
    Driver.LIBPQ_KEYWORDS: _psycopg,
    Driver.PSYCOPG2: _psycopg2,
    Driver.PSYCOPG: _psycopg,
    Driver.ASYNCPG: _asyncpg,
    Driver.SQLALCHEMY_PSYCOPG2: _sqlalchemy,
    Driver.SQLALCHEMY_PSYCOPG: _sqlalchemy,
    Driver.SQLALCHEMY_ASYNCPG: _sqlalchemy_async,
    Driver.DJANGO: _django,
}
"""Driver → a function that asks one query, with a parameter, TIMES times, each in a transaction of its own."""

REFUSED = (
    psycopg.OperationalError,
    psycopg2.OperationalError,
    asyncpg.InvalidPasswordError,
    sqlalchemy.exc.DBAPIError,
    django.db.OperationalError,
)
"""What a refused login looks like in each of them."""


def try_login(driver: Driver, dsn: str) -> None:
    """Connects to a server that refuses every password; any other failure is raised."""
    with suppress(*REFUSED):
        ASK[driver](dsn)
