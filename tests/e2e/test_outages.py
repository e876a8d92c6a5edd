"""Outages that last, servers that hang, and loads at the edge of what a pooler of 64 MB holds."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.ledger import written
from tests.e2e.load import busy
from tests.e2e.test_bad_clients import resident_mib
from tests.e2e.test_cap import held
from tests.e2e.test_faults import CLEAR, works
from toolchain.engine import docker

OUTAGE_SECONDS = 30
QUERY_TIMEOUT_SECONDS = 4

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update; clients may wait longer than the outage lasts."""
    deployment.up(
        {
            "settings": {"query_wait_timeout": 2 * OUTAGE_SECONDS},
            "limits": {"max_client_conn": 2100},
        }
    )
    return deployment


def outage(up: Deployment) -> None:
    docker("stop", up.database.name)
    time.sleep(OUTAGE_SECONDS)
    docker("start", up.database.name)
    up.database.wait()


def test_a_query_sent_while_the_database_is_down_for_30_seconds_waits_and_is_served(up: Deployment) -> None:
    answers: list[object] = []
    with psycopg.connect(up.lane("service_1", "transaction"), autocommit=True) as client:
        client.execute("SELECT 1")

        def ask() -> None:
            time.sleep(5)
            answers.append(client.execute("SELECT 'served'").fetchone())

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        outage(up)
        ready = time.monotonic()
        asking.join(30)
    print(f"query of a database down 30 s: answered {time.monotonic() - ready:.2f} s after it accepts")
    assert answers == [("served",)]


def test_a_database_down_for_30_seconds_loses_no_commit_and_every_error_is_clear(up: Deployment) -> None:
    dsns = [up.lane(f"service_{number}", "transaction") for number in range(1, 9)]
    turns = iter(range(1_000_000))
    with written(up, lambda: dsns[next(turns) % 8], 8, "long") as ledger:
        time.sleep(1)
        outage(up)
        ready = time.monotonic()
        time.sleep(8)
    ledger.check(up)
    print(f"database down 30 s: flows {ledger.flows_again_after(ready):.2f} s after it accepts")
    assert [text for text in ledger.errors() if not any(word in text for word in CLEAR)] == []
    assert ledger.flows_again_after(ready) < 8


def test_a_database_that_hangs_for_ten_seconds_fails_nobody_who_waits(up: Deployment) -> None:
    """A paused container still acknowledges packets: only a time limit of the stack or the client ends the wait."""
    dsns = [up.lane(f"service_{number}", "transaction") for number in range(1, 5)]
    turns = iter(range(1_000_000))
    with written(up, lambda: dsns[next(turns) % 4], 4, "hung") as ledger:
        time.sleep(1)
        docker("pause", up.database.name)
        try:
            time.sleep(10)
        finally:
            docker("unpause", up.database.name)
        ready = time.monotonic()
        time.sleep(6)
    ledger.check(up)
    print(
        f"database hung 10 s: {len(ledger.errors())} errors, flows {ledger.flows_again_after(ready):.2f} s after"
    )
    assert ledger.errors() == []


def test_2000_logins_at_once_all_get_in(up: Deployment) -> None:
    began = time.monotonic()
    with held(up.lane("service_3", "transaction"), 2000) as clients:
        seconds = time.monotonic() - began
        refused = [one for one in clients if isinstance(one, str)]
        resident = resident_mib(up)
    print(f"2,000 logins: {seconds:.1f} s, {resident} MiB resident")
    assert refused == []
    assert resident <= 64


def test_a_statement_of_64_megabytes_passes_and_neither_fills_the_pooler_nor_slows_the_others(
    up: Deployment,
) -> None:
    others = up.lane("service_2", "transaction")
    statement = "SELECT pg_catalog.length('" + "x" * (64 << 20) + "')"
    with busy(lambda: others, 1) as report, psycopg.connect(up.lane("service_1", "transaction")) as client:
        time.sleep(1)
        found = client.execute(statement.encode()).fetchone()
        resident = resident_mib(up)
    print(
        f"statement of 64 MB: the others' longest stall {report.longest_stall * 1000:.0f} ms, {resident} MiB resident"
    )
    assert found == (64 << 20,)
    assert (report.cut, report.refused) == ([], [])
    assert resident <= 64


def test_a_statement_on_a_database_that_hangs_ends_with_query_timeout(up: Deployment) -> None:
    up.up({"settings": {"query_wait_timeout": 5, "query_timeout": QUERY_TIMEOUT_SECONDS}})
    with psycopg.connect(up.lane("service_5", "transaction"), autocommit=True) as client:
        client.execute("SELECT 1")
        docker("pause", up.database.name)
        try:
            began = time.monotonic()
            with pytest.raises(psycopg.OperationalError, match="query timeout"):
                client.execute("SELECT 1")
            seconds = time.monotonic() - began
        finally:
            docker("unpause", up.database.name)
    print(f"statement on a database that hangs: an error after {seconds:.1f} s of {QUERY_TIMEOUT_SECONDS}")
    assert seconds < QUERY_TIMEOUT_SECONDS + 4


@pytest.mark.parametrize("first", ["database", "pooler"])
def test_containers_that_start_in_any_order_serve_without_help(up: Deployment, first: str) -> None:
    """As after a reboot; who starts first may get the address that the other one had. Last, for that reason."""
    [pooler] = up.poolers()
    docker("kill", pooler, up.database.name)
    order = [up.database.name, pooler] if first == "database" else [pooler, up.database.name]
    docker("start", order[0])
    time.sleep(3)
    docker("start", order[1])
    up.database.wait()
    ready = time.monotonic()
    while not works(up.lane("service_1", "transaction")):
        assert time.monotonic() - ready < 15
        time.sleep(0.1)
    print(f"{first} started first: serves {time.monotonic() - ready:.2f} s after the database accepts")
