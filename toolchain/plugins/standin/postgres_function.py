"""postgresql:index/function:Function."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from typing_extensions import override

from .postgres_server import Server, identifier
from .resource import Live, PluginError, ResourceType
from .schema import Property, boolean, one_of, records, text
from .values import JsonObject

_ARGUMENT: dict[str, Property] = {
    "default": text(),
    "mode": text(default="IN"),
    "name": text(),
    "type": text(required=True),
}
_BODY = re.compile(r".*\$[a-zA-Z]*\$\s(?P<body>.*)\s\$[a-zA-Z]*\$.*", re.IGNORECASE | re.DOTALL)
_SIGNATURE = re.compile(r"(?P<schema>[^.]+)\.(?P<name>[^(]+)\((?P<args>.*)\)", re.DOTALL)
_DEFINITION = re.compile(
    r"CREATE\sOR\sREPLACE\sFUNCTION\s(?P<schema>[^.]+)\.(?P<name>[^(]+)\((?P<args>.*)\).*"
    r"RETURNS\s(?P<returns>[^\n]+).*LANGUAGE\s(?P<language>[^\n\s]+)\s*"
    r"(?P<volatility>(?:STABLE|IMMUTABLE)?)\s*"
    r"(?P<parallel>(?:PARALLEL (?:SAFE|RESTRICTED))?)\s*(?P<strict>(?:STRICT)?)\s*"
    r"(?P<security>(?:SECURITY DEFINER)?).*\$[a-zA-Z]*\$(?P<body>.*)\$[a-zA-Z]*\$",
    re.IGNORECASE | re.DOTALL,
)
_DEFAULT = re.compile(r"(?P<rest>.*)\sDEFAULT\s(?P<default>.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(
    r"(?:(?P<mode>IN|OUT|INOUT|VARIADIC)\s)?(?P<name>[^\s]+)\s(?P<type>.*)", re.IGNORECASE | re.DOTALL
)


class Function(ResourceType):
    """A function, told by its argument types."""

    urn_type = "postgresql:index/function:Function"
    properties: ClassVar[dict[str, Property]] = {
        "args": records(_ARGUMENT, ordered=True, replaces=True, compared_with_state=True),
        "body": text(required=True, compared_with_state=True),
        "database": text(replaces=True, kept_when_unset=True),
        "dropCascade": boolean(),
        "language": text(default="plpgsql", replaces=True, compared_with_state=True),
        "name": text(replaces=True),
        "parallel": text(
            default="UNSAFE", compared_with_state=True, rule=one_of("UNSAFE", "RESTRICTED", "SAFE")
        ),
        "returns": text(replaces=True, kept_when_unset=True, compared_with_state=True),
        "schema": text(replaces=True, kept_when_unset=True),
        "securityDefiner": boolean(),
        "strict": boolean(),
        "volatility": text(
            default="VOLATILE", compared_with_state=True, rule=one_of("VOLATILE", "STABLE", "IMMUTABLE")
        ),
    }
    computed = ("database", "returns", "schema")

    def __init__(self, server: Server) -> None:
        self._server = server

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the function; one of the same signature is an error."""
        return self._write(inputs, "CREATE FUNCTION")

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Replaces the definition; privileges stay, a `SET` added by hand does not."""
        return self._write(inputs, "CREATE OR REPLACE FUNCTION")

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The function as Postgres has it."""
        database, signature = self._expand(identity, inputs)
        with self._server.transaction(database) as transaction:
            row = transaction.row(
                "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid = to_regprocedure(%s)", signature
            )
        if row is None:
            return None
        live = {**_parsed(row[0]), "database": database}
        shown = {**live, "dropCascade": inputs.get("dropCascade", False)}
        if not inputs:
            kept = {key: value for key, value in live.items() if value not in (None, "", False, [])}
            return Live(identity, shown, kept)
        return Live(identity, shown, live)

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Drops the function."""
        database, signature = self._expand(identity, outputs)
        mode = "CASCADE" if outputs.get("dropCascade") else "RESTRICT"
        with self._server.transaction(database) as transaction:
            transaction.run(f"DROP FUNCTION IF EXISTS {signature} {mode}")

    def _write(self, inputs: JsonObject, command: str) -> Live:
        database = inputs.get("database") or self._server.config.database
        with self._server.transaction(database) as transaction:
            transaction.run(_statement(command, inputs))
        inward = [arg["type"] for arg in inputs.get("args") or [] if arg.get("mode", "IN") != "OUT"]
        identity = f"{database}.{inputs.get('schema') or 'public'}.{inputs['name']}({','.join(inward)})"
        live = self.read(identity, inputs, {})
        if live is None:
            raise PluginError(f"function {identity} was gone at once")
        return live

    def _expand(self, identity: str, values: JsonObject) -> tuple[str, str]:
        parts = identity.split(".")
        if len(parts) == 2:
            return values.get("database") or self._server.config.database, _quoted(identity)
        if len(parts) == 3:
            return parts[0], _quoted(".".join(parts[1:]))
        raise PluginError(
            f"function ID {identity} has not the expected format 'database.schema.function_name(arguments)'"
        )


def _quoted(signature: str) -> str:
    found = _SIGNATURE.search(signature)
    if found is None:
        raise PluginError(
            f'incorrect signature format "{signature}". '
            "The expected format is schema.function_name(arguments)"
        )
    return f"{identifier(found['schema'])}.{identifier(found['name'])}({found['args']})"


def _statement(command: str, inputs: JsonObject) -> str:
    arguments = inputs.get("args") or []
    parameters = ", ".join(_parameter(argument) for argument in arguments)
    outward = [argument["type"] for argument in arguments if argument.get("mode", "IN").upper() == "OUT"]
    schema, name = identifier(inputs.get("schema") or "public"), identifier(inputs["name"])
    lines = [
        f"{command} {schema}.{name} ({parameters})",
        f"RETURNS {inputs.get('returns') or (outward[-1] if outward else 'void')}",
        f"LANGUAGE {inputs.get('language') or 'plpgsql'}",
    ]
    if inputs.get("volatility", "VOLATILE") != "VOLATILE":
        lines.append(inputs["volatility"])
    if inputs.get("securityDefiner"):
        lines.append("SECURITY DEFINER")
    if inputs.get("parallel", "UNSAFE") != "UNSAFE":
        lines.append(f"PARALLEL {inputs['parallel']}")
    if inputs.get("strict"):
        lines.append("STRICT")
    lines.append(f"AS $function${_normalized(inputs['body'])}$function$;")
    return "\n".join(lines)


def _parameter(argument: JsonObject) -> str:
    parts = [argument.get("mode", "IN"), argument.get("name", ""), argument["type"]]
    if argument.get("default"):
        parts += ["DEFAULT", argument["default"]]
    return " ".join(part for part in parts if part)


def _normalized(body: str) -> str:
    """The text between dollar quotes, if the body brings its own."""
    found = _BODY.match(body)
    return found["body"] if found else body


def _parsed(definition: str) -> JsonObject:
    found = _DEFINITION.search(definition)
    if found is None:
        raise PluginError("error reading function: its definition has a form that is not understood")
    return {
        "args": [_parsed_argument(part) for part in found["args"].split(",")] if found["args"] else [],
        "body": found["body"],
        "language": found["language"],
        "name": found["name"],
        "parallel": found["parallel"].removeprefix("PARALLEL ") or "UNSAFE",
        "returns": found["returns"],
        "schema": found["schema"],
        "securityDefiner": bool(found["security"]),
        "strict": bool(found["strict"]),
        "volatility": found["volatility"] or "VOLATILE",
    }


def _parsed_argument(definition: str) -> dict[str, Any]:
    text_, default = definition, ""
    if with_default := _DEFAULT.match(definition):
        text_, default = with_default["rest"], with_default["default"]
    found = _PARAMETER.search(text_)
    parts = found.groupdict() if found else {}
    return {
        "default": default,
        "mode": parts.get("mode") or "IN",
        "name": parts.get("name") or "",
        "type": parts.get("type") or "",
    }
