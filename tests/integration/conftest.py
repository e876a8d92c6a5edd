"""One Postgres for all of these tests, and poolers in front of it that go with the test that made them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import docker
import pytest

from components.settings import Settings
from tests.integration.bouncer import Bouncer, remove_leftovers
from tests.integration.server import NAMES, PREFIX, STACK, Connection, Server, install_lookup
from toolchain import engine, image
from toolchain.dev_database import DevDatabase, literal

Deploy = Callable[[Settings], Bouncer]

_numbers = count(1)


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The Docker engine, without leftovers of these tests before and after."""
    engine.ensure()
    client = docker.from_env()
    remove_leftovers(client)
    try:
        yield client
    finally:
        remove_leftovers(client)
        client.close()


@pytest.fixture(scope="session")
def server(client: docker.DockerClient) -> Server:
    """Postgres with the lookup of a deployment `pgbouncer`."""
    assert client.ping()
    container = DevDatabase(
        name=f"{PREFIX}database",
        network=f"{PREFIX}network",
        stack=STACK,
        settings={
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_preload_libraries": "pg_stat_statements",
        },
    )
    container.start()
    server = Server(container, secrets.token_hex(12), secrets.token_hex(24), image.pooler_image())
    container.sql(f"ALTER ROLE postgres PASSWORD {literal(server.admin_password)};")
    with server.admin() as connection:
        install_lookup(connection, NAMES, server.auth_password)
    return server


@pytest.fixture
def admin(server: Server) -> Iterator[Connection]:
    """A superuser's connection."""
    with server.admin() as connection:
        yield connection


@pytest.fixture
def deploy(client: docker.DockerClient, server: Server) -> Iterator[Deploy]:
    """Makes deployments that are removed after the test."""
    with ExitStack() as stack:
        yield deployer(client, server, stack)


@pytest.fixture(scope="module")
def deploy_for_module(client: docker.DockerClient, server: Server) -> Iterator[Deploy]:
    """Makes deployments that are removed after the last test of the module."""
    with ExitStack() as stack:
        yield deployer(client, server, stack)


def deployer(client: docker.DockerClient, server: Server, stack: ExitStack) -> Deploy:
    def make(settings: Settings) -> Bouncer:
        bouncer = Bouncer(client, settings, server.auth_password, str(next(_numbers)))
        stack.callback(bouncer.remove)
        return bouncer

    return make
