"""The shared Postgres of the tests: one throwaway container, and the objects that AuthLookup makes with Pulumi."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from components.lookup_text import lookup_body
from components.names import DeploymentNames
from components.scram import scram_verifier
from components.settings import Settings, load
from toolchain.dev_database import DevDatabase

Row = tuple[object, ...]
Connection = psycopg.Connection[Row]

STACK = "test-integration"
PREFIX = f"{STACK}-"
NAMES = DeploymentNames("pgbouncer", "tracksolid_db")


@dataclass
class Server:
    """Postgres with the lookup installed; services are roles that the lookup answers for."""

    container: DevDatabase
    admin_password: str
    auth_password: str
    pooler_image: str
    services: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return self.container.address()[0]

    def admin(self, database: str = NAMES.database) -> Connection:
        """A connection as superuser that commits each statement."""
        return psycopg.connect(
            host=self.host,
            user="postgres",
            password=self.admin_password,
            dbname=database,
            autocommit=True,
            application_name="test",
        )

    def add_service(self, user: str, password: str) -> None:
        """A login role that is a direct member of the services group; a second call changes nothing."""
        if user in self.services:
            return
        with self.admin() as connection:
            create_role(connection, user, password)
            grant_membership(connection, NAMES.services_group, user)
        self.services.add(user)

    def settings(self, services: dict[str, object], **values: object) -> Settings:
        """Settings as the stack's configuration would give them, for this server."""
        given: dict[str, object] = {
            "network": self.container.network,
            "database": NAMES.database,
            "database_host": self.container.alias,
            "admin_host": self.host,
            "admin_password": self.admin_password,
            "image": self.pooler_image,
            "services": services,
            **values,
        }
        return load(
            {
                key: json.dumps(value) if key in Settings.json_keys else str(value)
                for key, value in given.items()
            }
        )


def create_role(
    connection: Connection, role: str, password: str | None = None, options: str = "LOGIN"
) -> None:
    """`options`: keywords of CREATE ROLE, written by the test itself."""
    statement = sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), sql.SQL(options))
    connection.execute(statement)
    if password is not None:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        )


def grant_membership(connection: Connection, group: str, member: str) -> None:
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member)))


def install_lookup(connection: Connection, names: DeploymentNames, auth_password: str) -> None:
    """What components/auth.py declares: groups, auth role, schema, function, and the grants around it."""
    create_role(connection, names.services_group, options="NOLOGIN")
    create_role(connection, names.superusers_group, options="NOLOGIN")
    salt = b64encode(secrets.token_bytes(16)).decode()
    create_role(connection, names.auth_role(1), scram_verifier(auth_password, salt))
    part = {
        "schema": sql.Identifier(names.schema),
        "function": sql.Identifier(names.schema, "user_lookup"),
        "role": sql.Identifier(names.auth_role(1)),
        "body": sql.Literal(lookup_body(names)),
    }
    for statement in (
        "CREATE SCHEMA {schema}",
        "CREATE FUNCTION {function}(IN i_username text) RETURNS TABLE(uname text, phash text) "
        "LANGUAGE sql STABLE SECURITY DEFINER AS {body}",
        "REVOKE ALL ON FUNCTION {function}(text) FROM PUBLIC",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT EXECUTE ON FUNCTION {function}(text) TO {role}",
    ):
        connection.execute(sql.SQL(statement).format(**part))


class BackendSampler:
    """Counts the backends that one address holds, again and again, until the `with` block ends."""

    def __init__(self, server: Server, address: str, every_seconds: float = 0.1) -> None:
        self.samples: list[int] = []
        self._server, self._address, self._every = server, address, every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def peak(self) -> int:
        return max(self.samples)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        with self._server.admin() as connection:
            while not self._stop.is_set():
                began = time.monotonic()
                self.samples.append(count_backends(connection, self._address))
                self._stop.wait(max(0.0, self._every - (time.monotonic() - began)))


def count_backends(connection: Connection, address: str) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s::inet", [address]
    ).fetchone()
    assert row is not None
    return int(str(row[0]))
