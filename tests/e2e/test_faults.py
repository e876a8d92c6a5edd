"""Faults of the database and the pooler, judged by a ledger: nothing acknowledged is lost, and work flows again soon.

Limits of time are two to three times what an idle machine shows: these tests judge recovery, not speed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.ledger import Ledger, written
from tests.e2e.test_cap import held
from toolchain.engine import docker
from toolchain.processes import as_root, capture

pytestmark = pytest.mark.alone

CLIENTS = 8


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update, with a short wait for a backend."""
    deployment.up({"settings": {"query_wait_timeout": 5}})
    return deployment


@contextmanager
def load(up: Deployment, label: str) -> Iterator[Ledger]:
    """Eight writers of eight users on the transaction lane; the ledger and the pools are checked afterwards."""
    dsns = [up.lane(f"service_{number}", "transaction") for number in range(1, 9)]
    turns = iter(range(1_000_000))
    with written(up, lambda: dsns[next(turns) % 8], CLIENTS, label) as ledger:
        time.sleep(1)
        yield ledger
        time.sleep(1)
    ledger.check(up)
    end = time.monotonic() + 5
    while any(row["cl_waiting"] != "0" or row["sv_active"] != "0" for row in pools(up)):
        assert time.monotonic() < end, pools(up)
        time.sleep(0.2)


def pools(up: Deployment) -> list[dict[str, str]]:
    return [row for row in up.console("SHOW POOLS") if row["database"] != "pgbouncer"]


def test_an_unplanned_restart_of_the_database(up: Deployment) -> None:
    with load(up, "restart") as ledger:
        docker("restart", up.database.name)
        up.database.wait()
        ready = time.monotonic()
        time.sleep(4)
    print(f"database restarted: flows {ledger.flows_again_after(ready):.2f} s after it accepts")
    assert ledger.flows_again_after(ready) < 6


def test_a_database_that_is_down_for_eight_seconds_gives_clear_errors_and_comes_back(up: Deployment) -> None:
    with load(up, "down") as ledger:
        docker("stop", up.database.name)
        time.sleep(8)
        docker("start", up.database.name)
        up.database.wait()
        ready = time.monotonic()
        time.sleep(4)
    print(f"database down 8 s: flows {ledger.flows_again_after(ready):.2f} s after it accepts")
    assert ledger.flows_again_after(ready) < 6
    unclear = [text for text in ledger.errors() if not any(word in text for word in CLEAR)]
    assert unclear == []


CLEAR = (
    "query_wait_timeout",
    "server login has been failing",
    "terminating connection due to administrator command",
    "server conn crashed",
    "server connection closed",
    "server closed the connection unexpectedly",
    "the database system is",
    "connect failed",
    "server login failed",
    "server DNS lookup failed",
    "DNS lookup failed",
    "bouncer config error",
    "timeout expired",
)


def test_a_replaced_pooler_finds_a_database_that_moved_while_a_stranger_sits_on_its_old_address(
    up: Deployment,
) -> None:
    """The resolver of PgBouncer's own keeps an address as long as Docker's DNS says, ten minutes."""
    stranger = replace(
        up.database, name=f"{up.stack}-stranger", alias="stranger", settings={"log_connections": "on"}
    )
    before = up.database.address()
    docker("stop", up.database.name)
    stranger.start()
    taken = stranger.address()
    docker("start", up.database.name)
    up.database.wait()
    pooler = next(
        resource["urn"] for resource in up.state() if resource["urn"].endswith("::pgbouncer-pooler")
    )
    up.up({"admin_host": up.database.address()[0]}, arguments=[f"--replace={pooler}"])
    serves = works(up.lane("service_1", "transaction"))
    log = docker("logs", stranger.name)
    stranger.stop()
    assert taken == before, "the stranger did not get the old address: this shows nothing"
    assert serves
    assert "connection authorized: user=" not in log.replace("user=postgres", "")


def test_a_database_whose_packets_are_dropped_gives_errors_in_time_and_comes_back(up: Deployment) -> None:
    pid = docker("container", "inspect", "--format={{.State.Pid}}", up.database.name).strip()
    drop = [
        "nsenter",
        "-t",
        pid,
        "-n",
        "iptables",
        "-w",
        "{}",
        "INPUT",
        "-p",
        "tcp",
        "--dport",
        "5432",
        "-j",
        "DROP",
    ]
    with load(up, "dropped") as ledger:
        capture(as_root([word.format("-I") for word in drop]))
        began = time.monotonic()
        time.sleep(12)
        capture(as_root([word.format("-D") for word in drop]))
        ready = time.monotonic()
        time.sleep(6)
    first = min(at for client in ledger.clients for at, _ in client.errors if at > began) - began
    print(
        f"packets dropped: first error after {first:.1f} s, flows {ledger.flows_again_after(ready):.2f} s after"
    )
    assert first < 5 + 1 + 5  # query_wait_timeout, and a busy machine
    assert ledger.flows_again_after(ready) < 6


def test_a_full_database_does_not_touch_a_warm_pool(up: Deployment) -> None:
    with load(up, "full") as ledger:
        warm = time.monotonic()
        with held(up.lane("webhook_receiver", "direct"), 110) as everything:
            refused = [one for one in everything if isinstance(one, str)]
            time.sleep(3)
    assert any("too many clients already" in reason for reason in refused), "the database was not full"
    assert [text for client in ledger.clients for at, text in client.errors if at > warm] == []


def test_a_cold_pool_opens_once_a_full_database_has_room(up: Deployment) -> None:
    up.console("RECONNECT")
    with held(up.lane("webhook_receiver", "direct"), 110):
        docker("exec", up.poolers()[0], "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")
        time.sleep(1)
    room = time.monotonic()
    while not works(up.lane("service_1", "transaction")):  # a restarted container may have another address
        assert time.monotonic() - room < 8
        time.sleep(0.1)
    print(f"cold pool: works {time.monotonic() - room:.2f} s after there is room")


def works(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=3) as client:
            return client.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_killed_pooler_process_costs_each_client_one_connection(up: Deployment) -> None:
    with load(up, "killed") as ledger:
        docker("exec", up.poolers()[0], "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")
        killed = time.monotonic()
        time.sleep(5)
    lost = [
        [text for at, text in client.errors if at > killed - 1 and "refused" not in text]
        for client in ledger.clients
    ]
    print(f"pooler killed: flows {ledger.flows_again_after(killed):.2f} s after the kill")
    assert max(map(len, lost)) <= 1, lost
    assert ledger.flows_again_after(killed) < 5


def test_a_thousand_logins_at_once_all_get_in(up: Deployment) -> None:
    dsn = up.lane("service_3", "transaction")
    began = time.monotonic()
    with held(dsn, 1000) as clients:
        seconds = time.monotonic() - began
        refused = [one for one in clients if isinstance(one, str)]
        status = docker(
            "exec",
            up.poolers()[0],
            "sh",
            "-c",
            "grep VmRSS /proc/$(echo $(cat /proc/1/task/1/children))/status",
        )
    resident = int(status.split()[1]) // 1024
    print(f"1,000 logins: {seconds:.1f} s, {resident} MiB resident")
    assert refused == []
    assert resident <= 64
