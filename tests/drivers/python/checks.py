"""The checks that every driver goes through; what is particular to a driver is behind `Driver`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.drivers.python.contract import Breaks, Driver, Session

CLIENTS, ROUNDS = 20, 25
POOL = 2
"""Backends of the lane's entry; the runner's stack says the same."""
PATIENCE = {"transaction": 2, "session": 20}
"""Lane → seconds until a notification counts as lost; only where none can come is the wait always this long."""


class Wrong(AssertionError):  # noqa: N818 what the stack is, not what this program did
    """An answer that no lane may give."""


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found!r} instead of {wanted!r}")


class Checks:
    """One method per check; it returns when the check works."""

    def __init__(self, driver: Driver, service: str, lane: str) -> None:
        self.driver = driver
        self.service = service
        self.lane = lane

    async def connect(self) -> None:
        """The DSN leads to the service's role, and its application_name arrives."""
        session = await self.driver.open()
        [row] = await session.query("SELECT current_user::text, current_setting('application_name')")
        expect(tuple(row), (self.service, self.service), "role and application_name")
        await session.close()

    async def mixed_2000_over_20(self) -> None:
        """20 clients, 25 rounds of 4 statements each, every answer compared."""
        sessions = [await self.driver.open() for _ in range(CLIENTS)]
        await asyncio.gather(*(self._mixed(session, number) for number, session in enumerate(sessions)))
        [row] = await sessions[0].query("SELECT count(*), count(DISTINCT client) FROM mixed")
        expect(tuple(row), (CLIENTS * 13, CLIENTS), "rows and clients at the end")
        await asyncio.gather(*(session.close() for session in sessions))

    async def _mixed(self, session: Session, client: int) -> None:
        kept = 0
        for number in range(1, ROUNDS + 1):
            note = f"note {client}.{number}"
            await session.query(
                "INSERT INTO mixed (client, round, note) VALUES ($1, $2, $3)", client, number, note
            )
            await session.query(
                "UPDATE mixed SET note = note || $1::text WHERE client = $2 AND round = $3",
                " changed",
                client,
                number,
            )
            [row] = await session.query(
                "SELECT note FROM mixed WHERE client = $1 AND round = $2", client, number
            )
            expect(row[0], f"{note} changed", "note")
            if number % 2 == 0:
                await session.query("DELETE FROM mixed WHERE client = $1 AND round = $2", client, number)
            else:
                kept += 1
                [row] = await session.query("SELECT count(*) FROM mixed WHERE client = $1", client)
                expect(row[0], kept, "rows of this client")

    async def prepared_6_each(self) -> None:
        """9 clients execute a named statement 8 times each on 2 backends, and meet more than one of them."""
        sql = "SELECT pg_backend_pid(), $1::int + 1 FROM pg_sleep(0.005)"
        sessions = [
            await self.driver.open() for _ in range(4 * POOL + 1)
        ]  # odd: in step they change backends

        async def executions(session: Session) -> set[int]:
            met = set()
            for number in range(8):
                pid, answer = await self.driver.prepared(session, sql, number)
                expect(answer, number + 1, "answer of the prepared statement")
                met.add(pid)
            return met

        met = await asyncio.gather(*map(executions, sessions))
        if max(map(len, met)) < POOL:
            raise Wrong("no client has met a second backend, so this shows nothing")
        [row] = await sessions[0].query(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1", "%pg_sleep(0.005)%"
        )
        if not row[0]:
            raise Wrong("the server knows no such prepared statement, so this shows nothing")
        await asyncio.gather(*(session.close() for session in sessions))

    async def pipeline_or_batch(self) -> None:
        session = await self.driver.open()
        await self.driver.batch(session, range(1, 501))
        [row] = await session.query("SELECT count(*), sum(id) FROM batch")
        expect(tuple(row), (500, 125250), "rows of the batch")
        await session.close()

    async def copy(self) -> None:
        """One client copies in, another copies the same rows out."""
        writer, reader = await self.driver.open(), await self.driver.open()
        await self.driver.copy_in(writer, [(number, f"tab\there {number}") for number in range(1000)])
        expect(await self.driver.copy_out(reader), 1000, "rows copied out")
        await writer.close()
        await reader.close()

    async def transaction_error_retry(self) -> None:
        """A failed transaction says so until its rollback; a serialization failure is retried once."""
        mine, other = await self.driver.open(), await self.driver.open()
        await mine.begin()
        await self._fails(mine, "INSERT INTO accounts (id, balance) VALUES (1, 0)", "23505")
        await self._fails(mine, "SELECT 1", "25P02")
        await mine.rollback()
        for attempt in (1, 2):
            await mine.begin()
            await mine.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await mine.query("SELECT balance FROM accounts WHERE id = 1")
            if attempt == 1:
                await other.query("UPDATE accounts SET balance = balance + 1 WHERE id = 1")
                await self._fails(mine, "UPDATE accounts SET balance = balance + 10 WHERE id = 1", "40001")
                await mine.rollback()
            else:
                await mine.query("UPDATE accounts SET balance = balance + 10 WHERE id = 1")
                await mine.commit()
        [row] = await other.query("SELECT balance FROM accounts WHERE id = 1")
        expect(row[0], 111, "balance after the retry")
        await mine.close()
        await other.close()

    async def _fails(self, session: Session, sql: str, state: str) -> None:
        try:
            await session.query(sql)
        except Exception as error:
            if self.driver.state(error) != state:
                raise
        else:
            raise Wrong(f"no error {state}")

    async def cancel(self) -> None:
        """A running statement ends with 57014 on the server, and its client goes on."""
        session, observer = await self.driver.open(), await self.driver.open()
        running = asyncio.ensure_future(session.query("SELECT 'to be cancelled' FROM pg_sleep(60)"))

        async def until(count: int) -> None:
            while (
                await observer.query(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1",
                    "SELECT 'to be cancelled' FROM %",
                )
            )[0][0] != count:
                await asyncio.sleep(0.05)

        await until(1)
        await self.driver.cancel(session, running)
        try:
            await running
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
        except Exception as error:
            if self.driver.state(error) != "57014":
                raise
        else:
            raise Wrong("the statement was not cancelled")
        await until(0)
        expect((await session.query("SELECT 1"))[0][0], 1, "answer after the cancel")
        await session.close()
        await observer.close()

    async def types(self) -> None:
        session = await self.driver.open()
        for name, value, literal in self.driver.types:
            [row] = await session.query(
                f"SELECT v, v IS NOT DISTINCT FROM {literal}::{name} FROM (SELECT $1::{name} AS v) t",  # noqa: S608
                value,
            )
            expect((row[0], row[1]), (value, True), name)
        await session.close()

    async def listen(self) -> None:
        session, other = await self.driver.open(), await self.driver.open()
        await self.driver.listen(session, f"channel_{self.service}")
        await other.query(f"NOTIFY channel_{self.service}, 'news'")
        found = await self.driver.notified(session, PATIENCE[self.lane])
        await session.close()
        await other.close()
        if found is None:
            raise Breaks("no notification arrives")
        expect(found, "news", "payload")

    async def advisory_lock(self) -> None:
        key = f"(hashtext('{self.service}'), hashtext('{self.lane}'))"
        await self._elsewhere(
            f"SELECT pg_advisory_lock{key}::text",
            f"SELECT pg_advisory_unlock{key}",
            True,
            "cannot be unlocked",
        )

    async def temp_table(self) -> None:
        await self._elsewhere(
            "CREATE TEMPORARY TABLE scratch (id int)", "SELECT count(*) FROM scratch", 0, "another value"
        )

    async def with_hold(self) -> None:
        await self._elsewhere(
            "DECLARE kept CURSOR WITH HOLD FOR SELECT 7", "FETCH 1 FROM kept", 7, "another value"
        )

    async def set(self) -> None:
        await self._elsewhere("SET work_mem = '7MB'", "SHOW work_mem", "7MB", "the setting is not there")

    async def sql_prepare(self) -> None:
        await self._elsewhere("PREPARE by_hand AS SELECT 7", "EXECUTE by_hand", 7, "another value")

    async def _elsewhere(self, setup: str, probe: str, wanted: object, sign: str) -> None:
        """The setup on one backend; the probe while others hold that backend, if the lane lets them."""
        session = await self.driver.open()
        await session.begin()
        await session.query(setup)
        [row] = await session.query("SELECT pg_backend_pid()")
        await session.commit()
        others = [await self.driver.open() for _ in range(POOL)]
        held = []
        for other in others:
            await other.begin()
            held.append((await other.query("SELECT pg_backend_pid()"))[0][0])
        for other, pid in zip(others, held, strict=True):
            if pid != row[0]:
                await other.rollback()
        try:
            [answer] = await session.query(probe)
        except Exception as error:
            state = self.driver.state(error)
            if state not in {"42P01", "34000", "26000"}:
                raise
            raise Breaks(f"error {state}") from error
        finally:
            await asyncio.gather(*(other.close() for other in others), session.close())
        if answer[0] != wanted:
            raise Breaks(sign)


BASE = (
    "connect",
    "mixed_2000_over_20",
    "prepared_6_each",
    "pipeline_or_batch",
    "copy",
    "transaction_error_retry",
    "cancel",
    "types",
)
CAVEATS = ("listen", "advisory_lock", "temp_table", "with_hold", "set", "sql_prepare")


def of(driver: Driver, service: str, lane: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """Name → check, for a lane."""
    checks = Checks(driver, service, lane)
    names = (*BASE, *CAVEATS) if lane == "transaction" else ("connect", *CAVEATS)
    return {name: getattr(checks, name) for name in names}
