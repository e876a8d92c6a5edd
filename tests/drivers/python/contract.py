"""What a driver has to offer to the checks, and the ways in which a check can end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

Row = Sequence[Any]


class Breaks(Exception):  # noqa: N818 an outcome, not an error of this program
    """The lane does not do what was asked; the text is the sign by which a user would notice."""


class NotOffered(Exception):  # noqa: N818 an outcome
    """The driver has no such thing; the text is the reason."""


class Session(Protocol):
    """One connection. Outside `begin` … `commit` every statement is a transaction of its own."""

    async def query(self, sql: str, *parameters: object) -> list[Row]:
        """Rows of a statement with `$1 …` in ascending order, each once."""

    async def begin(self) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...

    async def close(self) -> None: ...


class Driver(Protocol):
    """A driver by its own idiom; `NotOffered` where it has none."""

    types: ClassVar[Sequence[tuple[str, object, str]]]
    """SQL type, value as the driver takes and returns it, the same as an SQL literal."""

    async def open(self) -> Any:  # noqa: ANN401 each driver's own Session
        """A new connection from the DSN alone."""

    def state(self, error: BaseException) -> str | None:
        """SQLSTATE of an error of this driver."""

    async def prepared(self, session: Any, sql: str, value: int) -> Row:  # noqa: ANN401
        """Row of a statement that the driver prepares by name."""

    async def batch(self, session: Any, numbers: Sequence[int]) -> None:  # noqa: ANN401
        """Insert the numbers into `batch` without waiting for each."""

    async def copy_in(self, session: Any, rows: Sequence[tuple[int, str]]) -> None:  # noqa: ANN401
        """COPY the rows into `copied`."""

    async def copy_out(self, session: Any) -> int:  # noqa: ANN401
        """Number of rows that COPY from `copied` gives."""

    async def cancel(self, session: Any, running: asyncio.Task[Any]) -> None:  # noqa: ANN401
        """Cancel what the session runs."""

    async def listen(self, session: Any, channel: str) -> None:  # noqa: ANN401
        """LISTEN."""

    async def notified(self, session: Any, seconds: float) -> str | None:  # noqa: ANN401
        """Payload of the next notification."""
