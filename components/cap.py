"""CapSetting: the database's own setting that keeps the backend cap when a client resets its session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pulumi

from components.sql_job import DatabaseAccess, SqlJob

_SQL = Path(__file__).parent.parent / "sql" / "check_interval.sql"


@dataclass(frozen=True)
class CapSettingArgs:
    """Where, and how often."""

    access: DatabaseAccess
    """How to reach the stack's own database."""
    databases: tuple[str, ...]
    """Further databases of the same server that get the setting too."""
    interval_ms: int
    """Milliseconds between two looks whether the client is still there."""
    depends_on: list[pulumi.Resource]
    """What must be there before the database is touched."""


class CapSetting(pulumi.ComponentResource):
    """`client_connection_check_interval` on every database of the stack."""

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
        further = [
            SqlJob(
                f"{name}-check-interval-{database}",
                replace(args.access, database=database),
                purpose=f"one-shot: sets client_connection_check_interval on the database {database}",
                statements=_SQL.read_text(encoding="utf-8"),
                variables=[f"interval_ms={args.interval_ms}"],
                depends_on=args.depends_on,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for database in args.databases
        ]
        self.set = [job.passed, *(other.passed for other in further)]
        """For `depends_on` of the pooler."""
        self.register_outputs({})
