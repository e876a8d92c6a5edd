"""Verification: the job that compares what is declared with what is, last of all, and fails the update on a miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.jobs import Gate, Job, JobArgs

EMPTIED_BY_ITS_GROUP = "0660"
"""Mode of the secret files; docs/decisions/0008-verify-job-and-its-secrets.md says why not 0400."""

READ_BY_ITS_GROUP = "0440"
"""Mode of the others: the engine marks all files of a container as secret where one is, so no mode lets anybody in."""


@dataclass(frozen=True)
class VerificationArgs:
    """What is compared, and from where."""

    image: str
    """Image with pgbouncer, sh and psql in it."""
    user: str
    """Numeric uid:gid of the pooler: its console knows nobody else."""
    network: str
    """Docker network of pooler and database."""
    container: pulumi.Input[str]
    """Id of the pooler's container."""
    volumes: Sequence[docker.ContainerVolumeArgs]
    """Configuration and sockets, read-only."""
    arguments: Sequence[str]
    """As components/expectations.py gives them."""
    files: Mapping[str, pulumi.Input[str]]
    """Name → text of what is declared; nothing secret."""
    secret_files: Mapping[str, str]
    """Name → password file. Secret."""
    depends_on: Sequence[Gate]
    """What has to be in force before it is looked at."""


class Verification(pulumi.ComponentResource):
    """One job; a change of anything declared, or another container, runs it again."""

    def __init__(self, name: str, args: VerificationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:verification:Verification", name, None, opts)
        job = Job(
            f"{name}-verify",
            JobArgs(
                script="verify",
                purpose="one-shot: compares what is declared with what is",
                image=args.image,
                user=args.user,
                groups=["0"],
                memory_tmp=True,
                network=args.network,
                arguments=[args.container, *args.arguments],
                volumes=args.volumes,
                uploads=[
                    *(
                        docker.ContainerUploadArgs(
                            file=f"/staged/{file}", content=text, permissions=READ_BY_ITS_GROUP
                        )
                        for file, text in args.files.items()
                    ),
                    *(
                        docker.ContainerUploadArgs(
                            file=f"/staged/{file}",
                            content=pulumi.Output.secret(text),
                            permissions=EMPTIED_BY_ITS_GROUP,
                        )
                        for file, text in args.secret_files.items()
                    ),
                ],
                depends_on=args.depends_on,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        # Reading the gate is what fails the update.
        self.register_outputs({"verified": job.passed.apply(lambda _: True)})
