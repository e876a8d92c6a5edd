"""Entries of their own, further databases, and defaults of roles on every lane of a real PgBouncer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from components.dsn import dsn
from components.role_statements import role_statements
from components.settings import Settings
from tests.integration.bouncer import Process, assert_passed
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Server

pytestmark = pytest.mark.timeout(120)

PASSWORD = "routed"
READER = "analytics_ro"
SERVICES: dict[str, object] = {
    "hasty": {"user": "routed_shared", "route": "transaction", "pool_size": 1, "query_wait_timeout": 2},
    "patient": {"user": "routed_shared", "route": "transaction", "pool_size": 1, "query_wait_timeout": 6},
    "few": {"user": "routed_few", "route": "transaction", "pool_size": 1, "max_clients": 2},
    "analytics": {
        "user": READER,
        "route": "transaction",
        "read_only": True,
        "statement_timeout": 3,
        "idle_transaction_timeout": 2,
    },
    "invoices": {"user": "routed_few", "route": "transaction", "database": "billing"},
}


def declared(server: Server, analytics: dict[str, object] | None = None) -> Settings:
    return server.settings(
        SERVICES | {"analytics": analytics or SERVICES["analytics"]},
        databases={"billing": {"dbname": "routed_billing", "backends": 2, "session_backends": 1}},
    )


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Server]:
    """Three users, and a further database."""
    for user in ("routed_shared", "routed_few", READER):
        server.add_service(user, PASSWORD)
    with server.admin() as connection:
        connection.execute("CREATE DATABASE routed_billing")
    yield server
    with server.admin() as connection:
        connection.execute("DROP DATABASE routed_billing WITH (FORCE)")
        connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(
            sql.Identifier(READER), sql.Identifier(NAMES.database)))  # fmt: skip


def pin(server: Server, settings: Settings) -> None:
    """What the job of RoleSettings runs."""
    with server.admin() as connection:
        connection.execute(role_statements(settings).encode())


@pytest.fixture(scope="module")
def process(deploy_for_module: Deploy, database: Server) -> Process:
    settings = declared(database)
    pin(database, settings)
    return deploy_for_module(settings).up()


def connect(
    process: Process, user: str, entry: str, *, options: str = ""
) -> psycopg.Connection[tuple[object, ...]]:
    text = dsn(
        user=user, password=PASSWORD, host=process.address, port=6432, database=entry, application_name="test"
    )
    return psycopg.connect(text, autocommit=True, options=options)


def waited(process: Process, entry: str) -> tuple[float, str]:
    """Seconds that a second client waited for the entry's one backend, and what it was told."""
    with (
        connect(process, "routed_shared", entry) as holder,
        connect(process, "routed_shared", entry) as other,
    ):
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as refused:
            other.execute("SELECT 1")
        return time.monotonic() - began, str(refused.value)


def test_a_wait_ends_after_the_time_of_each_service(process: Process) -> None:
    with ThreadPoolExecutor(2) as both:
        hasty, patient = both.map(lambda entry: waited(process, entry), ("hasty", "patient"))
    print(f"query_wait_timeout 2 s: {hasty[0]:.1f} s; 6 s: {patient[0]:.1f} s")
    assert "query_wait_timeout" in hasty[1]
    assert "query_wait_timeout" in patient[1]
    assert patient[0] >= 5
    assert hasty[0] < patient[0]


def test_a_service_lets_in_as_many_clients_as_it_says(process: Process) -> None:
    with connect(process, "routed_few", "few"), connect(process, "routed_few", "few"):
        with pytest.raises(psycopg.OperationalError, match="max_db_client_connections"):
            connect(process, "routed_few", "few")
        connect(process, "routed_few", NAMES.transaction_entry).close()


def test_an_entry_of_its_own_has_statistics_of_its_own(process: Process) -> None:
    def queries() -> dict[str, int]:
        return {row["database"]: int(row["total_query_count"]) for row in process.console("SHOW STATS")}

    with connect(process, "routed_few", "few") as client:
        before = queries()
        client.execute("SELECT 1")
        after = queries()
    changed = {name for name in after if after[name] != before.get(name, 0)}
    assert changed - {NAMES.auth_entry, "pgbouncer"} == {"few"}


def test_an_entry_of_its_own_pauses_alone(process: Process) -> None:
    process.console("PAUSE few")
    try:
        with connect(process, "routed_shared", "patient") as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
    finally:
        process.console("RESUME few")


@pytest.mark.parametrize("entry", ["billing", "billing_session"])
def test_a_further_database_is_reached_with_the_same_lookup(process: Process, entry: str) -> None:
    with connect(process, "routed_few", entry) as client:
        assert client.execute("SELECT pg_catalog.current_database()::text").fetchone() == ("routed_billing",)


def test_clients_of_two_users_work_on_no_more_backends_than_a_further_database_has(
    process: Process, database: Server
) -> None:
    def query(user: str) -> None:
        with connect(process, user, "billing") as client:
            client.execute("SELECT pg_catalog.pg_sleep(0.5)")

    samples: list[int] = []
    with database.admin() as admin, ThreadPoolExecutor(10) as clients:
        waiting = [clients.submit(query, user) for user in ("routed_few", "routed_shared") * 5]
        while not all(client.done() for client in waiting):
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = 'routed_billing'"
            ).fetchone()
            assert row is not None
            samples.append(int(str(row[0])))
            time.sleep(0.05)
        for client in waiting:
            client.result()
    assert max(samples) == 2


@pytest.mark.parametrize("entry", [NAMES.transaction_entry, NAMES.session_entry])
class TestDefaultsOfAnalyticsRo:
    """What the seed sends as options=, which PgBouncer drops, holds by the role."""

    def test_a_write_is_refused(self, process: Process, entry: str) -> None:
        with (
            connect(process, READER, entry) as client,
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        ):
            client.execute("CREATE TABLE not_by_a_reader (id int)")

    def test_the_parameters_of_the_analytics_service_hold(self, process: Process, entry: str) -> None:
        options = "-c default_transaction_read_only=on -c statement_timeout=30000"
        with connect(process, READER, entry, options=options) as client:
            assert client.execute(
                "SELECT pg_catalog.current_setting('default_transaction_read_only'), "
                "pg_catalog.current_setting('statement_timeout')"
            ).fetchone() == ("on", "3s")

    def test_a_client_that_switches_it_off_does_so_for_itself(self, process: Process, entry: str) -> None:
        with connect(process, READER, entry, options="-c default_transaction_read_only=off") as client:
            assert client.execute("SHOW default_transaction_read_only").fetchone() == ("off",)
        with connect(process, READER, entry) as client:
            assert client.execute("SHOW default_transaction_read_only").fetchone() == ("on",)

    def test_a_long_statement_is_ended(self, process: Process, entry: str) -> None:
        with connect(process, READER, entry) as client, pytest.raises(psycopg.errors.QueryCanceled):
            client.execute("SELECT pg_catalog.pg_sleep(10)")

    def test_a_transaction_that_idles_is_ended(self, process: Process, entry: str) -> None:
        with connect(process, READER, entry) as client:
            client.execute("BEGIN")
            client.execute("SELECT 1")
            time.sleep(3)
            with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
                client.execute("SELECT 1")

    @pytest.mark.parametrize("reset", ["RESET ALL", "DISCARD ALL"])
    def test_no_reset_undoes_them(self, process: Process, entry: str, reset: str) -> None:
        with connect(process, READER, entry) as client:
            client.execute(reset)
            assert client.execute(
                "SELECT pg_catalog.current_setting('default_transaction_read_only'), "
                "pg_catalog.current_setting('statement_timeout')"
            ).fetchone() == ("on", "3s")


def test_a_changed_default_reaches_the_next_login_without_dropping_the_clients_of_now(
    deploy: Deploy, database: Server
) -> None:
    first, second = (declared(database, {"user": READER, "statement_timeout": n}) for n in (7, 9))
    bouncer = deploy(first)
    pin(database, first)
    process = bouncer.up()
    with connect(process, READER, NAMES.transaction_entry) as client:
        assert client.execute("SHOW statement_timeout").fetchone() == ("7s",)
        pin(database, second)
        assert_passed(bouncer.change(second, process))
        assert client.execute("SHOW statement_timeout").fetchone() == ("9s",)
    pin(database, declared(database))
