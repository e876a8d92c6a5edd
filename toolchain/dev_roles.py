"""The roles of the throwaway database and their passwords."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from toolchain.dev_database import DevDatabase, literal

ROLES = ("postgres", "analytics_ro", "grafana_ro", "migrator")
SQL = Path(__file__).with_name("dev_roles.sql")


def generate() -> dict[str, str]:
    """A new random password for every role."""
    return {role: secrets.token_urlsafe(24) for role in ROLES}


def complete(database: DevDatabase) -> bool:
    """Whether every role is there and has a password."""
    found = database.sql("SELECT rolname FROM pg_authid WHERE rolpassword IS NOT NULL;")
    return set(ROLES) <= set(found.splitlines())


def apply(database: DevDatabase, passwords: Mapping[str, str]) -> None:
    """Makes the roles and sets these passwords: nothing of it is seen in a process list, a file or a log."""
    variables = "".join(f"\\set {role} {literal(passwords[role])}\n" for role in ROLES)
    database.sql(variables + SQL.read_text())
