"""The Python drivers behind a real PgBouncer, each with nothing but its DSN, as a user of the worst characters."""

from __future__ import annotations

from contextlib import closing

import dj_database_url
import django.db  # type: ignore[import-untyped]  # has no types
import psycopg
import pytest
from django.db.utils import ConnectionHandler  # type: ignore[import-untyped]  # has no types

from components.drivers import Driver
from components.dsn import dsn
from components.settings import Lane
from tests.integration.bouncer import Process
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Server
from tests.python_drivers import ASK, TIMES

pytestmark = pytest.mark.timeout(120)

NASTY = "@:/?#%'\" \\ü;=&+$"
USER, PASSWORD = f"dialect{NASTY}", f"secret{NASTY}"
ENTRIES = {Lane.TRANSACTION: NAMES.transaction_entry, Lane.SESSION: NAMES.session_entry}


@pytest.fixture(scope="module")
def process(deploy_for_module: Deploy, server: Server) -> Process:
    server.add_service(USER, PASSWORD)
    return deploy_for_module(server.settings({"web": {"user": USER, "route": "transaction"}})).up()


def written(process: Process, driver: Driver, lane: Lane) -> str:
    return dsn(
        user=USER,
        password=PASSWORD,
        host=process.address,
        port=6432,
        database=ENTRIES[lane],
        application_name="web",
        driver=driver,
        lane=lane,
    )


@pytest.mark.parametrize("lane", ENTRIES)
@pytest.mark.parametrize("driver", ASK)
def test_the_driver_logs_in_and_queries_with_its_dsn_alone(
    process: Process, driver: Driver, lane: Lane
) -> None:
    application = "" if driver is Driver.SQLALCHEMY_ASYNCPG else "web"
    assert ASK[driver](written(process, driver, lane)) == [(USER, application, n) for n in range(TIMES)]


def read_in_chunks(process: Process, *, disable_server_side_cursors: bool) -> list[int]:
    """What Django's `.iterator()` does outside a transaction, while another client takes the backend of its start."""
    found = written(process, Driver.DJANGO, Lane.TRANSACTION)
    parsed = dj_database_url.parse(found, disable_server_side_cursors=disable_server_side_cursors)
    connection = ConnectionHandler({"default": parsed})["default"]
    with closing(connection), psycopg.connect(written(process, Driver.PSYCOPG, Lane.TRANSACTION)) as other:
        chunked = connection.cursor if disable_server_side_cursors else connection.chunked_cursor
        with chunked() as cursor:
            cursor.execute("SELECT n FROM pg_catalog.generate_series(1, 5) AS n")
            first = cursor.fetchmany(2)
            other.execute("SELECT 1")
            return [row[0] for row in first + cursor.fetchmany(5)]


def test_the_server_side_cursors_of_django_break_on_the_transaction_lane(process: Process) -> None:
    with pytest.raises(django.db.Error, match=r'cursor ".*" does not exist'):
        read_in_chunks(process, disable_server_side_cursors=False)


def test_without_them_django_reads_to_the_end(process: Process) -> None:
    assert read_in_chunks(process, disable_server_side_cursors=True) == [1, 2, 3, 4, 5]
