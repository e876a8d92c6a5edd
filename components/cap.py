"""CapSetting: the database's own setting that keeps the backend cap when a client resets its session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.sql_job import DatabaseAccess, SqlJob

_SQL = Path(__file__).parent.parent / "sql" / "check_interval.sql"


@dataclass(frozen=True)
class CapSettingArgs:
    """Where, and how often."""

    access: DatabaseAccess
    """The database that gets the setting."""
    interval_ms: int
    """Milliseconds between two looks whether the client is still there."""
    depends_on: list[pulumi.Resource]
    """What must be there before the database is touched."""


class CapSetting(pulumi.ComponentResource):
    """`client_connection_check_interval` on the database."""

    def __init__(self, name: str, args: CapSettingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:cap:CapSetting", name, None, opts)
        job = SqlJob(
            f"{name}-check-interval",
            args.access,
            purpose="one-shot: sets client_connection_check_interval on the database",
            statements=_SQL.read_text(encoding="utf-8"),
            variables=[f"interval_ms={args.interval_ms}"],
            depends_on=args.depends_on,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.set = job.passed
        """For `depends_on` of the pooler."""
        self.register_outputs({})
