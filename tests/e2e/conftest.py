"""Fixtures: the toolchain, and a deployment per test module on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from toolchain import image, prepare
from toolchain.dev_database import DevDatabase, identifier, literal

NASTY = "@:/?#%'\" \\ü"
PASSWORDS = {
    "postgres": f"admin{NASTY}sentinel-1",
    "analytics_ro": f"reader{NASTY}sentinel-2",
    "grafana_ro": "grafana-sentinel-3",
    f"odd{NASTY}": f"odd{NASTY}sentinel-4",
    **{f"user_{number}": f"user-sentinel-{number}0" for number in range(1, 9)},
}
"""Role → password. Every one holds `sentinel`, which must turn up nowhere in clear."""


@pytest.fixture(scope="session", autouse=True)
def toolchain() -> None:
    """Everything that the tests need is there, or an error says what is missing."""
    prepare.everything()


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A stack that is configured but not up yet, removed after the module's tests."""
    name = request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_").replace("_", "-")
    yield from prepared(make_deployment(f"test-{name}", tmp_path_factory.mktemp(name)))


def prepared(made: Deployment) -> Iterator[Deployment]:
    """The deployment with a running database and a stack that is not up yet; everything is removed afterwards."""
    made.remove()
    try:
        made.database.start()
        made.database.sql("".join(_role(role, password) for role, password in PASSWORDS.items()))
        made.config["admin_host"], made.config["admin_port"] = made.database.address()
        made.init()
        yield made
    finally:
        made.remove()


def make_deployment(stack: str, folder: Path) -> Deployment:
    """Ten services of the team's kind, some pooled, on a throwaway database."""
    database = DevDatabase(f"{stack}-db", f"{stack}-net", stack=stack, settings={"fsync": "off"})
    services: dict[str, dict[str, object]] = {
        "webhook_receiver": {"user": "postgres", "route": "transaction"},
        "analytics_mcp": {"user": "analytics_ro", "route": "direct", "direct_connections": 5},
        "grafana": {"user": "grafana_ro", "route": "session"},
        "odd": {"user": f"odd{NASTY}", "route": "transaction"},
        "reporter": {"user": "postgres", "route": "transaction", "pool_size": 2},
        **{f"service_{number}": {"user": f"user_{number}", "route": "transaction"} for number in range(1, 9)},
        "migrations": {"user": "migrator", "route": "direct", "direct_connections": 2},
    }
    config = {
        "network": database.network,
        "database": database.database,
        "image": image.pooler_image(),
        "superusers": ["postgres"],
        "services": services,
    }
    secrets = {"admin_password": PASSWORDS["postgres"]}
    secrets |= {f'passwords["{_escaped(role)}"]': password for role, password in PASSWORDS.items()}
    return Deployment(stack, folder, database, config, secrets)


def _escaped(key: str) -> str:
    return key.replace(chr(34), "\\" + chr(34))  # a backslash stands for itself in a config path


def _role(role: str, password: str) -> str:
    if role == "postgres":
        return f"ALTER ROLE postgres PASSWORD {literal(password)};\n"
    made = f"CREATE ROLE {identifier(role)} LOGIN PASSWORD {literal(password)};\n"
    return made + ("CREATE ROLE migrator LOGIN;\n" if role == "user_1" else "")
