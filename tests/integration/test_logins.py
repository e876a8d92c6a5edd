"""Logins through the pooler: who gets in, who does not, and what a client keeps or leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest
import sqlalchemy
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from components.dsn import dsn, lanes
from components.settings import Lane
from tests.integration.bouncer import Process
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Server, create_role, grant_membership

pytestmark = pytest.mark.timeout(120)

NASTY = "we@ird:/?#%'\"\\ ü"
PEOPLE = {
    "webhook": "plain",
    NASTY: NASTY,
    "a b+c&d=e": "p&a=s+s w%20ord",
    "100%": "%41%",
    "Ünï-cødé": "пароль 密码",
    "$(id)`;--": "'; DROP TABLE x; --",
    "[::1]:5432": "@@//host",
}


@dataclass(frozen=True)
class Pooler:
    """A pooler that runs, and how services find it."""

    server: Server
    process: Process
    address: str
    services: dict[str, str]
    """user → service"""

    def dsn(self, user: str, password: str, database: str = NAMES.database) -> str:
        return dsn(
            user=user,
            password=password,
            host=self.address,
            port=6432,
            database=database,
            application_name="test",
        )

    def refusal(self, user: str, password: str, database: str = NAMES.database) -> str:
        """What a client reads when it may not log in."""
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(self.dsn(user, password, database))
        return str(refused.value).rpartition("FATAL:")[2].strip()


@pytest.fixture(scope="module")
def pooler(deploy_for_module: Deploy, server: Server) -> Pooler:
    for user, password in PEOPLE.items():
        server.add_service(user, password)
    services = {f"service_{i}": user for i, user in enumerate(PEOPLE)}
    settings = server.settings(
        {service: {"user": user, "route": "transaction"} for service, user in services.items()}
    )
    process = deploy_for_module(settings).up()
    return Pooler(server, process, process.address, {user: service for service, user in services.items()})


@pytest.fixture(scope="module")
def one_backend(deploy_for_module: Deploy, server: Server) -> Pooler:
    """A pooler with one backend for each user on the transaction lane and one on the session lane."""
    server.add_service("single", "single")
    settings = server.settings({"single": {"route": "transaction"}}, max_backends=6, session_backends=1)
    process = deploy_for_module(settings).up()
    return Pooler(server, process, process.address, {"single": "single"})


def lane_dsn(pooler: Pooler, user: str, lane: Lane) -> str:
    """The DSN that the stack hands out, with the container's address in place of the alias."""
    service = pooler.services[user]
    settings = pooler.server.settings({service: {"user": user}}, alias=pooler.address)
    return lanes(settings, service, PEOPLE[user])[lane]


@pytest.mark.parametrize("user", PEOPLE)
@pytest.mark.parametrize("lane", [Lane.TRANSACTION, Lane.SESSION])
def test_psycopg_logs_in_with_the_dsn_of_any_user_and_password(pooler: Pooler, user: str, lane: Lane) -> None:
    with psycopg.connect(lane_dsn(pooler, user, lane)) as connection:
        assert connection.execute("SELECT session_user::text").fetchone() == (user,)


@pytest.mark.parametrize("user", PEOPLE)
def test_sqlalchemy_logs_in_with_the_dsn_of_any_user_and_password(pooler: Pooler, user: str) -> None:
    text = lane_dsn(pooler, user, Lane.TRANSACTION).replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sqlalchemy.create_engine(text, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT session_user::text")) == user


def test_the_server_sees_the_service_as_application_name(pooler: Pooler) -> None:
    with psycopg.connect(lane_dsn(pooler, "webhook", Lane.TRANSACTION)) as connection:
        row = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (pooler.services["webhook"],)


def test_a_dsn_without_a_password_still_names_user_and_database() -> None:
    text = dsn(user=NASTY, password=None, host="pgbouncer", port=6432, database="db", application_name="x")
    found = conninfo_to_dict(text)
    assert (found["user"], found["dbname"], "password" in found) == (NASTY, "db", False)


def test_a_wrong_password_is_refused(pooler: Pooler) -> None:
    assert pooler.refusal("webhook", "wrong") == "SASL authentication failed"


def test_an_empty_password_is_refused(pooler: Pooler) -> None:
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(pooler.dsn("webhook", ""))


def test_an_unknown_user_is_refused(pooler: Pooler) -> None:
    assert pooler.refusal("nobody_of_that_name", "wrong") == "no such user"


def test_a_database_without_an_entry_is_refused(pooler: Pooler) -> None:
    # PgBouncer does not tell strangers which entries there are
    assert pooler.refusal("webhook", "plain", "postgres") == "SASL authentication failed"


@pytest.mark.parametrize("user", ["webhook", "pgbouncer"])
def test_the_console_is_closed_to_the_network(pooler: Pooler, user: str) -> None:
    assert pooler.refusal(user, "plain", "pgbouncer") == "not allowed"


def test_the_entry_for_lookups_is_closed_to_services(pooler: Pooler) -> None:
    assert pooler.refusal("webhook", "plain", NAMES.auth_entry) == "login rejected"


def test_the_auth_role_is_no_client_even_with_its_password(pooler: Pooler) -> None:
    assert pooler.refusal("pgbouncer_auth_a", pooler.server.auth_password) == "login rejected"


def test_the_other_auth_role_is_no_client_even_as_a_member_of_the_services(pooler: Pooler) -> None:
    with pooler.server.admin() as connection:
        create_role(connection, "pgbouncer_auth_b", "right")
        try:
            grant_membership(connection, NAMES.services_group, "pgbouncer_auth_b")
            assert pooler.refusal("pgbouncer_auth_b", "right") == "login rejected"
        finally:
            connection.execute("DROP ROLE pgbouncer_auth_b")


@pytest.mark.parametrize(
    ("role", "options", "group", "message"),
    [
        ("undeclared", "LOGIN", None, "no such user"),
        ("retired", "NOLOGIN", NAMES.services_group, "no such user"),
        ("expired", "LOGIN VALID UNTIL '2001-01-01'", NAMES.services_group, "SASL authentication failed"),
        ("superuser_not_named", "LOGIN SUPERUSER", NAMES.services_group, "no such user"),
        ("superuser_undeclared", "LOGIN SUPERUSER", None, "no such user"),
    ],
)
def test_a_role_that_the_lookup_does_not_answer_for_is_refused_with_its_right_password(
    pooler: Pooler, role: str, options: str, group: str | None, message: str
) -> None:
    with pooler.server.admin() as connection:
        create_role(connection, role, "right", options)
        if group:
            grant_membership(connection, group, role)
    assert pooler.refusal(role, "right") == message


def test_a_superuser_that_the_stack_names_gets_in(pooler: Pooler) -> None:
    with pooler.server.admin() as connection:
        create_role(connection, "named_superuser", "right", "LOGIN SUPERUSER")
        grant_membership(connection, NAMES.services_group, "named_superuser")
        grant_membership(connection, NAMES.superusers_group, "named_superuser")
    with psycopg.connect(pooler.dsn("named_superuser", "right")) as client:
        assert client.execute("SELECT current_setting('is_superuser')").fetchone() == ("on",)


def test_a_new_password_is_valid_at_once_and_the_old_one_is_not(pooler: Pooler) -> None:
    pooler.server.add_service("rotating", "old")
    with psycopg.connect(pooler.dsn("rotating", "old")):
        pass
    with pooler.server.admin() as connection:
        connection.execute("ALTER ROLE rotating PASSWORD 'new'")
    assert pooler.refusal("rotating", "old") == "SASL authentication failed"


class TestARoleWithDefaults:
    """What ALTER ROLE … SET pins on an analytics role holds on the transaction lane."""

    OPTIONS = "-c default_transaction_read_only=off -c statement_timeout=0"

    @pytest.fixture(scope="class")
    @classmethod
    def analytics(cls, pooler: Pooler) -> str:
        pooler.server.add_service("analytics", "report")
        with pooler.server.admin() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS public.facts (n int)")
            connection.execute("GRANT ALL ON public.facts TO analytics")
            connection.execute("ALTER ROLE analytics SET default_transaction_read_only = on")
            connection.execute("ALTER ROLE analytics SET statement_timeout = '200ms'")
        return pooler.dsn("analytics", "report")

    def test_it_may_not_write(self, analytics: str) -> None:
        with psycopg.connect(analytics) as client, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("INSERT INTO public.facts VALUES (1)")

    def test_read_only_is_a_default_that_a_client_may_turn_off_at_connect_as_without_the_pooler(
        self, analytics: str
    ) -> None:
        # the one of the two that PgBouncer tracks, so it is read from `options`; only missing grants keep a role out
        with psycopg.connect(analytics, options=self.OPTIONS) as client:
            client.execute("INSERT INTO public.facts VALUES (1)")

    def test_a_client_that_turned_read_only_off_does_not_turn_it_off_for_the_next(
        self, analytics: str
    ) -> None:
        with psycopg.connect(analytics, options=self.OPTIONS) as client:
            client.execute("INSERT INTO public.facts VALUES (1)")
        with psycopg.connect(analytics) as client:
            assert client.execute("SHOW default_transaction_read_only").fetchone() == ("on",)

    @pytest.mark.parametrize("options", ["", OPTIONS])
    def test_its_statements_end_in_time_whatever_the_client_sends_at_connect(
        self, analytics: str, options: str
    ) -> None:
        timed_out = pytest.raises(psycopg.errors.QueryCanceled, match="due to statement timeout")
        with psycopg.connect(analytics, options=options) as client, timed_out:
            client.execute("SELECT pg_sleep(5)")


class TestWhatOneClientLeavesBehind:
    """Two clients, one backend: the second starts with the defaults."""

    @pytest.fixture
    def dsn(self, one_backend: Pooler) -> str:
        return one_backend.dsn("single", "single")

    def backend_and_setting(self, dsn: str, setting: str) -> tuple[object, ...]:
        with psycopg.connect(dsn, autocommit=True) as client:
            row = client.execute("SELECT pg_backend_pid(), current_setting(%s)", [setting]).fetchone()
        assert row is not None
        return row

    def test_read_only_as_a_session_default_does_not_reach_the_next_client(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            row = first.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            assert self.backend_and_setting(dsn, "default_transaction_read_only") == (row[0], "off")

    def test_read_only_as_a_session_default_stays_with_the_client_that_set_it(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            self.backend_and_setting(dsn, "default_transaction_read_only")
            assert first.execute("SHOW default_transaction_read_only").fetchone() == ("on",)

    def test_a_read_only_connection_of_psycopg_does_not_reach_the_next_client(self, dsn: str) -> None:
        with psycopg.connect(dsn) as first:
            first.read_only = True
            first.execute("SELECT 1")
            first.commit()
            assert self.backend_and_setting(dsn, "transaction_read_only")[1] == "off"

    @pytest.mark.parametrize(("setting", "value"), [("timezone", "Asia/Tokyo"), ("datestyle", "German, DMY")])
    def test_a_setting_that_the_server_reports_does_not_reach_the_next_client(
        self, dsn: str, setting: str, value: str
    ) -> None:
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute(sql.SQL("SET {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
            assert self.backend_and_setting(dsn, setting)[1] != value

    def test_a_setting_that_the_server_does_not_report_reaches_the_next_client(self, dsn: str) -> None:
        # why such a SET needs the session lane
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute("SET work_mem = '123kB'")
        try:
            assert self.backend_and_setting(dsn, "work_mem")[1] == "123kB"
        finally:
            with psycopg.connect(dsn, autocommit=True) as last:
                last.execute("RESET work_mem")

    def test_the_session_lane_starts_with_the_defaults(self, one_backend: Pooler) -> None:
        dsn = one_backend.dsn("single", "single", NAMES.session_entry)
        with psycopg.connect(dsn, autocommit=True) as first:
            first.execute("SET work_mem = '123kB'")
        assert self.backend_and_setting(dsn, "work_mem")[1] == "4MB"
