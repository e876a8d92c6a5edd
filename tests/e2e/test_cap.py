"""The failure that this project exists for, and the cap that holds in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import pq

from tests.e2e.deployment import Deployment
from tests.e2e.load import backends_of, busy

pytestmark = pytest.mark.alone

CAP = 25


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


@pytest.fixture(scope="module")
def one_busy_user(up: Deployment) -> Deployment:
    """The same stack when one user alone shares the transaction lane, so that its pool is as large as it gets."""
    services = {name: dict(body) for name, body in up.config["services"].items()}
    for name, body in services.items():
        if name not in ("webhook_receiver", "reporter"):
            body["route"] = "direct"
            body["direct_connections"] = 1
    up.up({"services": services})
    return up


@contextmanager
def held(dsn: str, clients: int) -> Iterator[list[psycopg.Connection[tuple[object, ...]] | str]]:
    """Connections that stay open together, or the reason why the server refused one."""

    def connect(_: int) -> psycopg.Connection[tuple[object, ...]] | str:
        try:
            return psycopg.connect(dsn, connect_timeout=10, autocommit=True)
        except psycopg.OperationalError as refused:
            return str(refused)

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(connect, range(clients)))
    try:
        yield found
    finally:
        for connection in found:
            if not isinstance(connection, str):
                connection.close()


def direct(deployment: Deployment) -> str:
    return deployment.lane("webhook_receiver", "direct")


def test_120_direct_clients_meet_the_failure_that_this_project_exists_for(up: Deployment) -> None:
    with held(direct(up), 120) as clients:
        refused = [client for client in clients if isinstance(client, str)]
    assert any("too many clients already" in reason for reason in refused)


def test_300_pooled_clients_all_run_their_queries(up: Deployment) -> None:
    lanes = up.outputs()["lanes"]
    dsns = [up.reachable(lanes[f"service_{number}"]["transaction"]) for number in range(1, 9)]
    with (
        backends_of(direct(up), lambda: [up.address(up.poolers()[0])]) as samples,
        held(dsns[0], 150) as first,
        held(up.reachable(lanes["webhook_receiver"]["transaction"]), 150) as second,
    ):
        answers = [
            client.execute("SELECT 1").fetchone() if not isinstance(client, str) else client
            for client in first + second
        ]
    assert answers == [(1,)] * 300
    assert 1 <= max(samples) <= CAP, f"peak of {max(samples)} backends"


def test_eight_busy_users_at_once_stay_under_the_cap(up: Deployment) -> None:
    lanes = up.outputs()["lanes"]
    dsns = [up.reachable(lanes[f"service_{number}"]["transaction"]) for number in range(1, 9)]
    turns = iter(range(10_000))
    with (
        backends_of(direct(up), lambda: [up.address(up.poolers()[0])]) as samples,
        busy(lambda: dsns[next(turns) % 8], 80) as report,
    ):
        time.sleep(6)
    print(f"8 users x 10 clients: {report.transactions} transactions, peak {max(samples)} backends")
    assert (report.cut, report.refused) == ([], [])
    assert max(samples) <= CAP


def test_clients_killed_in_mid_query_eight_times_a_second_do_not_break_the_cap(
    one_busy_user: Deployment,
) -> None:
    up = one_busy_user
    dsn = up.lane("webhook_receiver", "transaction")
    stop = threading.Event()

    def abandon() -> None:
        connection = pq.PGconn.connect(dsn.encode())
        connection.send_query(b"SELECT pg_catalog.pg_sleep(20)")
        time.sleep(0.3)
        connection.finish()  # closes the socket while the query runs

    def keep_abandoning() -> None:
        with ThreadPoolExecutor(16) as pool:
            while not stop.is_set():
                pool.submit(abandon)
                time.sleep(0.125)

    killer = threading.Thread(target=keep_abandoning, daemon=True)
    with backends_of(direct(up), lambda: [up.address(up.poolers()[0])]) as samples:
        killer.start()
        try:
            with busy(lambda: dsn, 30):
                time.sleep(8)
        finally:
            stop.set()
            killer.join(60)
    assert max(samples) >= 16, "the load did not fill the pool"
    print(f"8 kills a second for 8 s: peak {max(samples)} backends, cap {CAP}")
    assert max(samples) <= CAP


def test_a_client_that_resets_its_session_leaves_the_check_interval_in_force(up: Deployment) -> None:
    with psycopg.connect(up.lane("webhook_receiver", "transaction"), autocommit=True) as client:
        client.execute("RESET ALL")
        assert client.execute("SHOW client_connection_check_interval").fetchone() == ("20ms",)
