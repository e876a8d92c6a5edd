"""Blocking connections behind the awaitable `Session`."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import uuid
from decimal import Decimal
from typing import Any

from tests.drivers.python.contract import Row

TYPES: list[tuple[str, object, str]] = [
    ("int8", 9223372036854775807, "'9223372036854775807'"),
    ("numeric", Decimal("12345678901234567890.123456789"), "'12345678901234567890.123456789'"),
    ("float8", 0.1, "'0.1'"),
    ("bool", True, "'t'"),
    ("text", "ü€𝄞 'quoted' \\ %", "'ü€𝄞 ''quoted'' \\ %'"),
    ("bytea", b"\x00\x01\xff", "'\\x0001ff'"),
    ("date", dt.date(2024, 2, 29), "'2024-02-29'"),
    (
        "timestamptz",
        dt.datetime(2024, 2, 29, 12, 30, 45, 123456, tzinfo=dt.UTC),
        "'2024-02-29 12:30:45.123456+00'",
    ),
    ("interval", dt.timedelta(days=1, seconds=2), "'1 day 2 seconds'"),
    (
        "uuid",
        uuid.UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        "'6f9619ff-8b86-d011-b42d-00c04fc964ff'",
    ),
    ("int4[]", [1, 2, None], "'{1,2,NULL}'"),
    ("text[]", ["a", 'b"c', ""], """'{a,"b\\"c",""}'"""),
    ("text", None, "NULL"),
]
"""What most drivers of this language take and give back; see `Driver.types`."""


def as_json(value: object) -> str:
    return json.dumps(value, separators=(", ", ": "))


def percent(sql: str) -> str:
    """The same statement with DB-API placeholders."""
    return re.sub(r"\$\d+", "%s", sql.replace("%", "%%"))


class BlockingSession:
    """A DB-API connection with an `autocommit` attribute, one thread at a time."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 psycopg's or psycopg2's
        self.connection = connection
        connection.autocommit = True

    async def query(self, sql: str, *parameters: object) -> list[Row]:
        return await asyncio.to_thread(self._query, sql, parameters)

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[Row]:
        with self.connection.cursor() as cursor:
            if parameters:
                cursor.execute(percent(sql), parameters)
            else:
                cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    async def begin(self) -> None:
        self.connection.autocommit = False

    async def commit(self) -> None:
        await asyncio.to_thread(self.connection.commit)
        self.connection.autocommit = True

    async def rollback(self) -> None:
        await asyncio.to_thread(self.connection.rollback)
        self.connection.autocommit = True

    async def close(self) -> None:
        self.connection.close()
