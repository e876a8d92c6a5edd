"""SqlJob: a psql job on the shared database, for what no resource of the PostgreSQL plugin can express."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.jobs import Gate, Job, JobArgs
from components.password_file import pgpass_line


@dataclass(frozen=True)
class DatabaseAccess:
    """How a job reaches the database from inside its network, as its admin."""

    image: str
    """Image with psql in it."""
    network: str
    """Docker network of the database."""
    host: str
    """Host name of Postgres on that network."""
    port: int
    """Its port there."""
    database: str
    """The shared database."""
    user: str
    """Owner of the database who may alter the services' roles, or a superuser."""
    password: pulumi.Input[str]
    """Secret; staged in a file of mode 0400 that the job removes."""


class SqlJob(Job):
    """Runs statements once; a change of their text, or of a variable, runs them again."""

    def __init__(
        self,
        name: str,
        access: DatabaseAccess,
        *,
        purpose: str,
        statements: pulumi.Input[str],
        variables: Sequence[str] = (),
        depends_on: Sequence[Gate] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            name,
            JobArgs(
                script="sql",
                purpose=purpose,
                image=access.image,
                user="0",
                network=access.network,
                arguments=[access.host, str(access.port), access.database, access.user, *variables],
                uploads=[
                    docker.ContainerUploadArgs(
                        file="/staged/pgpass",
                        content=pulumi.Output.secret(access.password).apply(pgpass_line),
                        permissions="0400",
                    ),
                    docker.ContainerUploadArgs(
                        file="/staged/statements.sql", content=statements, permissions="0400"
                    ),
                ],
                depends_on=depends_on,
            ),
            opts,
        )
