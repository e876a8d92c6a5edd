"""MetricsAccess: who the exporters log in as, with passwords that nobody has to set."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.budget import MONITOR_CONNECTIONS
from components.jobs import Gate, flattened
from components.names import DeploymentNames
from components.scram import scram_verifier


@dataclass(frozen=True)
class MetricsAccessArgs:
    """Which logins there are."""

    names: DeploymentNames
    """Names of the user and the role."""
    rotation: int
    """1, 2, …: each step gives both a new password."""
    reads_postgres: bool
    """Whether there is an exporter of Postgres too, which needs a role on the server."""
    depends_on: list[Gate]
    """What must be there before the server is touched."""


class MetricsAccess(pulumi.ComponentResource):
    """A user of PgBouncer's console who may only SHOW and, for Postgres, a role that reads statistics."""

    stats_password: pulumi.Output[str]
    """Of the console's user; secret."""
    stats_verifier: pulumi.Output[str]
    """What the userlist holds of it; secret."""
    monitor_password: pulumi.Output[str] | None
    """Of the role on the server; secret. None without an exporter of Postgres."""

    def __init__(
        self, name: str, args: MetricsAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("pgbouncer:metrics:MetricsAccess", name, None, opts)
        self._name, self._keepers = name, {"rotation": str(args.rotation)}
        self.stats_password, self.stats_verifier = self._login("stats")
        self.monitor_password = None
        if args.reads_postgres:
            self.monitor_password, verifier = self._login("monitor")
            postgresql.Role(
                f"{name}-monitor",
                name=args.names.monitor_role,
                login=True,
                password=verifier,
                # with the role itself: memberships of their own do not survive its next password (measured)
                roles=["pg_monitor"],
                connection_limit=MONITOR_CONNECTIONS,
                opts=pulumi.ResourceOptions(parent=self, depends_on=flattened(args.depends_on)),
            )
        self.register_outputs({})

    def _login(self, purpose: str) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """A generated password and its verifier; secret because their parts are."""
        children = pulumi.ResourceOptions(parent=self)
        password = random.RandomPassword(
            f"{self._name}-{purpose}-password",
            length=48,
            special=False,
            keepers=self._keepers,
            opts=children,
        )
        salt = random.RandomBytes(
            f"{self._name}-{purpose}-salt", length=16, keepers=self._keepers, opts=children
        )
        verifier = pulumi.Output.all(password.result, salt.base64).apply(lambda both: scram_verifier(*both))
        return password.result, verifier
