"""The stack that the drivers meet: one service, role, schema and pool of two backends for each of them."""

from __future__ import annotations

from pathlib import Path

from tests.drivers.drivers import DRIVERS
from tests.e2e.deployment import Deployment
from toolchain import image
from toolchain.dev_database import DevDatabase, identifier, literal

STACK = "test-drivers"
ADMIN_PASSWORD = "admin-sentinel"
POOL_SIZE = 2
"""Small, so that clients have to share; the programs count on it."""

TABLES = """
SET ROLE {role};
CREATE TABLE {role}.mixed (client int, round int, note text, PRIMARY KEY (client, round));
CREATE TABLE {role}.batch (id int);
CREATE TABLE {role}.copied (id int, note text);
CREATE TABLE {role}.accounts (id int PRIMARY KEY, balance int);
INSERT INTO {role}.accounts VALUES (1, 100);
RESET ROLE;
"""


def password(service: str) -> str:
    """What a DSN has to encode, and `sentinel`, which must turn up in no output."""
    return f"{service}@:/?#%'\" \\ü-sentinel"


def deployment(folder: Path) -> Deployment:
    """Configured, neither database nor stack made yet."""
    database = DevDatabase(
        f"{STACK}-db", f"{STACK}-net", stack=STACK, max_connections=200, settings={"fsync": "off"}
    )
    config = {
        "network": database.network,
        "database": database.database,
        "image": image.pooler_image(),
        "max_connections": 200,
        "max_backends": 60,
        "session_backends": 12,
        "services": {
            driver.name: {"route": "transaction", "pool_size": POOL_SIZE, "driver": driver.dialect}
            for driver in DRIVERS
        },
    }
    secrets = {"admin_password": ADMIN_PASSWORD}
    secrets |= {f"passwords.{driver.name}": password(driver.name) for driver in DRIVERS}
    return Deployment(STACK, folder, database, config, secrets)


def bring_up(made: Deployment) -> None:
    """Database with roles and tables, and the first update."""
    made.remove()
    made.database.start()
    made.database.sql(f"ALTER ROLE postgres PASSWORD {literal(ADMIN_PASSWORD)};")
    for driver in DRIVERS:
        role = identifier(driver.name)
        made.database.sql(
            f"CREATE ROLE {role} LOGIN PASSWORD {literal(password(driver.name))};\n"
            f"CREATE SCHEMA {role} AUTHORIZATION {role};\n" + TABLES.format(role=role)
        )
    made.config["admin_host"], made.config["admin_port"] = made.database.address()
    made.init()
    made.up()
