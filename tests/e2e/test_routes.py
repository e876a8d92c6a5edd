"""A whole stack with two databases, entries of their own, and limits and defaults of services."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.e2e.deployment import Deployment

SERVICES: dict[str, dict[str, object]] = {
    "hasty": {"user": "user_1", "route": "transaction", "pool_size": 1, "query_wait_timeout": 2},
    "patient": {"user": "user_2", "route": "transaction", "pool_size": 1, "query_wait_timeout": 6},
    "invoices": {"user": "user_3", "route": "session", "database": "billing"},
    "analytics_mcp": {
        "user": "analytics_ro",
        "route": "transaction",
        "read_only": True,
        "statement_timeout": 30,
    },
}


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.database.sql("CREATE DATABASE billing_db;")
    deployment.up(
        {
            "services": deployment.config["services"] | SERVICES,
            "databases": {"billing": {"dbname": "billing_db", "backends": 2, "session_backends": 1}},
            "max_backends": 30,
        }
    )
    return deployment


def test_a_second_preview_is_empty(up: Deployment) -> None:
    up.pulumi("preview", "--expect-no-changes")


@pytest.mark.parametrize(
    ("lane", "database"), [("direct", "billing_db"), ("transaction", "billing_db"), ("session", "billing_db")]
)
def test_every_lane_of_a_further_database_leads_there(up: Deployment, lane: str, database: str) -> None:
    with psycopg.connect(up.lane("invoices", lane)) as client:
        assert client.execute("SELECT pg_catalog.current_database()::text").fetchone() == (database,)


@pytest.mark.parametrize("database", ["tracksolid_db", "billing_db"])
def test_the_check_interval_is_a_setting_of_every_database(up: Deployment, database: str) -> None:
    assert up.database.sql("SHOW client_connection_check_interval;", database=database).strip() == "20ms"


@pytest.mark.parametrize("lane", ["direct", "transaction", "session"])
def test_analytics_ro_reads_only_and_ends_long_statements_on_each_lane(up: Deployment, lane: str) -> None:
    with psycopg.connect(up.lane("analytics_mcp", lane), autocommit=True) as client:
        assert client.execute("SHOW statement_timeout").fetchone() == ("30s",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("CREATE TABLE not_by_a_reader (id int)")


def waited(dsn: str) -> float:
    """Seconds until a second client of a pool of one is told that it waited too long."""
    with psycopg.connect(dsn, autocommit=True) as holder, psycopg.connect(dsn, autocommit=True) as other:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
            other.execute("SELECT 1")
        return time.monotonic() - began


def test_each_service_waits_as_long_as_it_says(up: Deployment) -> None:
    dsns = [up.lane(name, "transaction") for name in ("hasty", "patient")]
    with ThreadPoolExecutor(2) as both:
        hasty, patient = both.map(waited, dsns)
    print(f"query_wait_timeout 2 s: {hasty:.1f} s, 6 s: {patient:.1f} s")
    assert patient >= 5
    assert hasty < patient


def test_changed_limits_and_defaults_reload_in_the_same_container(up: Deployment) -> None:
    before = up.poolers()
    changed = up.config["services"] | {
        "hasty": SERVICES["hasty"] | {"max_clients": 7},
        "analytics_mcp": SERVICES["analytics_mcp"] | {"statement_timeout": 20},
    }
    with psycopg.connect(up.lane("analytics_mcp", "transaction"), autocommit=True) as client:
        client.execute("SELECT 1")
        up.up({"services": changed})
        assert client.execute("SHOW statement_timeout").fetchone() == ("20s",)
    assert up.poolers() == before
    limits = {row["name"]: row["max_client_connections"] for row in up.console("SHOW DATABASES")}
    assert limits["hasty"] == "7"
    up.pulumi("preview", "--expect-no-changes")


def test_a_database_that_is_not_there_stops_an_update_before_anything_is_touched(up: Deployment) -> None:
    declared = up.config["databases"]
    said = up.failed_up({"databases": declared | {"typo": {"backends": 1}}})
    up.write_config({"databases": declared})
    assert "databases.typo.dbname: typo does not exist on the server; create it or correct the name" in said


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (
            {"driver": "psycopg4"},
            'services.invoices.driver: "psycopg4" is not known; use libpq, libpq_keywords, psycopg2, psycopg, asyncpg, '
            "sqlalchemy_psycopg2, sqlalchemy_psycopg, sqlalchemy_asyncpg, django, node_postgres, postgres_js, prisma, "
            "jdbc, pgx, lib_pq, sqlx, tokio_postgres or npgsql",
        ),
        (
            {"route": "transaction", "needs": ["listen"]},
            "services.invoices.route: transaction cannot give listen (a notification comes to the backend that ran "
            "LISTEN, not to the client); use session or direct",
        ),
        (
            {"route": "session", "database": "reports"},
            "services.invoices.route: database reports has no session lane; "
            "set databases.reports.session_backends, or use direct or transaction",
        ),
    ],
)
def test_a_preview_of_what_cannot_be_fails_with_one_line(
    up: Deployment, service: dict[str, object], line: str
) -> None:
    good = {key: up.config[key] for key in ("services", "databases")}
    up.write_config(
        {
            "services": good["services"] | {"invoices": SERVICES["invoices"] | service},
            "databases": good["databases"] | {"reports": {"dbname": "postgres", "backends": 1}},
        }
    )
    ended = up.pulumi("preview", check=False)
    up.write_config(good)
    assert ended.returncode != 0
    diagnostics = ended.stdout.split("Diagnostics:\n")[1].splitlines()
    assert [said.strip() for said in diagnostics if "services." in said] == [line]


def test_the_dsn_of_a_service_is_written_in_the_dialect_of_its_driver(up: Deployment) -> None:
    services = up.config["services"]
    changed = services | {"invoices": SERVICES["invoices"] | {"driver": "libpq_keywords"}}
    up.up({"services": changed})
    dsn = up.outputs()["invoices_dsn"]
    up.write_config({"services": services})
    assert dsn.startswith(
        "host=pgbouncer port=6432 dbname=billing_session user=user_3 password=user-sentinel-30 "
    )
    with psycopg.connect(up.reachable(dsn)) as client:
        assert client.execute("SELECT pg_catalog.current_database()::text").fetchone() == ("billing_db",)
