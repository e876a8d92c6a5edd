"""What `make ready` reads of a server that writes its statements to a log with fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from components.settings import Settings
from tests.integration.server import PREFIX, STACK, Server
from toolchain.dev_database import DevDatabase, literal
from views.collect import collect
from views.evidence import Evidence

pytestmark = pytest.mark.timeout(120)

PASSWORD = "logged"


@pytest.fixture(scope="module", params=["jsonlog", "csvlog"])
def logging(request: pytest.FixtureRequest, server: Server) -> Iterator[Server]:
    """A second server, on the network of the first: only a start turns the collector on."""
    container = DevDatabase(
        f"{PREFIX}logging",
        server.container.network,
        alias="logging",
        stack=STACK,
        settings={
            "fsync": "off",
            "logging_collector": "on",
            "log_destination": str(request.param),
            "log_statement": "all",
        },
    )
    container.stop()
    container.start()
    try:
        container.sql(
            f"ALTER ROLE postgres PASSWORD {literal(PASSWORD)}; CREATE ROLE app LOGIN PASSWORD {literal(PASSWORD)};"
        )
        yield replace(server, container=container, admin_password=PASSWORD)
    finally:
        container.stop()


def run(server: Server, application: str, *statements: str) -> None:
    dsn = f"host={server.host} user=app password={PASSWORD} dbname={server.container.database}"
    with psycopg.connect(dsn, autocommit=True, application_name=application) as connection:
        for statement in statements:
            connection.execute(statement)


def shared(server: Server) -> Settings:
    return server.settings({"svc": {"user": "app"}, "other": {"user": "app"}})


def seen(evidence: Evidence) -> set[str]:
    return {
        finding.shown
        for source in evidence.recorded
        for one in source.statements
        for finding in one.findings or ()
    }


def test_the_log_tells_services_with_the_same_role_apart(logging: Server) -> None:
    run(logging, "svc", "LISTEN orders", "SET work_mem = '1MB'")
    run(logging, "other", "LISTEN mails")
    assert seen(collect(shared(logging), "svc", frozenset())) == {"LISTEN orders", "SET work_mem"}


def test_a_log_is_enough_without_pg_stat_statements(logging: Server) -> None:
    found = collect(shared(logging), "svc", frozenset())
    assert [source for source, _ in found.missing] == ["pg_stat_statements"]


def test_statements_with_many_lines_and_quotes_are_read(logging: Server) -> None:
    run(logging, "svc", 'LISTEN\n"a ""b"""')
    assert 'LISTEN a "b"' in seen(collect(shared(logging), "svc", frozenset()))
