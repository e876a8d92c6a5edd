"""postgresql:index/grantRole:GrantRole."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from .postgres_server import Server, identifier
from .resource import Live, PluginError, ResourceType
from .schema import Property, boolean, text
from .values import JsonObject

# The official plugin takes no lock here; Postgres itself locks the roles of a membership.


class GrantRole(ResourceType):
    """The membership of one role in another."""

    urn_type = "postgresql:index/grantRole:GrantRole"
    properties: ClassVar[dict[str, Property]] = {
        "grantRole": text(required=True, replaces=True),
        "role": text(required=True, replaces=True),
        "withAdminOption": boolean(replaces=True),
    }
    autonamed = False
    importable = False

    def __init__(self, server: Server) -> None:
        self._server = server

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Revokes the membership and grants it again."""
        group, role = identifier(inputs["grantRole"]), identifier(inputs["role"])
        option = " WITH ADMIN OPTION" if inputs.get("withAdminOption") else ""
        with self._server.transaction() as transaction:
            transaction.run(f"REVOKE {group} FROM {role}", "could not execute revoke query")
            transaction.run(f"GRANT {group} TO {role}{option}", "could not execute grant query")
        live = self.read("", inputs, {})
        if live is None:
            raise PluginError("the membership was gone at once")
        return live

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The membership as Postgres has it."""
        wanted = {**outputs, **inputs}
        with self._server.transaction() as transaction:
            row = transaction.row(
                "SELECT bool_or(admin_option) FROM pg_auth_members WHERE pg_get_userbyid(member) = %s "
                "AND pg_get_userbyid(roleid) = %s HAVING count(*) > 0",
                wanted["role"],
                wanted["grantRole"],
            )
        if row is None:
            return None
        shown = {"grantRole": wanted["grantRole"], "role": wanted["role"], "withAdminOption": row[0]}
        word = "true" if row[0] else "false"
        return Live(f"{wanted['role']}_{wanted['grantRole']}_{word}", shown, shown)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Nothing of a membership can be changed in place."""
        return Live(identity, outputs)

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Revokes the membership."""
        group, role = identifier(outputs["grantRole"]), identifier(outputs["role"])
        with self._server.transaction() as transaction:
            transaction.run(f"REVOKE {group} FROM {role}", "could not execute revoke query")
