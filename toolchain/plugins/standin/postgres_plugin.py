"""The stand-in for the postgresql resource plugin."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

from typing_extensions import override

from .postgres_function import Function
from .postgres_grant import Grant
from .postgres_grant_role import GrantRole
from .postgres_role import Role
from .postgres_schema import Schema
from .postgres_server import Server, ServerConfig
from .resource import Cancellation, PluginError
from .server import Plugin, serve
from .values import JsonObject, Value, is_unknown

_KEYS = (
    "connectTimeout",
    "database",
    "host",
    "maxConnections",
    "password",
    "port",
    "sslmode",
    "superuser",
    "username",
    "version",
)
_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")


class PostgresPlugin(Plugin):
    """Roles, schemas, functions and grants of one Postgres server."""

    name = "postgresql"

    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__(cancellation)
        self.version = metadata.version("pulumi-postgresql")

    @override
    def check_config(self, config: JsonObject) -> list[tuple[str, str]]:
        """Refuses what would be ignored silently."""
        refused = [
            (key, f"postgresql:{key} is not implemented by the stand-in for the postgresql plugin")
            for key in config
            if key not in _KEYS
        ]
        mode = config.get("sslmode")
        if isinstance(mode, str) and mode not in _SSL_MODES:
            refused.append(("sslmode", f"postgresql:sslmode must be one of {', '.join(_SSL_MODES)}"))
        return refused

    @override
    def configure(self, config: JsonObject) -> None:
        """Notes where the server is; the first resource that needs it connects."""
        known = {key: value for key, value in config.items() if not is_unknown(value)}
        server = Server(
            ServerConfig(
                host=known.get("host") or os.environ.get("PGHOST", ""),
                port=_number(known, "port", "PGPORT", 5432),
                username=known.get("username") or os.environ.get("PGUSER", "postgres"),
                password=known.get("password") or os.environ.get("PGPASSWORD", ""),
                database=known.get("database") or os.environ.get("PGDATABASE", "postgres"),
                sslmode=known.get("sslmode") or os.environ.get("PGSSLMODE", "require"),
                superuser=_flag(known.get("superuser", os.environ.get("PGSUPERUSER", "true"))),
                connect_timeout=_number(known, "connectTimeout", "PGCONNECT_TIMEOUT", 180),
                max_connections=_number(known, "maxConnections", "", 20),
            )
        )
        kinds = (Role(server), Schema(server), Function(server), Grant(server), GrantRole(server))
        self.types = {kind.urn_type: kind for kind in kinds}


def _number(config: JsonObject, key: str, variable: str, default: int) -> int:
    value: Any = config.get(key, os.environ.get(variable) or default)
    try:
        return int(value)
    except ValueError:
        raise PluginError(f"postgresql:{key} must be a whole number, got {value!r}") from None


def _flag(value: Value) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1")


if __name__ == "__main__":
    serve(PostgresPlugin)
