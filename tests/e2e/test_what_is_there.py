"""A server that holds objects already: made by hand and in use, or left over from a lost state."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.conftest import PASSWORDS, make_deployment, prepared
from tests.e2e.deployment import PROJECT, Deployment
from tests.e2e.load import busy
from toolchain.engine import docker

BY_HAND = """
CREATE ROLE pgbouncer_auth LOGIN PASSWORD 'made-by-hand';
CREATE SCHEMA pgbouncer;
CREATE FUNCTION pgbouncer.user_lookup(i_username text, OUT uname text, OUT phash text)
    RETURNS record LANGUAGE sql SECURITY DEFINER
    AS 'SELECT usename, passwd FROM pg_shadow WHERE usename = i_username';
"""


@pytest.fixture
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A database and a stack that is not up yet."""
    yield from prepared(make_deployment("test-there", tmp_path_factory.mktemp("there")))


def logs_in(up: Deployment) -> bool:
    with psycopg.connect(up.lane("webhook_receiver", "transaction")) as client:
        return client.execute("SELECT current_user::text").fetchone() == ("postgres",)


def test_a_deployment_by_hand_stops_an_update_that_says_how_to_come_up_beside_it(
    deployment: Deployment,
) -> None:
    deployment.database.sql(BY_HAND)
    said = deployment.failed_up()
    assert (
        'name: schema "pgbouncer" is already there and not in this stack\'s state. Made by hand or by another stack? '
        "Give this one a name of its own beside it: `pulumi config set name pgbouncer_pulumi`, move the services over, "
        "then drop the old objects. Left over from a lost state? See 'Adopt what is there' in README.md"
    ) in " ".join(said.split())
    assert deployment.containers() == []

    deployment.up({"name": "pooler", "alias": "pooler"})
    assert logs_in(deployment)
    found = deployment.database.sql(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pgbouncer'::regnamespace;"
    )
    assert "user_lookup" in found, "what was made by hand is untouched"


def test_after_a_lost_state_the_statements_of_the_readme_clear_the_way(deployment: Deployment) -> None:
    deployment.up()
    deployment.pulumi("stack", "export", "--file", "kept.json")
    deployment.pulumi("stack", "rm", "--force", "--yes", "--preserve-config")
    deployment.pulumi("stack", "init", deployment.stack)
    for container in deployment.poolers():
        docker("stop", container)
    assert "is already there and not in this stack" in " ".join(deployment.failed_up().split())

    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    [statements] = re.findall(r"```sql\n(.*?)```", readme, re.DOTALL)
    deployment.database.sql(statements)
    deployment.up()
    assert logs_in(deployment)


BY_HAND_INI = """[databases]
* = host=timescale_db port=5432
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /tmp/userlist.txt
auth_user = pgbouncer_auth
auth_query = SELECT uname, phash FROM pgbouncer.user_lookup($1)
pool_mode = transaction
default_pool_size = 10
"""


@pytest.fixture
def by_hand(deployment: Deployment) -> Iterator[str]:
    """A working PgBouncer as compose files start it: plaintext userlist, wildcard entry, alias pgbouncer."""
    deployment.database.sql(BY_HAND + "GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer_auth;")
    name = f"{deployment.stack}-by-hand"
    script = 'printf %s "$INI" >/tmp/p.ini; printf %s "$USERS" >/tmp/userlist.txt; exec pgbouncer /tmp/p.ini'
    docker(
        "run", "--detach", "--restart=unless-stopped", f"--name={name}", "--network-alias=pgbouncer",
        f"--network={deployment.database.network}", f"--label=pgbouncer-stack.stack={name}",
        f"--env=INI={BY_HAND_INI}", '--env=USERS="pgbouncer_auth" "made-by-hand"', "--entrypoint=/bin/sh",
        deployment.config["image"], "-c", script,
    )  # fmt: skip
    yield name
    if docker("ps", "--all", "--quiet", f"--filter=label=pgbouncer-stack.stack={name}"):
        docker("rm", "--force", name)


def test_a_working_deployment_by_hand_is_taken_over_as_the_readme_says(
    deployment: Deployment, by_hand: str
) -> None:
    up = deployment
    answering = [up.address(by_hand)]

    def dsn() -> str:
        """What libpq makes of the alias: every address that answers to it, in turn."""
        return make_conninfo(
            host=",".join(["pgbouncer"] * len(answering)),
            hostaddr=",".join(answering),
            port=6432,
            user="user_1",
            password=PASSWORDS["user_1"],
            dbname=up.database.database,
        )

    with busy(dsn, 10) as report:
        up.up({"name": "pooler", "adopts": by_hand})
        answering += [up.address(pooler) for pooler in up.poolers()]
        docker("update", "--restart=no", by_hand)
        docker("kill", "--signal=INT", by_hand)
        docker("wait", by_hand)
        docker("rm", by_hand)
        del answering[0]
    up.database.sql("DROP SCHEMA pgbouncer CASCADE; DROP ROLE pgbouncer_auth;")
    up.up({"adopts": ""}, arguments=["--expect-no-changes"])
    print(f"taken over under 10 clients: {report.transactions} transactions, {len(report.cut)} cut")
    assert (report.cut, report.refused) == ([], [])
    assert logs_in(up)
