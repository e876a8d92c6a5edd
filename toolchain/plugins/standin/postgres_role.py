"""postgresql:index/role:Role."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from typing_extensions import override

from .diff import same
from .postgres_server import Server, Transaction, as_member_of, identifier, literal, lock_role
from .resource import Live, PluginError, ResourceType
from .schema import Property, at_least, boolean, integer, not_implemented, text, text_set, texts
from .values import JsonObject, Secret, Value

_FLAGS = {
    "superuser": "SUPERUSER",
    "createDatabase": "CREATEDB",
    "createRole": "CREATEROLE",
    "inherit": "INHERIT",
    "login": "LOGIN",
    "bypassRowLevelSecurity": "BYPASSRLS",
    "replication": "REPLICATION",
}
_TIMEOUTS = {
    "statementTimeout": "statement_timeout",
    "idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout",
}


class Role(ResourceType):
    """A role, with or without the right to log in."""

    urn_type = "postgresql:index/role:Role"
    properties: ClassVar[dict[str, Property]] = {
        "assumeRole": text(removed_from_state=True),
        "bypassRowLevelSecurity": boolean(),
        "connectionLimit": integer(default=-1, rule=at_least(-1)),
        "createDatabase": boolean(),
        "createRole": boolean(),
        "encrypted": not_implemented(),
        "encryptedPassword": boolean(default=True),
        "idleInTransactionSessionTimeout": integer(removed_from_state=True, rule=at_least(0)),
        "inherit": boolean(default=True),
        "login": boolean(),
        "name": text(),
        "password": text(),
        "passwordWo": not_implemented(),
        "passwordWoVersion": not_implemented(),
        "replication": boolean(),
        "roles": text_set(removed_from_state=True),
        "searchPaths": texts(removed_from_state=True),
        "skipDropRole": boolean(),
        "skipReassignOwned": boolean(),
        "statementTimeout": integer(removed_from_state=True, rule=at_least(0)),
        "superuser": boolean(),
        "validUntil": text(default="infinity", compared_with_state=True),
    }

    def __init__(self, server: Server) -> None:
        self._server = server

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the role with all its settings in one transaction."""
        name = inputs["name"]
        with self._server.transaction() as transaction:
            transaction.hide(inputs.get("password"))
            transaction.run(
                f"CREATE ROLE {identifier(name)} WITH {_options(inputs)}", f"error creating role {name}"
            )
            _grant_roles(transaction, name, inputs)
            _set_search_path(transaction, name, inputs)
            for key in (*_TIMEOUTS, "assumeRole"):
                if inputs.get(key):
                    _set_parameter(transaction, name, key, inputs[key])
        return self._required(name, inputs)

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The role as Postgres has it."""
        importing = not inputs and not outputs
        # Neither input nor output: the password of a role that is imported stays unknown.
        password = inputs.get("password") or outputs.get("password") or ""
        with self._server.transaction() as transaction:
            transaction.hide(password)
            row = transaction.row(
                "SELECT rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolbypassrls, "
                "rolreplication, rolconnlimit, "
                "COALESCE(rolvaliduntil::text, 'infinity'), rolconfig, "
                "ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members "
                "WHERE member = pg_roles.oid) "
                "FROM pg_roles WHERE rolname = %s",
                identity,
            )
            if row is None:
                return None
            if password:
                password = self._read_password(transaction, identity, password, can_login=row[4])
        live = _settings(identity, row)
        shown = {
            **live,
            "encrypted": None,
            "password": Secret(password or None),
            "passwordWo": Secret(None),
            "passwordWoVersion": None,
            "skipDropRole": inputs.get("skipDropRole", outputs.get("skipDropRole", False)),
            "skipReassignOwned": inputs.get("skipReassignOwned", outputs.get("skipReassignOwned", False)),
        }
        readable = {**live, "password": password} if password else live
        if importing:
            readable = {key: value for key, value in readable.items() if value or key in ("inherit", "login")}
        return Live(identity, shown, readable)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Alters what changed; takes away every membership that `roles` does not name."""
        name = inputs["name"]
        old = {**outputs, **{key: value for key, value in old_inputs.items() if key != "validUntil"}}
        with self._server.transaction() as transaction:
            transaction.hide(inputs.get("password"))
            lock_role(transaction, identity)
            if name != identity:
                transaction.run(
                    f"ALTER ROLE {identifier(identity)} RENAME TO {identifier(name)}",
                    "error updating role NAME",
                )
            role = identifier(name)
            if inputs.get("password") and (name != identity or old.get("password") != inputs["password"]):
                transaction.run(
                    f"ALTER ROLE {role} PASSWORD {literal(inputs['password'])}",
                    "error updating role password",
                )
            for key, word in _FLAGS.items():
                if self._changed(key, old, inputs):
                    wanted = word if inputs.get(key, self.properties[key].default or False) else f"NO{word}"
                    transaction.run(f"ALTER ROLE {role} WITH {wanted}", f"error updating role {word}")
            if self._changed("connectionLimit", old, inputs):
                limit = inputs.get("connectionLimit", -1)
                transaction.run(
                    f"ALTER ROLE {role} CONNECTION LIMIT {limit}", "error updating role CONNECTION LIMIT"
                )
            until = inputs.get("validUntil")
            if until and self._changed("validUntil", old, inputs):
                transaction.run(
                    f"ALTER ROLE {role} VALID UNTIL {literal(until)}", "error updating role VALID UNTIL"
                )
            _revoke_roles(transaction, name)
            _grant_roles(transaction, name, inputs)
            _set_search_path(transaction, name, inputs)
            for key in (*_TIMEOUTS, "assumeRole"):
                if self._changed(key, old, inputs):
                    _set_parameter(transaction, name, key, inputs.get(key))
        return self._required(name, inputs)

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Gives what the role owns to the connected user, drops its privileges, drops it."""
        with self._server.transaction() as transaction:
            lock_role(transaction, identity)
            role = identifier(identity)
            if not outputs.get("skipReassignOwned"):
                with as_member_of(transaction, [identity]):
                    user = self._server.config.username
                    transaction.run(
                        f"REASSIGN OWNED BY {role} TO {identifier(user)}",
                        f"could not reassign owned by role {identity} to {user}",
                    )
                    transaction.run(f"DROP OWNED BY {role}", f"could not drop owned by role {identity}")
            if not outputs.get("skipDropRole"):
                transaction.run(f"DROP ROLE {role}", f"could not delete role {identity}")

    def _changed(self, key: str, old: JsonObject, inputs: JsonObject) -> bool:
        return not same(self.properties[key], old.get(key), inputs.get(key))

    def _required(self, name: str, inputs: JsonObject) -> Live:
        live = self.read(name, inputs, {})
        if live is None:
            raise PluginError(f"role {name} was gone at once")
        return live

    def _read_password(self, transaction: Transaction, name: str, known: str, *, can_login: bool) -> str:
        """What the server stores, if it cannot be what the program gave."""
        if not can_login or not self._server.config.superuser:
            return known
        superuser = transaction.row("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not superuser or not superuser[0]:
            raise PluginError(
                f"could not read role password from Postgres as connected user "
                f"{self._server.config.username} is not a SUPERUSER. You can set `superuser = false` "
                "in the provider configuration so it will not try to read the password from Postgres"
            )
        row = transaction.row("SELECT COALESCE(passwd, '') FROM pg_shadow WHERE usename = %s", name)
        stored = str(row[0]) if row else ""
        if not known.startswith(("md5", "SCRAM-SHA-256")):
            # Postgres's own old format, not a choice of ours.
            digest = hashlib.md5((known + name).encode(), usedforsecurity=False).hexdigest()
            # A plaintext password cannot be compared with a SCRAM verifier: its drift stays invisible.
            if stored == f"md5{digest}" or stored.startswith("SCRAM-SHA-256"):
                return known
        return stored


def _settings(name: str, row: tuple[Any, ...]) -> JsonObject:
    parameters = dict(entry.split("=", 1) for entry in row[9] or [])
    path = parameters.get("search_path")
    return {
        "assumeRole": parameters.get("role", ""),
        "bypassRowLevelSecurity": row[5],
        "connectionLimit": row[7],
        "createDatabase": row[1],
        "createRole": row[2],
        "encryptedPassword": True,
        "idleInTransactionSessionTimeout": _number(parameters.get("idle_in_transaction_session_timeout")),
        "inherit": row[3],
        "login": row[4],
        "name": name,
        "replication": row[6],
        "roles": sorted(row[10]) or None,
        "searchPaths": [part.strip('"') for part in path.split(", ")] if path else None,
        "statementTimeout": _number(parameters.get("statement_timeout")),
        "superuser": row[0],
        "validUntil": row[8],
    }


def _number(value: str | None) -> int:
    if value is None:
        return 0
    try:
        return int(value)
    except ValueError:
        raise PluginError(
            f"error reading statement_timeout: {value!r} is not a number of milliseconds"
        ) from None


def _options(inputs: JsonObject) -> str:
    options = []
    password = inputs.get("password")
    if password and password.upper() == "NULL":
        options.append("PASSWORD NULL")
    elif password:
        word = "ENCRYPTED" if inputs.get("encryptedPassword", True) else "UNENCRYPTED"
        options.append(f"{word} PASSWORD {literal(password)}")
    options.append(f"VALID UNTIL {literal(inputs.get('validUntil') or 'infinity')}")
    options.append(f"CONNECTION LIMIT {inputs.get('connectionLimit', -1)}")
    for key, word in _FLAGS.items():
        options.append(word if inputs.get(key, key == "inherit") else f"NO{word}")
    return " ".join(options)


def _grant_roles(transaction: Transaction, name: str, inputs: JsonObject) -> None:
    for role in inputs.get("roles") or []:
        transaction.run(
            f"GRANT {identifier(role)} TO {identifier(name)}", f"could not grant role {role} to {name}"
        )


def _revoke_roles(transaction: Transaction, name: str) -> None:
    granted = transaction.rows(
        "SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members JOIN pg_roles ON member = pg_roles.oid "
        "WHERE rolname = %s",
        name,
    )
    for (role,) in granted:
        transaction.run(
            f"REVOKE {identifier(role)} FROM {identifier(name)}", f"could not revoke role {role} from {name}"
        )


def _set_search_path(transaction: Transaction, name: str, inputs: JsonObject) -> None:
    paths = inputs.get("searchPaths") or []
    if any(", " in path for path in paths):
        raise PluginError("search_path cannot contain `, `")
    value = ", ".join(identifier(path) for path in paths) or "DEFAULT"
    transaction.run(
        f"ALTER ROLE {identifier(name)} SET search_path TO {value}", f"could not set search_path for {name}"
    )


def _set_parameter(transaction: Transaction, name: str, key: str, value: Value) -> None:
    parameter = _TIMEOUTS.get(key, "ROLE")
    if not value:
        transaction.run(
            f"ALTER ROLE {identifier(name)} RESET {parameter}", f"could not reset {parameter} for {name}"
        )
        return
    wanted = identifier(value) if key == "assumeRole" else str(int(value))
    transaction.run(
        f"ALTER ROLE {identifier(name)} SET {parameter} TO {wanted}", f"could not set {parameter} for {name}"
    )
