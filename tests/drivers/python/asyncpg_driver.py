"""asyncpg."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships none

from tests.drivers.python.contract import Row
from tests.drivers.python.threads import TYPES


class AsyncpgSession:
    def __init__(self, connection: Any) -> None:  # noqa: ANN401 asyncpg's own types are unfinished
        self.connection = connection
        self.transaction: Any = None
        self.statements: dict[str, Any] = {}

    async def query(self, sql: str, *parameters: object) -> list[Row]:
        return [tuple(row) for row in await self.connection.fetch(sql, *parameters)]

    async def begin(self) -> None:
        self.transaction = self.connection.transaction()
        await self.transaction.start()

    async def commit(self) -> None:
        await self.transaction.commit()

    async def rollback(self) -> None:
        await self.transaction.rollback()

    async def close(self) -> None:
        await self.connection.close()


class Asyncpg:
    types = TYPES

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def open(self) -> AsyncpgSession:
        return AsyncpgSession(await asyncpg.connect(self.dsn))

    def state(self, error: BaseException) -> str | None:
        return getattr(error, "sqlstate", None)

    async def prepared(self, session: AsyncpgSession, sql: str, value: int) -> Row:
        if sql not in session.statements:
            session.statements[sql] = await session.connection.prepare(sql)
        return tuple(await session.statements[sql].fetchrow(value))

    async def batch(self, session: AsyncpgSession, numbers: Sequence[int]) -> None:
        await session.connection.executemany(
            "INSERT INTO batch (id) VALUES ($1)", [(number,) for number in numbers]
        )

    async def copy_in(self, session: AsyncpgSession, rows: Sequence[tuple[int, str]]) -> None:
        await session.connection.copy_records_to_table("copied", records=rows, columns=["id", "note"])

    async def copy_out(self, session: AsyncpgSession) -> int:
        target = io.BytesIO()
        await session.connection.copy_from_table("copied", output=target)
        return target.getvalue().count(b"\n")

    async def cancel(self, session: AsyncpgSession, running: asyncio.Task[Any]) -> None:  # noqa: ARG002
        running.cancel()  # its own way: the connection then sends a cancel request

    async def listen(self, session: AsyncpgSession, channel: str) -> None:
        self.received: asyncio.Queue[str] = asyncio.Queue()
        await session.connection.add_listener(channel, lambda *said: self.received.put_nowait(said[3]))

    async def notified(self, session: AsyncpgSession, seconds: float) -> str | None:  # noqa: ARG002
        try:
            return await asyncio.wait_for(self.received.get(), seconds)
        except TimeoutError:
            return None
