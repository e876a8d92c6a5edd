"""SQLAlchemy's core on psycopg 3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tests.drivers.python.contract import Row
from tests.drivers.python.psycopg_driver import Psycopg
from tests.drivers.python.threads import TYPES, percent


class SqlAlchemySession:
    def __init__(self, connection: sa.Connection) -> None:
        self.handle = connection
        self.explicit = False

    @property
    def connection(self) -> Any:  # noqa: ANN401
        """psycopg's own connection, for what SQLAlchemy leaves to the driver."""
        return self.handle.connection.driver_connection

    async def query(self, sql: str, *parameters: object) -> list[Row]:
        return await asyncio.to_thread(self._query, sql, parameters)

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[Row]:
        if self.explicit:
            return self._executed(sql, parameters)
        with self.handle.begin():
            return self._executed(sql, parameters)

    def _executed(self, sql: str, parameters: tuple[object, ...]) -> list[Row]:
        result = self.handle.exec_driver_sql(percent(sql) if parameters else sql, parameters or None)
        return [tuple(row) for row in result] if result.returns_rows else []

    async def begin(self) -> None:
        self.explicit = True
        self.handle.begin()

    async def commit(self) -> None:
        self.explicit = False
        await asyncio.to_thread(self.handle.commit)

    async def rollback(self) -> None:
        self.explicit = False
        await asyncio.to_thread(self.handle.rollback)

    async def close(self) -> None:
        self.handle.close()


class SqlAlchemy(Psycopg):
    """Prepared statements, COPY, cancel and LISTEN are psycopg's, reached through SQLAlchemy's connection."""

    types = TYPES

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.engine = sa.create_engine(dsn, poolclass=sa.NullPool)

    async def open(self) -> Any:  # noqa: ANN401 a session of its own kind
        return SqlAlchemySession(await asyncio.to_thread(self.engine.connect))

    def state(self, error: BaseException) -> str | None:
        return super().state(error.orig) if isinstance(error, sa.exc.DBAPIError) and error.orig else None

    async def batch(self, session: Any, numbers: Sequence[int]) -> None:  # noqa: ANN401
        rows = [{"id": number} for number in numbers]
        table = sa.table("batch", sa.column("id", sa.Integer))
        await asyncio.to_thread(session.handle.execute, sa.insert(table), rows)
        await session.commit()

    async def copy_in(self, session: Any, rows: Sequence[tuple[int, str]]) -> None:  # noqa: ANN401
        await super().copy_in(session, rows)
        await asyncio.to_thread(session.connection.commit)

    async def copy_out(self, session: Any) -> int:  # noqa: ANN401
        found = await super().copy_out(session)
        await asyncio.to_thread(session.connection.commit)
        return found
