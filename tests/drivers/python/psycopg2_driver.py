"""psycopg2."""

from __future__ import annotations

import asyncio
import io
import select
import time
from collections.abc import Sequence
from typing import Any

import psycopg2
import psycopg2.extras

from tests.drivers.python.contract import NotOffered, Row
from tests.drivers.python.threads import TYPES, BlockingSession

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]  # its stubs leave this one out


class Psycopg2Session(BlockingSession):
    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[Row]:
        found = super()._query(sql, parameters)
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]


class Psycopg2:
    types = TYPES

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def open(self) -> Psycopg2Session:
        return Psycopg2Session(await asyncio.to_thread(psycopg2.connect, self.dsn))

    def state(self, error: BaseException) -> str | None:
        return error.pgcode if isinstance(error, psycopg2.Error) else None

    async def prepared(self, session: Psycopg2Session, sql: str, value: int) -> Row:  # noqa: ARG002
        raise NotOffered("psycopg2 sends text queries only, it has no prepared statements of the protocol")

    async def batch(self, session: Psycopg2Session, numbers: Sequence[int]) -> None:
        def batched() -> None:
            with session.connection.cursor() as cursor:
                psycopg2.extras.execute_batch(
                    cursor, "INSERT INTO batch (id) VALUES (%s)", [(number,) for number in numbers]
                )

        await asyncio.to_thread(batched)

    async def copy_in(self, session: Psycopg2Session, rows: Sequence[tuple[int, str]]) -> None:
        lines = "".join(
            f"{number}\t{note}\n" for number, note in ((n, t.replace("\t", "\\t")) for n, t in rows)
        )

        def copied() -> None:
            with session.connection.cursor() as cursor:
                cursor.copy_expert("COPY copied (id, note) FROM STDIN", io.StringIO(lines))

        await asyncio.to_thread(copied)

    async def copy_out(self, session: Psycopg2Session) -> int:
        def counted() -> int:
            target = io.StringIO()
            with session.connection.cursor() as cursor:
                cursor.copy_expert("COPY copied (id, note) TO STDOUT", target)
            return target.getvalue().count("\n")

        return await asyncio.to_thread(counted)

    async def cancel(self, session: Psycopg2Session, running: asyncio.Task[Any]) -> None:  # noqa: ARG002
        await asyncio.to_thread(session.connection.cancel)

    async def listen(self, session: Psycopg2Session, channel: str) -> None:
        await session.query(f"LISTEN {channel}")

    async def notified(self, session: Psycopg2Session, seconds: float) -> str | None:
        def first() -> str | None:
            connection = session.connection
            until = time.monotonic() + seconds
            while not connection.notifies:  # what makes the socket readable may be something else
                if not select.select([connection], [], [], max(0, until - time.monotonic()))[0]:
                    return None
                connection.poll()
            return str(connection.notifies[0].payload)

        return await asyncio.to_thread(first)
