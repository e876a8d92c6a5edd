"""The verification on real servers: silent on a clean deployment, and each seeded fault is caught by its own check."""

from __future__ import annotations

import pytest

from components.settings import Settings
from tests.integration.bouncer import Bouncer, Process
from tests.integration.conftest import Deploy
from tests.integration.server import Server, install_lookup, create_role, grant_membership
from components.names import DeploymentNames

pytestmark = pytest.mark.timeout(120)

NAMES = DeploymentNames("verified", "tracksolid_db")
PASSWORD = "verify:\\'secret"


def configured(server: Server, **values: object) -> Settings:
    services: dict[str, object] = {
        "seen": {"user": "verify_seen", "route": "transaction", "pool_size": 3},
        "shared": {"user": "verify_shared", "route": "transaction"},
        "held": {"user": "verify_held", "route": "session"},
        "reader": {"user": "verify_reader", "route": "direct", "read_only": True},
        "unknown": {"user": "verify_unknown", "route": "transaction"},
    }
    users = ("verify_seen", "verify_shared", "verify_held", "verify_reader")
    return server.settings(services, name="verified", passwords=dict.fromkeys(users, PASSWORD), **values)


@pytest.fixture(scope="module")
def bouncer(deploy_for_module: Deploy, server: Server) -> Bouncer:
    settings = configured(server)
    with server.admin() as connection:
        install_lookup(connection, NAMES, server.auth_password)
        for user in settings.users():
            create_role(connection, user, PASSWORD)
            grant_membership(connection, NAMES.services_group, user)
        connection.execute("ALTER ROLE verify_reader IN DATABASE tracksolid_db SET default_transaction_read_only = on")
    made = deploy_for_module(settings)
    assert made.keep_check_interval(server.admin_password).exit_code == 0
    return made


@pytest.fixture(scope="module")
def process(bouncer: Bouncer) -> Process:
    return bouncer.up()


def test_nothing_is_missed_on_a_clean_deployment(bouncer: Bouncer, process: Process) -> None:
    ended = bouncer.verify(process)
    print(ended.log)
    assert ended.exit_code == 0
