"""Stack `dev`: its throwaway database, and the configuration that fits it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from string import Template

from toolchain import dev_roles, image
from toolchain.dev_database import DevDatabase
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import Step, ensure, say

NAME = "dev"
DATABASE = DevDatabase(name="pgbouncer-dev-db", network="pgbouncer-dev", volume="pgbouncer-dev-data")
TEMPLATE = Path(__file__).with_name("dev_stack.yaml")


def prepare(stack: Stack) -> None:
    """Database up, configuration written, roles and passwords the same on both sides."""
    database = _database_up()
    host, port = database.address()
    if not stack.config_file.exists():
        stack.config_file.write_text(render(database, host, port, image.pooler_image()))
    if not stack.exists():
        stack.create()
    config = stack.config()
    for key, value in {"admin_host": host, "admin_port": str(port), "image": image.pooler_image()}.items():
        if str(config.get(key)) != value:
            stack.set_plain(key, value)
    new = not {"admin_password", "passwords"} <= config.keys()
    if new:
        _generate_passwords(stack)
    if new or not dev_roles.complete(database):
        dev_roles.apply(database, stack.secrets()["passwords"])


def render(database: DevDatabase, host: str, port: int, pooler_image: str) -> str:
    """Text of Pulumi.dev.yaml before any secret is in it."""
    return Template(TEMPLATE.read_text()).substitute(
        network=database.network,
        database=database.database,
        max_connections=database.max_connections,
        admin_host=host,
        admin_port=port,
        image=pooler_image,
    )


def _database_up() -> DevDatabase:
    """The running database, published on 127.0.0.1 where the engine's networks cannot be reached from here."""
    database = replace(DATABASE, publish=DATABASE.is_published())
    ensure(
        Step(
            "throwaway database: starting Postgres 17",
            "a few seconds",
            lambda: _runs(database),
            database.start,
        )
    )
    database.wait()
    if database.is_reachable():
        return database
    if not database.publish:
        say("  this machine does not reach the engine's networks: publishing the database on 127.0.0.1")
        database.stop()
        database = replace(database, publish=True)
        database.start()
    host, port = database.address()
    if not database.is_reachable():
        raise Problem(
            f"the database runs, but does not answer on {host}:{port}; "
            "with a remote Docker engine run `make up` on that machine"
        )
    return database


def _runs(database: DevDatabase) -> bool:
    return database.state() == "running"


def _generate_passwords(stack: Stack) -> None:
    """New passwords for every role, into the stack's configuration only."""

    def run() -> None:
        passwords = dev_roles.generate()
        for role, password in passwords.items():
            stack.set_secret(f"passwords.{role}", password)
        stack.set_secret("admin_password", passwords["postgres"])

    ensure(
        Step(
            f"passwords: generating them into {stack.config_file.name}, encrypted",
            "a few seconds",
            lambda: False,
            run,
        )
    )
