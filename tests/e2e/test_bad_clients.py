"""Clients that read too slowly or vanish without a word: what the others and the server notice."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg import pq

from tests.e2e.deployment import Deployment
from tests.e2e.load import busy
from toolchain.engine import docker

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


def resident_mib(up: Deployment) -> int:
    script = "grep VmRSS /proc/$(echo $(cat /proc/1/task/1/children))/status"
    return int(docker("exec", up.poolers()[0], "sh", "-c", script).split()[1]) // 1024


def test_a_slow_reader_of_a_large_result_neither_fills_the_pooler_nor_slows_the_others(
    up: Deployment,
) -> None:
    reader = pq.PGconn.connect(up.lane("service_1", "transaction").encode())
    reader.send_query(b"SELECT pg_catalog.repeat('x', 1048576) FROM pg_catalog.generate_series(1, 200)")
    reader.set_single_row_mode()
    assert reader.get_result() is not None
    others = up.lane("service_2", "transaction")
    with busy(lambda: others, 1) as report:
        time.sleep(5)
    resident = resident_mib(up)
    reader.finish()
    print(f"slow reader of 200 MB: the others' longest stall {report.longest_stall * 1000:.0f} ms, "
          f"{resident} MiB resident")  # fmt: skip
    assert (report.cut, report.refused) == ([], [])
    assert report.longest_stall < 2.5  # a pooler that waits for the reader stalls all five seconds
    assert resident <= 64


def test_a_client_that_vanishes_in_a_transaction_gives_its_backend_back_and_leaves_nothing(
    up: Deployment,
) -> None:
    up.database.sql("CREATE TABLE vanished (id int); GRANT INSERT ON vanished TO user_3;")
    dsn = up.outputs()["lanes"]["service_3"]["transaction"]
    client = docker(
        "run", "--detach", f"--label=pgbouncer-stack.stack={up.stack}", f"--network={up.database.network}",
        f"--env=DSN={dsn}", "--entrypoint=/bin/sh", up.config["image"], "-c",
        '(echo "BEGIN; INSERT INTO vanished VALUES (1);"; sleep 600) | psql -X "$DSN"',
    ).strip()  # fmt: skip
    try:
        wait_until(lambda: len(held_by(up, "user_3")) == 1, 15)
        docker("network", "disconnect", "--force", up.database.network, client)
        began = time.monotonic()
        wait_until(lambda: held_by(up, "user_3") == [], 100)
    finally:
        docker("rm", "--force", client)
    print(f"vanished client: its backend was free after {time.monotonic() - began:.0f} s")
    assert up.database.sql("SELECT count(*) FROM vanished;").strip() == "0"


def held_by(up: Deployment, user: str) -> list[dict[str, str]]:
    return [row for row in up.console("SHOW SERVERS") if row["user"] == user and row["state"] == "active"]


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.5)


def test_a_client_that_never_reads_its_answer_is_freed_when_it_closes(up: Deployment) -> None:
    reader = pq.PGconn.connect(up.lane("service_4", "transaction").encode())
    reader.send_query(b"SELECT pg_catalog.repeat('x', 1048576) FROM pg_catalog.generate_series(1, 100)")
    wait_until(lambda: len(held_by(up, "user_4")) == 1, 10)
    reader.finish()
    wait_until(lambda: held_by(up, "user_4") == [], 10)
    with psycopg.connect(up.lane("service_4", "transaction")) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
