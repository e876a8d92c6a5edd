"""psycopg 3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg

from tests.drivers.python.contract import Row
from tests.drivers.python.threads import TYPES, BlockingSession


class Psycopg:
    types = TYPES

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def open(self) -> BlockingSession:
        return BlockingSession(await asyncio.to_thread(psycopg.connect, self.dsn))

    def state(self, error: BaseException) -> str | None:
        return error.sqlstate if isinstance(error, psycopg.Error) else None

    async def prepared(self, session: BlockingSession, sql: str, value: int) -> Row:
        # Without prepare=True: by itself from the sixth execution on, as services have it.
        rows = await session.query(sql, value)
        return rows[0]

    async def batch(self, session: BlockingSession, numbers: Sequence[int]) -> None:
        def pipelined() -> None:
            with session.connection.pipeline(), session.connection.cursor() as cursor:
                for number in numbers:
                    cursor.execute("INSERT INTO batch (id) VALUES (%s)", (number,))

        await asyncio.to_thread(pipelined)

    async def copy_in(self, session: BlockingSession, rows: Sequence[tuple[int, str]]) -> None:
        def copied() -> None:
            cursor = session.connection.cursor()
            with cursor.copy("COPY copied (id, note) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        await asyncio.to_thread(copied)

    async def copy_out(self, session: BlockingSession) -> int:
        def counted() -> int:
            with session.connection.cursor().copy("COPY copied (id, note) TO STDOUT") as copy:
                return sum(1 for _ in copy.rows())

        return await asyncio.to_thread(counted)

    async def cancel(self, session: BlockingSession, running: asyncio.Task[Any]) -> None:  # noqa: ARG002
        await asyncio.to_thread(session.connection.cancel_safe)

    async def listen(self, session: BlockingSession, channel: str) -> None:
        await session.query(f"LISTEN {channel}")

    async def notified(self, session: BlockingSession, seconds: float) -> str | None:
        def first() -> str | None:
            for notification in session.connection.notifies(timeout=seconds, stop_after=1):
                return str(notification.payload)
            return None

        return await asyncio.to_thread(first)
