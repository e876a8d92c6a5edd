"""A server that holds objects already: made by hand and in use, or left over from a lost state."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import PROJECT, Deployment
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
