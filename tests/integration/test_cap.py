"""The backend cap under many clients, under clients that die in mid-query, and what undoes its helper setting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from components.dsn import dsn
from tests.integration.bouncer import Bouncer, Ended, Process, assert_passed, wait_until
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, BackendSampler, Connection, Server, count_backends

pytestmark = pytest.mark.timeout(120)

PASSWORD = "capped"
USERS = [f"capped_{n}" for n in range(8)]


@dataclass(frozen=True)
class Pooler:
    bouncer: Bouncer
    process: Process
    address: str

    def dsn(self, user: str, database: str = NAMES.database) -> str:
        return dsn(
            user=user,
            password=PASSWORD,
            host=self.address,
            port=6432,
            database=database,
            application_name="test",
        )


def deployed(deploy: Deploy, server: Server, services: dict[str, object], **values: object) -> Pooler:
    for user in services:
        server.add_service(user, PASSWORD)
    bouncer = deploy(server.settings(services, **values))
    process = bouncer.up()
    return Pooler(bouncer, process, process.address)


@pytest.fixture(scope="module")
def victims(deploy_for_module: Deploy, server: Server) -> Pooler:
    """A pooler with five backends on its transaction lane."""
    return deployed(
        deploy_for_module, server, {"victim": {"route": "transaction"}}, max_backends=10, session_backends=1
    )


@pytest.fixture(scope="module")
def one_backend(deploy_for_module: Deploy, server: Server) -> Pooler:
    """A pooler with one backend on each lane."""
    return deployed(
        deploy_for_module,
        server,
        {"resetter": {"route": "transaction"}},
        max_backends=6,
        session_backends=1,
    )


async def busy_client(dsn: str, end: float, seconds: float, done: dict[str, int], key: str) -> None:
    """Runs queries of this length one after the other and counts them."""
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=30)
    async with connection:
        while time.monotonic() < end:
            await connection.execute("SELECT pg_sleep(%s)", [seconds])
            done[key] = done.get(key, 0) + 1


async def logging_in(dsn: str, end: float, done: dict[str, int]) -> None:
    """Opens one connection after the other, each of which costs a lookup."""
    while time.monotonic() < end:
        async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=30):
            done["logins"] = done.get("logins", 0) + 1


def test_120_clients_of_8_users_hold_no_more_than_25_backends(deploy: Deploy, server: Server) -> None:
    pooler = deployed(deploy, server, {user: {"route": "transaction"} for user in USERS})
    done: dict[str, int] = {}

    async def load() -> None:
        end = time.monotonic() + 4
        await asyncio.gather(
            *(busy_client(pooler.dsn(user), end, 0.02, done, user) for user in USERS for _ in range(15)),
            *(
                busy_client(pooler.dsn(USERS[0], NAMES.session_entry), end, 0.02, done, "session")
                for _ in range(3)
            ),
            *(logging_in(pooler.dsn(user), end, done) for user in USERS[:4]),
        )

    with BackendSampler(server, pooler.address) as sampler:
        asyncio.run(load())
    print(f"peak {sampler.peak} of {len(sampler.samples)} samples, {done}")
    assert sampler.peak <= 25


@pytest.mark.parametrize(
    "query",
    ["SELECT pg_sleep(20)", "SELECT count(*) FROM generate_series(1, 200000000)"],
    ids=["asleep", "busy"],
)
def test_clients_killed_in_mid_query_do_not_push_the_backends_over_the_cap(
    victims: Pooler, server: Server, query: str
) -> None:
    """A machine that has no time for the server can only add to a peak, so the calmest of three rounds counts."""
    peaks: list[int] = []
    while len(peaks) < 3 and min(peaks, default=11) > 10:
        peaks.append(peak_with_kills(victims, server, query))
    print(f"peaks {peaks}, cap 10, shared 5")
    assert min(peaks) <= 10


def peak_with_kills(victims: Pooler, server: Server, query: str) -> int:
    """Eight clients want the five backends for 8 s; one of them dies every eighth of a second."""
    end = time.monotonic() + 8

    def victim(nth: int) -> None:
        time.sleep(nth / 8)
        while time.monotonic() < end:
            kill_in_mid_query(victims.dsn("victim"), query, after_seconds=1)

    threads = [threading.Thread(target=victim, args=[nth], daemon=True) for nth in range(8)]
    with BackendSampler(server, victims.address, every_seconds=0.02) as sampler:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    return sampler.peak


def kill_in_mid_query(dsn: str, query: str, after_seconds: float = 0.05, first: str = "SELECT 1") -> None:
    """The socket closes while the query runs and no Terminate is sent, as when a process is killed."""
    connection = psycopg.connect(dsn, autocommit=True, connect_timeout=30)
    connection.pgconn.exec_(first.encode())
    connection.pgconn.send_query(query.encode())
    connection.pgconn.flush()
    time.sleep(after_seconds)
    connection.pgconn.finish()


def test_the_backends_of_killed_clients_end(victims: Pooler, admin: Connection) -> None:
    for _ in range(3):
        kill_in_mid_query(victims.dsn("victim"), "SELECT pg_sleep(20)")

    def asleep() -> int:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s::inet AND query LIKE '%%pg_sleep(20)%%'",
            [victims.address],
        ).fetchone()
        assert row is not None
        return int(str(row[0]))

    wait_until(lambda: asleep() == 0, seconds=2, every=0.02)


class TestTheCheckInterval:
    """client_connection_check_interval ends the backends of dead clients; a client's RESET ALL undoes it."""

    SHOW = "SHOW client_connection_check_interval"

    @pytest.fixture
    def pooler(self, one_backend: Pooler) -> Pooler:
        """Without the backends that an earlier test left."""
        one_backend.process.console("RECONNECT")
        return one_backend

    @pytest.mark.parametrize("lane", [NAMES.transaction_entry, NAMES.session_entry])
    def test_it_is_set_on_a_new_backend(self, pooler: Pooler, lane: str) -> None:
        with psycopg.connect(pooler.dsn("resetter", lane), autocommit=True) as client:
            assert client.execute(self.SHOW).fetchone() == ("20ms",)

    @pytest.mark.parametrize("reset", ["RESET ALL", "DISCARD ALL"])
    def test_on_the_session_lane_the_next_client_has_it_again(self, pooler: Pooler, reset: str) -> None:
        dsn = pooler.dsn("resetter", NAMES.session_entry)
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute(reset)
            pid = first.info.backend_pid
            assert first.execute(self.SHOW).fetchone() == ("0",)
        with psycopg.connect(dsn, autocommit=True) as second:
            assert (second.info.backend_pid != pid, second.execute(self.SHOW).fetchone()) == (True, ("20ms",))

    @pytest.mark.parametrize("reset", ["RESET ALL", "DISCARD ALL"])
    def test_on_the_transaction_lane_a_reset_undoes_it_until_the_backend_is_closed(
        self, pooler: Pooler, reset: str
    ) -> None:
        with psycopg.connect(pooler.dsn("resetter"), autocommit=True) as first:
            first.execute(reset)
        with psycopg.connect(pooler.dsn("resetter"), autocommit=True) as second:
            assert second.execute(self.SHOW).fetchone() == ("0",)


class TestAsADefaultOfTheDatabase:
    """The job that components/cap.py declares: what a reset falls back to."""

    @pytest.fixture
    def job(self, victims: Pooler, server: Server, admin: Connection) -> Iterator[Ended]:
        yield victims.bouncer.keep_check_interval(server.admin_password)
        admin.execute("ALTER DATABASE tracksolid_db RESET client_connection_check_interval")

    @pytest.fixture
    def pooler(self, victims: Pooler, job: Ended) -> Pooler:
        """With new backends only, which is when a default of the database is read."""
        assert_passed(job)
        victims.process.console("RECONNECT")
        return victims

    def test_the_job_says_that_it_is_done(self, job: Ended) -> None:
        assert (job.exit_code, job.log) == (0, "done\n")

    def test_the_admin_password_is_gone_from_the_stopped_job(self, job: Ended) -> None:
        assert not job.holds("/staged/pgpass")

    def test_a_wrong_password_fails_the_job(self, victims: Pooler) -> None:
        assert victims.bouncer.keep_check_interval("wrong").exit_code != 0

    @pytest.mark.parametrize("reset", ["RESET ALL", "DISCARD ALL"])
    def test_it_survives_a_reset(self, pooler: Pooler, reset: str) -> None:
        with psycopg.connect(pooler.dsn("victim"), autocommit=True) as client:
            client.execute(reset)
            row = client.execute("SHOW client_connection_check_interval").fetchone()
        assert row == ("20ms",)

    def test_clients_that_reset_their_session_before_they_are_killed_do_not_break_the_cap(
        self, pooler: Pooler, server: Server
    ) -> None:
        peaks: list[int] = []
        while len(peaks) < 3 and min(peaks, default=11) > 10:  # as above
            with BackendSampler(server, pooler.address, every_seconds=0.02) as sampler:
                end = time.monotonic() + 4
                while time.monotonic() < end:
                    kill_in_mid_query(pooler.dsn("victim"), "SELECT pg_sleep(20)", first="RESET ALL")
            peaks.append(sampler.peak)
        print(f"peaks {peaks}, cap 10")
        assert min(peaks) <= 10


def test_pool_sizes_of_services_share_the_cap_in_their_proportion(deploy: Deploy, server: Server) -> None:
    sizes = {"share_a": 2, "share_b": 2, "share_c": 1}
    pooler = deployed(
        deploy,
        server,
        {user: {"route": "transaction", "pool_size": size} for user, size in sizes.items()},
        max_backends=11,
        session_backends=1,
    )
    done: dict[str, int] = {}

    async def load() -> None:
        end = time.monotonic() + 3
        await asyncio.gather(
            *(
                busy_client(pooler.dsn(user, user), end, 0.01, done, user)
                for user, clients in (("share_a", 12), ("share_b", 4), ("share_c", 4))
                for _ in range(clients)
            )
        )

    asyncio.run(load())
    print(f"queries in 3 s: {done}")
    assert 0.7 < done["share_a"] / done["share_b"] < 1.4
    assert 0.35 < done["share_c"] / done["share_b"] < 0.7


def test_backends_that_nobody_uses_go_back_to_the_server(
    deploy: Deploy, server: Server, admin: Connection
) -> None:
    pooler = deployed(
        deploy, server, {"capped_0": {"route": "transaction"}}, settings={"server_idle_timeout": 1}
    )

    def query() -> None:
        with psycopg.connect(pooler.dsn("capped_0")) as connection:
            connection.execute("SELECT pg_sleep(0.3)")

    threads = [threading.Thread(target=query, daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    wait_until(lambda: count_backends(admin, pooler.address) == 0, seconds=15)
