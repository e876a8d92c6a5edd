"""Each Python driver as an application uses it: one connect with nothing but its DSN."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

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


def _run(connecting: Coroutine[None, None, object]) -> None:
    """asyncio.run would leave the thread without the event loop that Pulumi's tests use."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(connecting)
    finally:
        loop.close()


def _psycopg(dsn: str) -> None:
    psycopg.connect(dsn)


def _psycopg2(dsn: str) -> None:
    psycopg2.connect(dsn)


def _asyncpg(dsn: str) -> None:
    _run(asyncpg.connect(dsn))


def _sqlalchemy(dsn: str) -> None:
    sqlalchemy.create_engine(dsn).connect()


def _sqlalchemy_async(dsn: str) -> None:
    async def connect() -> None:
        await create_async_engine(dsn).connect()

    _run(connect())


def _django(dsn: str) -> None:
    if not django_settings.configured:
        django_settings.configure()
    ConnectionHandler({"default": dj_database_url.parse(dsn)})["default"].ensure_connection()


CONNECT: dict[Driver, Callable[[str], None]] = {
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
        CONNECT[driver](dsn)
