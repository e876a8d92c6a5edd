"""The deployment reaches Postgres by a port that is published on loopback, and publishes the pooler there too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import Deployment

POOLER_PORT = 26432


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A stack with everything on 127.0.0.1."""
    made = make_deployment("test-published", tmp_path_factory.mktemp("published"))
    made.database = replace(made.database, publish=True)
    made.config["ports"] = [f"127.0.0.1:{POOLER_PORT}"]
    yield from prepared(made)


def test_an_update_says_that_a_published_pooler_cannot_overlap(up: Deployment) -> None:
    said = up.up()
    assert (
        f"ports: 127.0.0.1:{POOLER_PORT} can be held by one container only, so an image upgrade cannot overlap"
        in said
    )


def test_a_service_on_the_host_logs_in_by_the_published_port(up: Deployment) -> None:
    parts: dict[str, Any] = conninfo_to_dict(up.outputs()["lanes"]["service_1"]["transaction"])
    parts |= {"host": "127.0.0.1", "port": str(POOLER_PORT)}
    with psycopg.connect(make_conninfo(**parts)) as client:
        assert client.execute("SELECT current_user::text").fetchone() == ("user_1",)
