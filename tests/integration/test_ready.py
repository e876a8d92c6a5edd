"""What `make ready` sees on a real Postgres: sessions, locks, recorded statements, temporary tables, rights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql

from components.settings import Settings
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Connection, Server, create_role
from toolchain.problem import Problem
from views import ready
from views.collect import collect
from views.evidence import Evidence
from views.judgement import judge

pytestmark = pytest.mark.timeout(120)

PASSWORD = "sentinel-of-a-service"
_numbers = count(1)

Login = Callable[..., Connection]


@pytest.fixture(scope="module", autouse=True)
def recording(server: Server) -> Iterator[None]:
    with server.admin() as connection:
        connection.execute(
            "CREATE EXTENSION pg_stat_statements; CREATE TABLE ready_orders (id serial, what text)"
        )
    yield
    with server.admin() as connection:
        connection.execute("DROP EXTENSION pg_stat_statements; DROP TABLE ready_orders")


@pytest.fixture
def user(server: Server) -> str:
    """A role that nothing has been recorded of."""
    name = f"ready_{next(_numbers)}"
    with server.admin() as connection:
        create_role(connection, name, PASSWORD)
    return name


@pytest.fixture
def login(server: Server, user: str) -> Iterator[Login]:
    """Opens sessions of the role; those that are open at the end of the test are closed."""
    opened = []

    def connect(application: str = "", **options: object) -> Connection:
        dsn = f"host={server.host} user={user} password={PASSWORD} dbname={NAMES.database}"
        opened.append(psycopg.connect(dsn, autocommit=True, application_name=application, **options))  # type: ignore[arg-type] # of connect itself
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def settings(server: Server, user: str, **values: object) -> Settings:
    return server.settings({"svc": {"user": user, "route": "direct"}}, **values)


def evidence(server: Server, user: str) -> Evidence:
    return collect(settings(server, user), "svc", frozenset())


def lane(server: Server, user: str) -> str:
    return judge(settings(server, user), evidence(server, user)).lane.value


def reasons(server: Server, user: str) -> str:
    return "\n".join(judge(settings(server, user), evidence(server, user)).reasons)


def test_a_service_that_runs_plain_transactions_may_go_to_the_transaction_lane(
    server: Server, user: str, login: Login
) -> None:
    session = login()
    with session.transaction():
        session.execute("SET LOCAL work_mem = '1MB'")
        session.execute("SELECT pg_advisory_xact_lock(1)")
        session.execute("CREATE TEMP TABLE scratch (a int) ON COMMIT DROP")
    assert lane(server, user) == "transaction"


def test_an_advisory_lock_that_outlives_its_transaction_needs_the_session_lane(
    server: Server, user: str, login: Login
) -> None:
    session = login()
    session.execute("SELECT pg_advisory_lock(4711)")
    session.execute("SELECT 1")
    assert f"holds 1 advisory lock outside of a transaction (pid {session.info.backend_pid}" in reasons(
        server, user
    )


def test_an_advisory_lock_in_a_transaction_is_no_reason_but_a_note(
    server: Server, user: str, login: Login
) -> None:
    session = login()
    session.execute("BEGIN")
    session.execute("SELECT pg_advisory_xact_lock(4712)")
    verdict = judge(settings(server, user), evidence(server, user))
    assert (
        verdict.lane.value,
        any("pg_advisory_xact_lock move along" in note for note in verdict.notes),
    ) == (
        "transaction",
        True,
    )


def test_a_listen_is_seen_after_its_session_has_gone(server: Server, user: str, login: Login) -> None:
    login().execute("LISTEN orders")
    login().close()
    assert "LISTEN orders (once, pg_stat_statements)" in reasons(server, user)


def test_a_listen_is_seen_in_a_session_that_waits(server: Server, user: str, login: Login) -> None:
    session = login()
    session.execute("LISTEN orders")
    assert f"LISTEN orders (its last statement, pid {session.info.backend_pid})" in reasons(server, user)


def test_a_temporary_table_that_exists_is_seen(server: Server, user: str, login: Login) -> None:
    login().execute("CREATE TEMP TABLE scratch (a int)")
    assert "1 temporary table exists now, owned by" in reasons(server, user)


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SET statement_timeout = '30s'", "SET statement_timeout"),
        ("PREPARE plan AS SELECT 1; EXECUTE plan", "PREPARE plan"),
        ("DECLARE rows CURSOR WITH HOLD FOR SELECT 1", "DECLARE rows WITH HOLD"),
        ("SELECT pg_try_advisory_lock(1); SELECT pg_advisory_unlock(1)", "pg_try_advisory_lock"),
    ],
)
def test_what_was_recorded_is_named(
    server: Server, user: str, login: Login, statement: str, shown: str
) -> None:
    login().execute(statement)
    assert f"{shown} (once, pg_stat_statements)" in reasons(server, user)


def test_a_replication_connection_stays_direct(server: Server, user: str, login: Login) -> None:
    with server.admin() as connection:
        connection.execute(sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(user)))
    login(replication="database")
    assert "a replication connection (pid " in reasons(server, user)


def test_no_literal_of_a_statement_is_shown(server: Server, user: str, login: Login) -> None:
    session = login()
    for statement in (
        f"ALTER ROLE {user} PASSWORD '{PASSWORD}'",
        f"SELECT set_config('app.token', '{PASSWORD}', false)",
        f"SET app.token = '{PASSWORD}'",
    ):
        session.execute(statement)
    used, found = settings(server, user), evidence(server, user)
    report = ready.Report("dev", used, found, judge(used, found), None)
    assert PASSWORD not in ready.as_text(report) + ready.as_json(report) + repr(report)


def test_sessions_of_another_service_with_the_same_role_are_left_out(
    server: Server, user: str, login: Login
) -> None:
    shared = server.settings({"svc": {"user": user}, "other": {"user": user}})
    for application in ("svc", "other", "psql"):
        login(application).execute("SELECT 1")
    found = collect(shared, "svc", frozenset()).sessions
    assert sorted((one.application, one.owner) for one in found) == [("psql", None), ("svc", "svc")]


def test_what_the_role_may_do_with_a_table_is_known(server: Server, user: str, admin: Connection) -> None:
    admin.execute(sql.SQL("GRANT SELECT, INSERT ON ready_orders TO {}").format(sql.Identifier(user)))
    found = {table.name: table.may for table in evidence(server, user).tables}
    assert found["ready_orders"] == ("SELECT", "INSERT")


def test_a_superuser_gets_the_grants_that_it_was_seen_to_use(
    server: Server, user: str, login: Login, admin: Connection
) -> None:
    admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(user)))
    login().execute("INSERT INTO ready_orders (what) VALUES ('x')")
    used, found = settings(server, user), evidence(server, user)
    told = json.loads(ready.as_json(ready.Report("dev", used, found, judge(used, found), None)))
    assert told["least_privilege"] == [
        "CREATE ROLE svc LOGIN;  -- then \\password svc",
        "GRANT CONNECT ON DATABASE tracksolid_db TO svc;",
        "GRANT USAGE ON SCHEMA public TO svc;",
        "GRANT INSERT ON public.ready_orders TO svc;",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO svc;",
    ]


def test_a_database_without_the_extension_says_how_to_add_it(
    server: Server, user: str, admin: Connection
) -> None:
    admin.execute("CREATE DATABASE ready_bare")
    try:
        bare = server.settings(
            {"svc": {"user": user, "database": "bare"}},
            databases={"bare": {"dbname": "ready_bare", "backends": 2}},
        )
        assert collect(bare, "svc", frozenset()).missing[0] == (
            "pg_stat_statements",
            "not in this database; run CREATE EXTENSION pg_stat_statements",
        )
    finally:
        admin.execute("DROP DATABASE ready_bare WITH (FORCE)")


def test_without_rights_on_the_statistics_it_is_one_line(server: Server, user: str) -> None:
    plain = settings(server, user, admin_user=user, admin_password=PASSWORD)
    with pytest.raises(Problem) as refused:
        collect(plain, "svc", frozenset())
    assert str(refused.value) == (
        f"admin_user {user} may not see other sessions; as a superuser run GRANT pg_monitor TO {user}"
    )


def test_a_role_that_is_not_there_is_one_line(server: Server) -> None:
    with pytest.raises(Problem) as refused:
        evidence(server, "nobody")
    assert str(refused.value) == (
        'services.svc.user: role "nobody" does not exist on the server; create it or correct the name'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("application_name", "mine"),
        ("client_encoding", "LATIN1"),
        ("datestyle", "German, DMY"),
        ("default_transaction_read_only", "on"),
        ("intervalstyle", "iso_8601"),
        ("scram_iterations", "5000"),
        ("standard_conforming_strings", "off"),
        ("timezone", "Asia/Tokyo"),
    ],
)
def test_a_setting_that_is_no_reason_stays_with_its_client_on_the_transaction_lane(
    tracked: tuple[Connection, Connection], name: str, value: str
) -> None:
    mine, other = tracked
    mine.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    assert (shown(other, name) != value, shown(mine, name)) == (True, value)


def shown(client: Connection, name: str) -> str:
    row = client.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture(scope="module")
def tracked(server: Server, deploy_for_module: Deploy) -> Iterator[tuple[Connection, Connection]]:
    """Two clients that share one backend of the transaction lane."""
    server.add_service("ready_tracked", PASSWORD)
    services: dict[str, object] = {
        "tracked": {"user": "ready_tracked", "route": "transaction", "pool_size": 1}
    }
    process = deploy_for_module(server.settings(services)).up()
    dsn = f"host={process.address} port=6432 user=ready_tracked password={PASSWORD} dbname=tracked"
    with psycopg.connect(dsn, autocommit=True) as mine, psycopg.connect(dsn, autocommit=True) as other:
        yield mine, other
