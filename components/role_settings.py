"""RoleSettings: session defaults of services, pinned where `options=` cannot be dropped and no RESET undoes them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.sql_job import DatabaseAccess, SqlJob


@dataclass(frozen=True)
class RoleSettingsArgs:
    """What is set, and where."""

    access: DatabaseAccess
    """A database of the server that has the roles."""
    statements: str
    """ALTER ROLE … IN DATABASE … SET, one per line; not empty."""
    depends_on: list[pulumi.Resource]
    """What must be there before the server is touched."""


class RoleSettings(pulumi.ComponentResource):
    """One job for all roles. It changes nothing else of a role, and takes nothing back when it goes."""

    def __init__(self, name: str, args: RoleSettingsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:routes:RoleSettings", name, None, opts)
        job = SqlJob(
            f"{name}-role-settings",
            args.access,
            purpose="one-shot: sets defaults of services on their roles",
            statements=f"BEGIN;\n{args.statements}COMMIT;\n",
            depends_on=args.depends_on,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.set = job.passed
        """For `depends_on` of the pooler."""
        self.register_outputs({})
