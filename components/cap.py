"""CapSetting: the database's own setting that keeps the backend cap when a client resets its session.

No resource of the PostgreSQL plugin can express ALTER DATABASE … SET, so a one-shot psql job does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.jobs import Job, JobArgs

_SQL = Path(__file__).parent.parent / "sql" / "check_interval.sql"


@dataclass(frozen=True)
class CapSettingArgs:
    """How the job reaches the database from inside its network."""

    image: str
    """Image with psql in it."""
    network: str
    """Docker network of the database."""
    host: str
    """Host name of Postgres on that network."""
    port: int
    """Its port there."""
    database: str
    """Database that gets the setting."""
    user: str
    """Its owner, or a superuser."""
    password: pulumi.Input[str]
    """Secret; staged in a file of mode 0400 that the job removes."""
    interval_ms: int
    """Milliseconds between two looks whether the client is still there."""
    depends_on: list[pulumi.Resource]
    """What must be there before the database is touched."""


class CapSetting(pulumi.ComponentResource):
    """`client_connection_check_interval` on the database."""

    def __init__(self, name: str, args: CapSettingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:cap:CapSetting", name, None, opts)
        password_file = pulumi.Output.secret(args.password).apply(pgpass_line)
        job = Job(
            f"{name}-check-interval",
            JobArgs(
                script="sql",
                purpose="one-shot: sets client_connection_check_interval on the database",
                image=args.image,
                user="0",
                network=args.network,
                arguments=[
                    args.host,
                    str(args.port),
                    args.database,
                    args.user,
                    f"interval_ms={args.interval_ms}",
                ],
                uploads=[
                    docker.ContainerUploadArgs(
                        file="/staged/pgpass", content=password_file, permissions="0400"
                    ),
                    docker.ContainerUploadArgs(
                        file="/staged/statements.sql",
                        content=_SQL.read_text(encoding="utf-8"),
                        permissions="0444",
                    ),
                ],
                depends_on=args.depends_on,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.set = job.passed
        """For `depends_on` of the pooler."""
        self.register_outputs({})


def pgpass_line(password: str) -> str:
    """Password file for any server; libpq wants colons and backslashes escaped."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"
