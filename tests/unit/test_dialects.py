"""DSNs in the dialects of the drivers. What the Python drivers read and send is asked of the drivers themselves."""

from __future__ import annotations

import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from components.drivers import Driver
from components.dsn import MASK, dsn, lanes
from components.settings import Lane
from tests.python_drivers import ASK, try_login
from tests.unit.login_probe import LoginProbe
from tests.unit.stacks import refusal, settings
from tests.unit.test_dsn import NASTY

NASTIEST = "@:/?#%'\" \\ü;=&+$[]{}|^`~*"


def rendered(
    driver: str,
    lane: str = "transaction",
    password: str | None = "secret",  # noqa: S107 a test's own
    **changes: object,
) -> str:
    stack = settings(services={"web": {"driver": driver}}, **changes)
    return lanes(stack, "web", password)[Lane(lane)]


def sent(driver: Driver, user: str, password: str) -> LoginProbe:
    """What arrives at a server when the driver connects with its DSN and nothing else."""
    with LoginProbe() as probe:
        try_login(
            driver,
            dsn(
                user=user,
                password=password,
                host="127.0.0.1",
                port=probe.port,
                database="app",
                application_name="web",
                driver=driver,
                lane=Lane.TRANSACTION,
            ),
        )
    return probe


# --- the drivers themselves


@pytest.mark.parametrize("nasty", [*NASTY, NASTIEST])
@pytest.mark.parametrize("driver", ASK)
def test_the_driver_sends_user_and_password_as_they_are(driver: Driver, nasty: str) -> None:
    probe = sent(driver, nasty, nasty)
    assert (probe.startup["user"], probe.password) == (nasty, nasty)


@pytest.mark.parametrize("driver", ASK)
def test_the_driver_sends_the_database(driver: Driver) -> None:
    assert sent(driver, "web", "secret").startup["database"] == "app"


@pytest.mark.parametrize("driver", [driver for driver in ASK if driver != "sqlalchemy_asyncpg"])
def test_the_driver_sends_the_service_as_its_application(driver: Driver) -> None:
    assert sent(driver, "web", "secret").startup["application_name"] == "web"


@pytest.mark.parametrize("driver", ASK)
def test_the_driver_sends_nothing_that_a_server_would_refuse(driver: Driver) -> None:
    known = {"user", "database", "application_name", "client_encoding"}
    assert set(sent(driver, "web", "secret").startup) - known == set()


# --- why some parameters stay out


def test_asyncpg_would_send_a_connect_timeout_to_the_server() -> None:
    with LoginProbe() as probe:
        try_login(Driver.ASYNCPG, f"postgresql://web:x@127.0.0.1:{probe.port}/app?connect_timeout=5")
    assert probe.startup["connect_timeout"] == "5"


@pytest.mark.parametrize("parameter", ["application_name=web", "connect_timeout=5", "timeout=5"])
def test_sqlalchemy_with_asyncpg_fails_on_any_parameter(parameter: str) -> None:
    with LoginProbe() as probe, pytest.raises(TypeError):
        try_login(
            Driver.SQLALCHEMY_ASYNCPG, f"postgresql+asyncpg://web:x@127.0.0.1:{probe.port}/app?{parameter}"
        )


# --- the text, by hand


@pytest.mark.parametrize(
    ("driver", "text"),
    [
        ("libpq", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        (
            "libpq_keywords",
            "host=pgbouncer port=6432 dbname=app user=web password=secret application_name=web connect_timeout=5",
        ),
        ("psycopg2", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        ("psycopg", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        ("asyncpg", "postgresql://web:secret@pgbouncer:6432/app?application_name=web"),
        (
            "sqlalchemy_psycopg2",
            "postgresql+psycopg2://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5",
        ),
        (
            "sqlalchemy_psycopg",
            "postgresql+psycopg://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5",
        ),
        ("sqlalchemy_asyncpg", "postgresql+asyncpg://web:secret@pgbouncer:6432/app"),
        ("django", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        ("node_postgres", "postgresql://web:secret@pgbouncer:6432/app?application_name=web"),
        ("postgres_js", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        ("prisma", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        (
            "jdbc",
            "jdbc:postgresql://pgbouncer:6432/app?user=web&password=secret&ApplicationName=web&connectTimeout=5",
        ),
        ("pgx", "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"),
        (
            "lib_pq",
            "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5"
            "&sslmode=disable&binary_parameters=yes",
        ),
        ("sqlx", "postgresql://web:secret@pgbouncer:6432/app?application_name=web"),
        (
            "tokio_postgres",
            "postgresql://web:secret@pgbouncer:6432/app?application_name=web&connect_timeout=5",
        ),
        (
            "npgsql",
            "Host=pgbouncer;Port=6432;Database=app;Username=web;Password=secret;Application Name=web;Timeout=5;"
            "No Reset On Close=true",
        ),
    ],
)
def test_the_transaction_lane_of_each_driver(driver: str, text: str) -> None:
    assert rendered(driver) == text


@pytest.mark.parametrize("driver", Driver)
def test_the_session_lane_is_the_transaction_lane_with_another_database_and_no_more(driver: str) -> None:
    transaction, session = rendered(driver), rendered(driver, "session")
    only_on_transaction = {"lib_pq": "&binary_parameters=yes", "npgsql": ";No Reset On Close=true"}
    assert session.replace("app_session", "app") == transaction.replace(
        only_on_transaction.get(driver, " "), "" if driver in only_on_transaction else " "
    )


@pytest.mark.parametrize("driver", Driver)
def test_the_direct_lane_is_the_session_lane_of_another_host(driver: str) -> None:
    direct = rendered(driver, "direct").replace("timescale_db", "pgbouncer").replace("5432", "6432")
    assert direct == rendered(driver, "session").replace("app_session", "app")


def test_lib_pq_asks_a_database_with_tls_for_it_on_the_direct_lane() -> None:
    assert "sslmode" not in rendered("lib_pq", "direct", admin_sslmode="require")


def test_lib_pq_never_asks_the_pooler_for_tls() -> None:
    assert "&sslmode=disable&" in rendered("lib_pq", "transaction", admin_sslmode="require")


@pytest.mark.parametrize("nasty", [*NASTY, NASTIEST])
def test_libpq_reads_a_keyword_string_back(nasty: str) -> None:
    text = dsn(
        user=nasty,
        password=nasty,
        host="h",
        port=1,
        database=nasty,
        application_name=nasty,
        driver=Driver.LIBPQ_KEYWORDS,
    )
    found = conninfo_to_dict(text)
    assert {found[key] for key in ("user", "password", "dbname", "application_name")} == {nasty}


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("plain_1.2-3", "plain_1.2-3"),
        ("a b", '"a b"'),
        ("a;Host=evil", '"a;Host=evil"'),
        ('a"b', '"a""b"'),
        ('"', '""""'),
        ("it's", '"it\'s"'),
        ("a\\b", '"a\\b"'),
        ("=", '"="'),
        ("", '""'),
        (" ", '" "'),
        ("ü", "ü"),
    ],
)
def test_npgsql_finds_a_special_value_in_double_quotes(password: str, text: str) -> None:
    assert f";Password={text};" in rendered("npgsql", password=password)


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("p@ss:w/o?r#d%", "p%40ss%3Aw%2Fo%3Fr%23d%25"),
        ("a&user=evil", "a%26user%3Devil"),
        ("a+b c", "a%2Bb%20c"),
        ('it\'s \\ "ü"', "it%27s%20%5C%20%22%C3%BC%22"),
    ],
)
def test_jdbc_finds_a_special_value_percent_encoded(password: str, text: str) -> None:
    assert f"&password={text}&" in rendered("jdbc", password=password)


@pytest.mark.parametrize("driver", Driver)
def test_without_a_password_no_dialect_has_a_place_for_one(driver: str) -> None:
    text = rendered(driver, password=None)
    assert "assword" not in text
    assert "web:" not in text


@pytest.mark.parametrize("driver", Driver)
def test_every_dialect_shows_the_mask_as_it_is(driver: str) -> None:
    assert rendered(driver, password=MASK).count("****") == 1


# --- refusals


@pytest.mark.parametrize(
    "driver",
    [
        "sqlalchemy_psycopg2",
        "sqlalchemy_psycopg",
        "sqlalchemy_asyncpg",
        "node_postgres",
        "postgres_js",
        "prisma",
    ],
)
def test_a_driver_that_does_not_decode_a_name_is_refused_a_database_that_needs_it(driver: str) -> None:
    said = refusal(
        databases={"billing": {"dbname": "billing db", "backends": 2}},
        services={"web": {"driver": driver, "database": "billing"}},
    )
    assert said == (
        f'services.web.driver: {driver} does not decode the name of a database, and "billing db" has characters '
        "that a URL must encode; use another driver, or a database whose name has A-Z, a-z, 0-9, _, . and - only"
    )


@pytest.mark.parametrize(
    "driver",
    [
        "psycopg",
        "asyncpg",
        "sqlalchemy_psycopg",
        "sqlalchemy_asyncpg",
        "postgres_js",
        "prisma",
        "jdbc",
        "pgx",
        "sqlx",
        "tokio_postgres",
    ],
)
def test_a_driver_that_prepares_by_itself_is_refused_a_lane_that_does_not_follow(driver: str) -> None:
    said = refusal(
        settings={"max_prepared_statements": 0}, services={"web": {"driver": driver, "route": "transaction"}}
    )
    assert said == (
        f"services.web.route: {driver} prepares statements by name, which transaction cannot give while "
        "settings.max_prepared_statements is 0; remove that setting, or use session or direct"
    )


@pytest.mark.parametrize(
    ("driver", "route", "followed"),
    [
        ("psycopg2", "transaction", 0),
        ("django", "transaction", 0),
        ("asyncpg", "session", 0),
        ("asyncpg", "direct", 0),
        ("asyncpg", "transaction", 10),
    ],
)
def test_other_drivers_lanes_and_sizes_are_accepted(driver: str, route: str, followed: int) -> None:
    stack = settings(
        settings={"max_prepared_statements": followed}, services={"web": {"driver": driver, "route": route}}
    )
    assert stack.services["web"].route == route


@pytest.mark.parametrize("driver", ["libpq", "libpq_keywords", "asyncpg", "django", "jdbc", "pgx", "npgsql"])
def test_a_driver_that_decodes_a_name_may_have_any_database(driver: str) -> None:
    stack = settings(
        databases={"billing": {"dbname": "billing db", "backends": 2}},
        services={"web": {"driver": driver, "database": "billing"}},
    )
    assert stack.dbname(stack.services["web"]) == "billing db"


@pytest.mark.parametrize("driver", ["libpq", "libpq_keywords", "asyncpg", "django"])
def test_the_driver_finds_a_database_with_a_nasty_name(driver: str) -> None:
    with LoginProbe() as probe:
        text = dsn(
            user="web",
            password="x",
            host="127.0.0.1",
            port=probe.port,
            database=NASTIEST,
            application_name="web",
            driver=Driver(driver),
        )
        try_login(Driver(driver), text)
    assert probe.startup["database"] == NASTIEST


def test_sqlalchemy_urls_name_their_driver() -> None:
    names = {
        driver: sqlalchemy.make_url(rendered(driver)).get_dialect().driver
        for driver in ("sqlalchemy_psycopg2", "sqlalchemy_psycopg", "sqlalchemy_asyncpg")
    }
    assert names == {
        "sqlalchemy_psycopg2": "psycopg2",
        "sqlalchemy_psycopg": "psycopg",
        "sqlalchemy_asyncpg": "asyncpg",
    }
