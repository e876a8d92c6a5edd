"""Body of the lookup function, ready for the server. Pure."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from components.names import DeploymentNames

_SQL = Path(__file__).parent.parent / "sql" / "user_lookup.sql"


def lookup_body(names: DeploymentNames) -> str:
    """Text of sql/user_lookup.sql with the two group names as quoted literals."""
    return (
        sql.SQL(_SQL.read_text(encoding="utf-8"))
        .format(
            services_group=sql.Literal(names.services_group),
            superusers_group=sql.Literal(names.superusers_group),
        )
        .as_string(None)
    )
