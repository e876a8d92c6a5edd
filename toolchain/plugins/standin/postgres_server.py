"""Transactions on the Postgres server, with errors that never show a password."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .resource import PluginError
from .values import Value

Cursor: TypeAlias = Any
"""A psycopg cursor: its types want statements that are constants, and these are not."""


@dataclass(frozen=True)
class ServerConfig:
    """How to reach the server and as whom."""

    host: str = ""
    port: int = 5432
    username: str = "postgres"
    password: str = field(default="", repr=False)
    database: str = "postgres"
    sslmode: str = "require"
    superuser: bool = True
    connect_timeout: int = 180
    max_connections: int = 20


class Transaction:
    """One open transaction."""

    def __init__(self, cursor: Cursor, secrets: Sequence[str]) -> None:
        self._cursor = cursor
        self._secrets = [each for each in secrets if each]

    def run(self, statement: str, doing: str = "") -> None:
        """Runs a complete statement."""
        self._execute(statement, None, doing)

    def row(self, query: str, *values: Value) -> tuple[Any, ...] | None:
        """The first row of a query, or nothing."""
        self._execute(query, values or None, "")
        found: tuple[Any, ...] | None = self._cursor.fetchone()
        return found

    def rows(self, query: str, *values: Value) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        self._execute(query, values or None, "")
        found: list[tuple[Any, ...]] = self._cursor.fetchall()
        return found

    def hide(self, secret: str | None) -> None:
        """Keeps a value out of error messages."""
        if secret:
            self._secrets.append(secret)

    def _execute(self, statement: str, values: Sequence[Any] | None, doing: str) -> None:
        import psycopg

        try:
            self._cursor.execute(statement, values)
        except psycopg.Error as error:
            # Only the primary message: the full text quotes the statement, which may hold a password.
            said = error.diag.message_primary or type(error).__name__
            raise PluginError(
                _hidden(f"{doing}: pq: {said}" if doing else f"pq: {said}", self._secrets)
            ) from None


class Server:
    """The server that the provider is configured for."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        limit = config.max_connections if config.max_connections > 0 else 1_000_000
        self._slots = threading.BoundedSemaphore(limit)

    @contextmanager
    def transaction(self, database: str = "") -> Iterator[Transaction]:
        """A transaction on a connection of its own, committed at the end; the connect is not retried."""
        import psycopg  # slow to import, and a preview needs no connection

        config = self.config
        with self._slots:
            try:
                connection = psycopg.connect(
                    host=config.host,
                    port=config.port,
                    user=config.username,
                    password=config.password,
                    dbname=database or config.database,
                    sslmode=config.sslmode,
                    connect_timeout=config.connect_timeout,
                    client_encoding="utf8",
                    fallback_application_name="Terraform provider",
                )
            except psycopg.Error as error:
                text = _hidden(str(error), [config.password])
                raise PluginError(
                    f"error connecting to PostgreSQL server {config.host} (scheme: postgres): {text}"
                ) from None
            with connection, connection.cursor() as cursor:
                transaction = Transaction(cursor, [config.password])
                try:
                    yield transaction
                except BaseException:
                    connection.rollback()
                    raise
                try:
                    connection.commit()
                except psycopg.Error as error:
                    said = error.diag.message_primary or type(error).__name__
                    raise PluginError(f"could not commit transaction: pq: {said}") from None


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.split("\0", maxsplit=1)[0].replace('"', '""') + '"'


def literal(value: str) -> str:
    """A quoted SQL string, quoted like the official plugin does: it doubles backslashes too."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def lock_role(transaction: Transaction, role: str) -> None:
    """Waits for other updates of this role and its members.

    Parallel GRANTs on one object to *different* roles still fail ("tuple concurrently updated"), as they do
    with the official plugin: such resources must depend on each other.
    """
    transaction.run("SET statement_timeout = 0")
    transaction.rows("SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_roles WHERE rolname = %s", role)
    transaction.rows(
        "SELECT pg_advisory_xact_lock(member::bigint) FROM pg_auth_members "
        "JOIN pg_roles ON roleid = pg_roles.oid WHERE rolname = %s",
        role,
    )


def lock_database(transaction: Transaction, database: str) -> None:
    """Waits for other grants on this database."""
    transaction.run("SET statement_timeout = 0")
    transaction.rows(
        "SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_database WHERE datname = %s", database
    )


@contextmanager
def as_member_of(transaction: Transaction, roles: Sequence[str]) -> Iterator[None]:
    """Makes a connected user that is no superuser a member of these roles for a while."""
    user, superuser = transaction.row(
        "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user"
    ) or ("", False)
    granted: list[str] = []
    if not superuser:
        for role in roles:
            found = transaction.row("SELECT rolsuper FROM pg_roles WHERE rolname = %s", role)
            if found is None:
                raise PluginError(f"could not check if role {role} is superuser: sql: no rows in result set")
            if found[0] or role == user:
                continue
            if _is_member(transaction, user, role):
                raise PluginError(
                    f"{user} is granted to {role}: the stand-in cannot turn that around for a while; "
                    "connect as a superuser"
                )
            if not _is_member(transaction, role, user):
                transaction.run(
                    f"GRANT {identifier(role)} TO {identifier(user)}", f"error granting role {role} to {user}"
                )
                granted.append(role)
    yield
    for role in granted:
        if _is_member(transaction, role, user):
            transaction.run(
                f"REVOKE {identifier(role)} FROM {identifier(user)}",
                f"error revoking role {role} from {user}",
            )


def _is_member(transaction: Transaction, role: str, member: str) -> bool:
    query = (
        "SELECT 1 FROM pg_auth_members WHERE pg_get_userbyid(roleid) = %s AND pg_get_userbyid(member) = %s "
    )
    has_set_option = transaction.row(
        "SELECT 1 FROM pg_attribute WHERE attrelid = 'pg_auth_members'::regclass AND attname = 'set_option'"
    )
    if has_set_option:
        query += " AND set_option"
    return transaction.row(query, role, member) is not None


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "XXXX")
    return text
