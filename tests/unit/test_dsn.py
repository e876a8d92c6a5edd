"""DSNs, read back by libpq and by SQLAlchemy: two parsers that have never seen the code under test."""

from __future__ import annotations

import re

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from components.dsn import dsn, lanes
from components.settings import Lane
from tests.unit.stacks import settings

NASTY = [
    "@",
    ":",
    "/",
    "?",
    "#",
    "%",
    "'",
    '"',
    "\\",
    " ",
    "ü",
    "&",
    "=",
    "+",
    ";",
    "[",
    "]",
    "$(id)",
    "%41",
    "%%41",
    "%zz",
    "%2F",
    "p@ss:w/o?r#d%",
    "//evil.example/db",
    "🐘🔒",
    "日本語",
    "~-._",
    " leading and trailing ",
    "x" * 99,
    "%" * 99,
]


def built(user: str = "web", password: str | None = "secret", host: str = "pgbouncer") -> str:  # noqa: S107 a test's own
    return dsn(user=user, password=password, host=host, port=6432, database="app", application_name="web")


@pytest.mark.parametrize("password", NASTY)
def test_libpq_reads_the_password_back(password: str) -> None:
    assert conninfo_to_dict(built(password=password))["password"] == password


@pytest.mark.parametrize("password", NASTY)
def test_sqlalchemy_reads_the_password_back(password: str) -> None:
    assert make_url(built(password=password)).password == password


@pytest.mark.parametrize("user", NASTY)
def test_libpq_reads_the_user_back(user: str) -> None:
    assert conninfo_to_dict(built(user=user))["user"] == user


@pytest.mark.parametrize("user", NASTY)
def test_sqlalchemy_reads_the_user_back(user: str) -> None:
    assert make_url(built(user=user)).username == user


@pytest.mark.parametrize("nasty", NASTY)
def test_neither_user_nor_password_moves_the_host(nasty: str) -> None:
    assert conninfo_to_dict(built(user=nasty, password=nasty))["host"] == "pgbouncer"


@pytest.mark.parametrize("nasty", NASTY)
def test_the_text_has_only_characters_that_a_uri_may_have(nasty: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9%:/?&=@._~-]+", built(user=nasty, password=nasty))


def test_an_empty_password_is_an_empty_password_for_sqlalchemy() -> None:
    assert make_url(built(password="")).password == ""


def test_without_a_password_libpq_finds_none() -> None:
    assert "password" not in conninfo_to_dict(built(password=None))


def test_without_a_password_sqlalchemy_finds_none() -> None:
    assert make_url(built(password=None)).password is None


def test_without_a_password_there_is_no_colon_after_the_user() -> None:
    assert (
        built(password=None) == "postgresql://web@pgbouncer:6432/app?application_name=web&connect_timeout=5"
    )


def test_libpq_reads_every_part() -> None:
    assert conninfo_to_dict(built()) == {
        "user": "web",
        "password": "secret",
        "host": "pgbouncer",
        "port": "6432",
        "dbname": "app",
        "application_name": "web",
        "connect_timeout": "5",
    }


def test_libpq_reads_an_ipv6_host() -> None:
    assert conninfo_to_dict(built(host="fd00::5"))["host"] == "fd00::5"


def test_sqlalchemy_reads_an_ipv6_host() -> None:
    assert make_url(built(host="fd00::5")).host == "fd00::5"


# --- lanes


def test_a_service_on_the_direct_lane_keeps_the_database_host() -> None:
    found = lanes(settings(database_host="timescale_db", database_port="5433"), "web", None)
    assert found[Lane.DIRECT] == (
        "postgresql://web@timescale_db:5433/app?application_name=web&connect_timeout=5"
    )


def test_the_transaction_lane_changes_host_and_port_only() -> None:
    assert lanes(settings(alias="pool", port="6543"), "web", None)[Lane.TRANSACTION] == (
        "postgresql://web@pool:6543/app?application_name=web&connect_timeout=5"
    )


def test_the_session_lane_has_a_database_of_its_own() -> None:
    assert lanes(settings(), "web", None)[Lane.SESSION] == (
        "postgresql://web@pgbouncer:6432/app_session?application_name=web&connect_timeout=5"
    )


def test_a_service_with_its_own_entry_uses_it_on_the_transaction_lane() -> None:
    services = {"web": {"user": "x", "pool_size": 5}, "worker": {"user": "x"}}
    assert (
        conninfo_to_dict(lanes(settings(services=services), "web", None)[Lane.TRANSACTION])["dbname"] == "web"
    )


def test_the_other_service_of_a_shared_user_stays_on_the_shared_entry() -> None:
    services = {"web": {"user": "x", "pool_size": 5}, "worker": {"user": "x"}}
    assert (
        conninfo_to_dict(lanes(settings(services=services), "worker", None)[Lane.TRANSACTION])["dbname"]
        == "app"
    )


def test_a_service_with_its_own_entry_uses_the_shared_session_lane() -> None:
    found = lanes(settings(services={"web": {"pool_size": 5}}), "web", None)
    assert conninfo_to_dict(found[Lane.SESSION])["dbname"] == "app_session"


@pytest.mark.parametrize(
    ("lane", "database"),
    [(Lane.DIRECT, "billing_db"), (Lane.TRANSACTION, "billing"), (Lane.SESSION, "billing_session")],
)
def test_a_service_of_a_further_database_goes_there_on_every_lane(lane: Lane, database: str) -> None:
    databases = {"billing": {"dbname": "billing_db", "backends": 4, "session_backends": 1}}
    found = lanes(settings(databases=databases, services={"web": {"database": "billing"}}), "web", None)
    assert conninfo_to_dict(found[lane])["dbname"] == database


def test_a_database_without_a_session_lane_gives_no_dsn_for_it() -> None:
    databases = {"billing": {"backends": 4}}
    found = lanes(settings(databases=databases, services={"web": {"database": "billing"}}), "web", None)
    assert set(found) == {Lane.DIRECT, Lane.TRANSACTION}


def test_every_lane_is_there_whatever_the_route() -> None:
    found = lanes(settings(services={"web": {"route": "session"}}), "web", None)
    assert set(found) == {Lane.DIRECT, Lane.TRANSACTION, Lane.SESSION}


def test_every_lane_names_the_service_as_its_application() -> None:
    found = lanes(settings(services={"web": {"user": "app_rw"}}), "web", "x")
    assert {conninfo_to_dict(text)["application_name"] for text in found.values()} == {"web"}
