"""Names that this deployment creates, and names that services may therefore not use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KEY_CHARACTERS = re.compile(r"[A-Za-z0-9_.-]+")
"""What PgBouncer accepts as a key in [databases] and [users]; quoting does not widen it (measured on 1.26.1)."""

_POSTGRES_RESERVED = ("public", "none", "current_user", "current_role", "session_user")
_MAX_NAME_BYTES = 63  # NAMEDATALEN - 1; Postgres would cut the rest off silently


@dataclass(frozen=True)
class DeploymentNames:
    """Roles, schema and [databases] entries of the deployment `name` in front of `database`."""

    name: str
    database: str

    @property
    def transaction_entry(self) -> str:
        """Entry of the transaction lane: the database's own name, so that only host and port change."""
        return self.database

    @property
    def session_entry(self) -> str:
        """Entry of the session lane."""
        return f"{self.database}_session"

    @property
    def auth_entry(self) -> str:
        """Entry of the lookups; closed to clients by HBA."""
        return f"{self.name}_auth"

    @property
    def schema(self) -> str:
        """Schema of the lookup function."""
        return self.name

    @property
    def services_group(self) -> str:
        """NOLOGIN role whose direct members the lookup answers for."""
        return f"{self.name}_services"

    @property
    def superusers_group(self) -> str:
        """NOLOGIN role whose direct members may be superusers."""
        return f"{self.name}_superusers"

    @property
    def stats_user(self) -> str:
        """User of the console who may only SHOW; no role of Postgres."""
        return f"{self.name}_stats"

    @property
    def monitor_role(self) -> str:
        """Role of Postgres that reads its statistics for the metrics."""
        return f"{self.name}_monitor"

    @property
    def auth_roles(self) -> tuple[str, str]:
        """The two roles that alternate as PgBouncer's auth_user."""
        return (f"{self.name}_auth_a", f"{self.name}_auth_b")

    def auth_role(self, rotation: int) -> str:
        """The role in use at `rotation` (1, 2, …)."""
        return self.auth_roles[(rotation - 1) % 2]


def refuse_entry_name(path: str, entry: str, taken: Mapping[str, str]) -> Iterator[str]:
    """One line for a name that cannot be, or already is, an entry in [databases]."""
    if not KEY_CHARACTERS.fullmatch(entry):
        yield (
            f"{path}: {json.dumps(entry)} has characters that PgBouncer cannot write as a key; "
            "use A-Z, a-z, 0-9, _, . and - only"
        )
    elif entry == "pgbouncer":
        yield f'{path}: "pgbouncer" is the name of the admin console; choose another'
    elif entry in taken:
        yield f"{path}: {json.dumps(entry)} is already the name of {taken[entry]}; choose another"
    elif len(entry) > _MAX_NAME_BYTES:
        yield f"{path}: {json.dumps(entry)} is longer than {_MAX_NAME_BYTES} bytes; shorten it"


def refuse_user_name(path: str, user: str, names: DeploymentNames) -> Iterator[str]:
    """One line for a role that is reserved by Postgres, by PgBouncer or by this deployment."""
    ours = (
        *names.auth_roles,
        names.services_group,
        names.superusers_group,
        names.stats_user,
        names.monitor_role,
    )
    if not user:
        yield f"{path}: is empty; name a role"
    elif user == "pgbouncer":
        yield f'{path}: "pgbouncer" is the user of the admin console; choose another role'
    elif user in ours:
        yield f"{path}: {json.dumps(user)} is a role of this deployment; choose another"
    elif user in _POSTGRES_RESERVED or user.startswith("pg_"):
        yield f"{path}: {json.dumps(user)} is reserved by Postgres; choose another role"
    elif len(user.encode()) > _MAX_NAME_BYTES:
        yield f"{path}: {json.dumps(user)} is longer than {_MAX_NAME_BYTES} bytes; shorten it"
