"""postgresql:index/schema:Schema."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from .diff import same
from .postgres_server import Server, Transaction, as_member_of, identifier
from .resource import Live, PluginError, ResourceType
from .schema import Property, boolean, not_implemented, text
from .values import JsonObject


class Schema(ResourceType):
    """A schema of a database."""

    urn_type = "postgresql:index/schema:Schema"
    properties: ClassVar[dict[str, Property]] = {
        "database": text(replaces=True, kept_when_unset=True),
        "dropCascade": boolean(),
        "ifNotExists": boolean(default=True),
        "name": text(),
        "owner": text(kept_when_unset=True),
        "policies": not_implemented(),
    }
    computed = ("database", "owner", "policies")

    def __init__(self, server: Server) -> None:
        self._server = server

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the schema; one that exists is taken over and only given its owner."""
        database = inputs.get("database") or self._server.config.database
        name, owner = inputs["name"], inputs.get("owner")
        with self._server.transaction(database) as transaction:
            found = transaction.row(
                "SELECT rolname FROM pg_database JOIN pg_roles ON datdba = pg_roles.oid WHERE datname = %s",
                database,
            )
            if found is None:
                raise PluginError(f"could not find database '{database}' while looking for owner")
            with as_member_of(transaction, [found[0], *([owner] if owner and owner != found[0] else [])]):
                _create(transaction, name, owner, if_not_exists=inputs.get("ifNotExists", True))
        return self._required(f"{database}.{name}", inputs)

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The schema as Postgres has it."""
        database, _, name = identity.rpartition(".")
        database = database or self._server.config.database
        with self._server.transaction() as transaction:
            if transaction.row("SELECT 1 FROM pg_database WHERE datname = %s", database) is None:
                return None
        with self._server.transaction(database) as transaction:
            found = transaction.row(
                "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s", name
            )
        if found is None:
            return None
        live = {"database": database, "name": name, "owner": found[0]}
        shown = {
            **live,
            "dropCascade": inputs.get("dropCascade", False),
            "ifNotExists": inputs.get("ifNotExists", True),
            "policies": [],
        }
        return Live(f"{database}.{name}", shown, {**live, "ifNotExists": True} if not inputs else live)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Renames the schema or changes its owner."""
        database, _, old_name = identity.rpartition(".")
        name = inputs["name"]
        with self._server.transaction(database) as transaction:
            if name != old_name:
                transaction.run(
                    f"ALTER SCHEMA {identifier(old_name)} RENAME TO {identifier(name)}",
                    "error updating schema NAME",
                )
            owner = inputs.get("owner")
            if owner and not same(self.properties["owner"], outputs.get("owner"), owner):
                _set_owner(transaction, name, owner)
        return self._required(f"{database}.{name}", inputs)

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Drops the schema; what is in it stops that, unless `dropCascade` was given."""
        database, _, name = identity.rpartition(".")
        with self._server.transaction(database) as transaction:
            if transaction.row("SELECT 1 FROM pg_namespace WHERE nspname = %s", name) is None:
                return
            mode = "CASCADE" if outputs.get("dropCascade") else "RESTRICT"
            with as_member_of(transaction, [owner] if (owner := outputs.get("owner")) else []):
                transaction.run(f"DROP SCHEMA {identifier(name)} {mode}", "error deleting schema")

    def _required(self, identity: str, inputs: JsonObject) -> Live:
        live = self.read(identity, inputs, {})
        if live is None:
            raise PluginError(f"schema {identity} was gone at once")
        return live


def _create(transaction: Transaction, name: str, owner: str | None, *, if_not_exists: bool) -> None:
    if transaction.row("SELECT 1 FROM pg_namespace WHERE nspname = %s", name) is not None:
        if owner:
            _set_owner(transaction, name, owner)
        return
    guard = "IF NOT EXISTS " if if_not_exists else ""
    authorization = f" AUTHORIZATION {identifier(owner)}" if owner else ""
    transaction.run(
        f"CREATE SCHEMA {guard}{identifier(name)}{authorization}", f"error creating schema {name}"
    )


def _set_owner(transaction: Transaction, name: str, owner: str) -> None:
    transaction.run(
        f"ALTER SCHEMA {identifier(name)} OWNER TO {identifier(owner)}", "error updating schema OWNER"
    )
