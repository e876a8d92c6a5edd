"""`make db-maintenance` on a running stack: who waits, who is ended, and that everybody goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psycopg
import pytest

from tests.e2e.deployment import PROJECT, Deployment
from tests.e2e.load import busy

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


def started(up: Deployment, command: str, options: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "toolchain",
            "db-maintenance",
            f"--stack={up.stack}",
            f"--cmd={command}",
            *options,
        ],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def maintained(up: Deployment, command: str, options: Sequence[str] = ()) -> tuple[int, str]:
    """Exit code and output."""
    process = started(up, command, options)
    said = process.communicate(timeout=120)[0]
    return process.returncode, said


def paused(up: Deployment) -> list[str]:
    return [row["name"] for row in up.console("SHOW DATABASES") if row["paused"] == "1"]


def wait_timeout(up: Deployment) -> str:
    return next(row["value"] for row in up.console("SHOW CONFIG") if row["key"] == "query_wait_timeout")


def test_a_restart_of_the_database_fails_nothing_on_the_transaction_lane(up: Deployment) -> None:
    dsns = [up.lane(f"service_{number}", "transaction") for number in range(1, 9)]
    turns = iter(range(1_000_000))
    with busy(lambda: dsns[next(turns) % 8], 8) as report:
        time.sleep(1)
        status, said = maintained(up, f"docker restart {up.database.name}")
        time.sleep(2)
    print(f"database restarted under maintenance: {report.transactions} transactions, "
          f"longest stall {report.longest_stall:.2f} s")  # fmt: skip
    assert (status, report.cut, report.closed_between, report.refused) == (0, [], [], []), said


def test_a_login_during_the_pause_waits_and_gets_in(up: Deployment) -> None:
    dsn = up.lane("service_1", "transaction")
    process = started(up, "sleep 4")
    wait_until_paused(up)
    with psycopg.connect(dsn, connect_timeout=20) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
    assert process.wait(timeout=30) == 0


def test_clients_of_the_session_lane_are_ended_after_the_grace(up: Deployment) -> None:
    with psycopg.connect(up.lane("grafana", "session"), autocommit=True) as client:
        client.execute("SELECT 1")
        status, said = maintained(up, "true", ["--grace=1"])
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    assert status == 0
    assert "ending 1 clients of the session lane tracksolid_db_session after 1 s" in said


def test_a_command_that_fails_lets_clients_go_on(up: Deployment) -> None:
    status, said = maintained(up, "exit 7", ["--grace=0"])
    assert (status, said.splitlines()[-1]) == (1, "error: the command failed (exit code 7); clients go on")
    assert paused(up) == []


def test_a_transaction_that_does_not_end_stops_it_before_the_command_runs(up: Deployment) -> None:
    with psycopg.connect(up.lane("service_1", "transaction")) as client:
        client.execute("SELECT 1")
        status, said = maintained(up, "echo has-run", ["--pause=2", "--grace=0"])
        assert client.execute("SELECT 2").fetchone() == (2,)
    assert status == 1
    assert "a transaction on tracksolid_db did not end within 2 s; nothing was run, clients go on" in said
    assert "has-run" not in said
    assert paused(up) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_between_lets_clients_go_on(up: Deployment, number: signal.Signals) -> None:
    process = started(up, "sleep 30", ["--grace=0"])
    wait_until_paused(up)
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert paused(up) == []


def test_after_a_kill_the_command_that_it_names_lets_clients_go_on(up: Deployment) -> None:
    process = started(up, "sleep 30", ["--grace=0"])
    wait_until_paused(up)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert paused(up) != []
    assert maintained(up, "true", ["--grace=0"])[0] == 0
    assert (paused(up), wait_timeout(up)) == ([], "20")


def test_a_stack_without_a_pooler_is_named() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "toolchain", "db-maintenance", "--stack=test-none", "--cmd=true"],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout + ended.stderr) == (
        1,
        "error: stack test-none has no running pooler on this engine; without one there is nobody to hold back\n",
    )


def test_an_empty_command_is_refused(up: Deployment) -> None:
    status, said = maintained(up, " ")
    assert (status, said) == (
        1,
        'error: CMD: is empty; name the command, like CMD="docker restart timescale_db"\n',
    )


def wait_until_paused(up: Deployment) -> None:
    end = time.monotonic() + 20
    while len(paused(up)) < len([row for row in up.console("SHOW DATABASES") if row["name"] != "pgbouncer"]):
        assert time.monotonic() < end, "nothing was paused"
        time.sleep(0.1)
