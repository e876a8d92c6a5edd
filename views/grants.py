"""The role of least privilege that would do for a service that logs in as a superuser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pglast.keywords import RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

from views.evidence import Table
from views.table_use import Use

_ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")


def identifier(name: str) -> str:
    """Quoted where SQL needs it."""
    plain = (
        re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED_KEYWORDS | TYPE_FUNC_NAME_KEYWORDS
    )
    return name if plain else '"' + name.replace('"', '""') + '"'


def for_service(database: str, service: str, uses: Iterable[Use], tables: Sequence[Table]) -> list[str]:
    """Statements for a role named as the service, for exactly what was seen in use; one line each."""
    role = identifier(service)
    wanted: dict[tuple[str, str], set[str]] = {}
    for privilege, schema, name in uses:
        for table in tables:
            if table.name == name and schema in ("", table.schema):
                wanted.setdefault((table.schema, table.name), set()).add(privilege)
    schemas = sorted({schema for schema, _ in wanted})
    lines = [_created(role), f"GRANT CONNECT ON DATABASE {identifier(database)} TO {role};"]
    lines += [f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {role};" for schema in schemas]
    for (schema, name), privileges in sorted(wanted.items()):
        ordered = ", ".join(one for one in _ORDER if one in privileges)
        lines.append(f"GRANT {ordered} ON {identifier(schema)}.{identifier(name)} TO {role};")
    if any("INSERT" in privileges for privileges in wanted.values()):
        lines += [
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {identifier(schema)} TO {role};" for schema in schemas
        ]
    return lines


def for_rows(database: str, services: Sequence[str], schemas: Sequence[str]) -> list[str]:
    """Statements for a role of each service that reads and writes all rows of these schemas; one line each."""
    roles = [identifier(service) for service in services]
    to = f"TO {', '.join(roles)};"
    lines = [_created(role) for role in roles]
    lines.append(f"GRANT CONNECT ON DATABASE {identifier(database)} {to}")
    for schema in map(identifier, schemas):
        lines += [
            f"GRANT USAGE ON SCHEMA {schema} {to}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} {to}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} {to}",
        ]
    return lines


def _created(role: str) -> str:
    return f"CREATE ROLE {role} LOGIN;  -- then \\password {role}"
