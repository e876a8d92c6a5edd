"""postgresql:index/grant:Grant."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from .postgres_server import Server, Transaction, as_member_of, identifier, lock_database, lock_role
from .resource import Live, PluginError, ResourceType
from .schema import Property, boolean, not_implemented, one_of, text, text_set
from .values import JsonObject, holds_unknown

_PRIVILEGES = {
    "database": ("ALL", "CREATE", "CONNECT", "TEMPORARY"),
    "table": ("ALL", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "sequence": ("ALL", "USAGE", "SELECT", "UPDATE"),
    "schema": ("ALL", "CREATE", "USAGE"),
    "function": ("ALL", "EXECUTE"),
    "procedure": ("ALL", "EXECUTE"),
    "routine": ("ALL", "EXECUTE"),
}
_RELATION_KINDS = {"table": "r", "sequence": "S"}
_OBJECT_QUERY = {
    "function": (
        "SELECT p.proname, array_remove(array_agg(a.privilege_type), NULL) FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace "
        "LEFT JOIN LATERAL aclexplode(p.proacl) a ON a.grantee = %s WHERE n.nspname = %s GROUP BY p.proname"
    ),
    "relation": (
        "SELECT c.relname, array_remove(array_agg(a.privilege_type), NULL) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN LATERAL aclexplode(c.relacl) a ON a.grantee = %s "
        "WHERE n.nspname = %s AND c.relkind = %s GROUP BY c.relname"
    ),
}


class Grant(ResourceType):
    """All privileges of one role on one object, or on all objects of a kind in a schema."""

    urn_type = "postgresql:index/grant:Grant"
    properties: ClassVar[dict[str, Property]] = {
        "columns": not_implemented(replaces=True),
        "database": text(required=True, replaces=True),
        "objectType": text(required=True, replaces=True, rule=one_of(*_PRIVILEGES)),
        "objects": text_set(replaces=True),
        "privileges": text_set(required=True),
        "role": text(required=True, replaces=True),
        "schema": text(replaces=True),
        "withGrantOption": boolean(replaces=True),
    }
    autonamed = False
    deletes_before_replace = True
    importable = False

    def __init__(self, server: Server) -> None:
        self._server = server

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Takes all privileges away and grants the wanted ones in the same transaction."""
        return self._write(inputs, inputs)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """As create does; only the privileges can have changed."""
        return self._write(inputs, {**inputs, "privileges": outputs.get("privileges") or []})

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The privileges as Postgres has them."""
        wanted = {**{key: value for key, value in outputs.items() if value is not None}, **inputs}
        with self._server.transaction() as transaction:
            if transaction.row("SELECT 1 FROM pg_database WHERE datname = %s", wanted["database"]) is None:
                return None
        with self._server.transaction(wanted["database"]) as transaction:
            if not _exists(transaction, wanted):
                return None
            privileges = _read_privileges(transaction, wanted)
        shown = {
            "columns": None,
            "database": wanted["database"],
            "objectType": wanted["objectType"],
            "objects": sorted(wanted.get("objects") or []) or None,
            "privileges": privileges or None,
            "role": wanted["role"],
            "schema": wanted.get("schema"),
            "withGrantOption": wanted.get("withGrantOption", False),
        }
        return Live(_identity(wanted), shown, {"privileges": privileges})

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Takes the privileges away."""
        with self._server.transaction(outputs["database"]) as transaction:
            self._lock(transaction, outputs)
            with as_member_of(transaction, _owners(transaction, outputs)):
                transaction.run(_revocation(outputs), "could not execute revoke query")

    def _write(self, inputs: JsonObject, revoked: JsonObject) -> Live:
        if complaint := _complaint(inputs):
            raise PluginError(complaint)
        with self._server.transaction(inputs["database"]) as transaction:
            self._lock(transaction, inputs)
            with as_member_of(transaction, _owners(transaction, inputs)):
                transaction.run(_revocation(revoked), "could not execute revoke query")
                if inputs["privileges"]:
                    option = " WITH GRANT OPTION" if inputs.get("withGrantOption") else ""
                    wanted = ",".join(sorted(inputs["privileges"]))
                    role = identifier(inputs["role"])
                    transaction.run(f"GRANT {wanted} ON {_target(inputs)} TO {role}{option}")
        live = self.read("", inputs, {})
        if live is None:
            raise PluginError("the granted object was gone at once")
        return live

    def _lock(self, transaction: Transaction, values: JsonObject) -> None:
        lock_role(transaction, values["role"])
        if values["objectType"] == "database":
            lock_database(transaction, values["database"])


def _complaint(inputs: JsonObject) -> str | None:
    kind = inputs["objectType"]
    if holds_unknown(inputs):
        return None
    if not inputs.get("schema") and kind != "database":
        return "parameter 'schema' is mandatory for postgresql_grant resource"
    if inputs.get("objects") and kind in ("database", "schema"):
        return "cannot specify `objects` when `object_type` is `database` or `schema`"
    for privilege in inputs["privileges"]:
        if privilege not in _PRIVILEGES[kind]:
            return f"{privilege} is not an allowed privilege for object type {kind}"
    return None


def _identity(values: JsonObject) -> str:
    kind = values["objectType"]
    schema = [] if kind == "database" else [values.get("schema", "")]
    return "_".join([values["role"], values["database"], *schema, kind, *sorted(values.get("objects") or [])])


def _target(values: JsonObject) -> str:
    kind = values["objectType"]
    if kind == "database":
        return f"DATABASE {identifier(values['database'])}"
    schema = identifier(values["schema"])
    if kind == "schema":
        return f"SCHEMA {schema}"
    objects = sorted(values.get("objects") or [])
    if not objects:
        return f"ALL {kind.upper()}S IN SCHEMA {schema}"
    return f"{kind.upper()} " + ",".join(f"{schema}.{_object(name)}" for name in objects)


def _object(name: str) -> str:
    """A quoted name; the argument types of a function stay as they are."""
    bare, parenthesis, types = name.partition("(")
    return identifier(bare) + parenthesis + types


def _revocation(values: JsonObject) -> str:
    named = values["objectType"] not in ("database", "schema") and values.get("objects")
    # Only the named privileges of named objects, so that privileges on columns stay.
    what = ",".join(sorted(values.get("privileges") or [])) if named else ""
    return f"REVOKE {what or 'ALL PRIVILEGES'} ON {_target(values)} FROM {identifier(values['role'])}"


def _owners(transaction: Transaction, values: JsonObject) -> list[str]:
    kind = values["objectType"]
    if kind == "database":
        return []
    schema = values["schema"]
    owners: list[str] = []
    if kind != "schema":
        rows = transaction.rows(
            "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = %s", schema
        )
        owners = [row[0] for row in rows]
    found = transaction.row(
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s", schema
    )
    if found is None:
        raise PluginError(f"could not find schema '{schema}' while looking for owner")
    owners.append(found[0])
    if "pg_database_owner" in owners:
        row = transaction.row(
            "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
        )
        owners = [row[0] if row and owner == "pg_database_owner" else owner for owner in owners]
    return list(dict.fromkeys(owners))


def _exists(transaction: Transaction, values: JsonObject) -> bool:
    role, schema = values["role"], values.get("schema")
    if role != "public" and transaction.row("SELECT 1 FROM pg_roles WHERE rolname = %s", role) is None:
        return False
    if values["objectType"] == "database" or not schema:
        return True
    return transaction.row("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema) is not None


def _read_privileges(transaction: Transaction, values: JsonObject) -> list[str]:
    """The wanted privileges if every object has exactly these, else those of the first that differs."""
    kind, role, schema = values["objectType"], values["role"], values.get("schema")
    wanted = sorted(values.get("privileges") or [])
    row = transaction.row("SELECT oid FROM pg_roles WHERE rolname = %s", role)
    grantee = row[0] if row and role != "public" else 0
    if kind == "database":
        query = "SELECT datname, array_agg(a.privilege_type) FROM pg_database, aclexplode(datacl) a "
        found = transaction.rows(
            query + "WHERE datname = %s AND a.grantee = %s GROUP BY datname", values["database"], grantee
        ) or [(values["database"], [])]
    elif kind == "schema":
        query = "SELECT nspname, array_agg(a.privilege_type) FROM pg_namespace, aclexplode(nspacl) a "
        found = transaction.rows(
            query + "WHERE nspname = %s AND a.grantee = %s GROUP BY nspname", schema, grantee
        ) or [(schema, [])]
    elif kind in _RELATION_KINDS:
        found = transaction.rows(_OBJECT_QUERY["relation"], grantee, schema, _RELATION_KINDS[kind])
    else:
        found = transaction.rows(_OBJECT_QUERY["function"], grantee, schema)
    objects = values.get("objects") if kind not in ("database", "schema") else None
    implied = sorted(set(_PRIVILEGES[kind]) - {"ALL"})
    for name, granted in found:
        has = sorted(set(granted or []))
        if objects and name not in objects:
            continue
        if has != wanted and not ("ALL" in wanted and has == implied):
            return has
    return wanted
