"""Metrics: the exporters, beside the pooler on the database's network. Nothing of them is published."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.jobs import Gate, Job, JobArgs, flattened, labels
from components.password_file import pgpass_line

POOLER_PURPOSE = "exporter of the pooler's statistics"
POSTGRES_PURPOSE = "exporter of Postgres' statistics"

_SECRETS = "/secrets"
_MEMORY_MB = 96


@dataclass(frozen=True)
class MetricsArgs:
    """Where the exporters run, what they ask and with which passwords."""

    image: str
    """Image of the exporter of PgBouncer."""
    postgres_image: str | None
    """Image of the exporter of Postgres; None for no such container."""
    job_image: str
    """Image with a shell, for the job that hands over the passwords."""
    user: str
    """Numeric uid:gid of the exporters."""
    network: str
    """Docker network of pooler and database."""
    alias: str
    """Name of the pooler there; the exporters' names begin with it."""
    console: str
    """Connection string of the console without a password."""
    database: str
    """host:port/database?parameters of Postgres, as the community's postgres_exporter takes it."""
    monitor_role: str
    """Role on the server that reads statistics."""
    stats_password: pulumi.Input[str]
    """Secret, of the user in `console`."""
    monitor_password: pulumi.Input[str] | None
    """Secret, of `monitor_role`; None without an exporter of Postgres."""
    depends_on: Sequence[Gate]
    """The pooler with the statistics user in force, and the role."""


class Metrics(pulumi.ComponentResource):
    """Passwords are files of mode 0400 on a volume that only the exporters see; env and argv name the files."""

    def __init__(self, name: str, args: MetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:metrics:Metrics", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        files = {"pgpass": pulumi.Output.secret(args.stats_password).apply(pgpass_line)}
        if args.monitor_password is not None:
            files["postgres"] = pulumi.Output.secret(args.monitor_password)
        volume = docker.Volume(
            f"{name}-secrets",
            labels=[
                docker.VolumeLabelArgs(label=label.label, value=label.value)
                for label in labels(f"passwords of the exporters of {name}")
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=flattened(args.depends_on)),
        )
        handed_over = Job(
            f"{name}-exporter-secrets",
            JobArgs(
                script="secrets",
                purpose="one-shot: puts the exporters' passwords on their volume",
                image=args.job_image,
                user="0",
                arguments=[args.user],
                volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path=_SECRETS)],
                uploads=[
                    docker.ContainerUploadArgs(file=f"/staged/{file}", content=text, permissions="0400")
                    for file, text in files.items()
                ],
                # with the prefix, as the plugin reads them back
                capabilities=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"],
                depends_on=args.depends_on,
            ),
            children,
        )
        self._args, self._volume, self._handed_over = args, volume.name, handed_over
        self._exporter(
            f"{name}-exporter",
            POOLER_PURPOSE,
            args.image,
            f"{args.alias}-exporter",
            [f"PGBOUNCER_EXPORTER_CONNECTION_STRING={args.console}", f"PGPASSFILE={_SECRETS}/pgpass"],
            files["pgpass"],
        )
        if args.postgres_image is not None:
            self._exporter(
                f"{name}-postgres-exporter",
                POSTGRES_PURPOSE,
                args.postgres_image,
                f"{args.alias}-postgres-exporter",
                [
                    f"DATA_SOURCE_URI={args.database}",
                    f"DATA_SOURCE_USER={args.monitor_role}",
                    f"DATA_SOURCE_PASS_FILE={_SECRETS}/postgres",
                ],
                files["postgres"],
            )
        # Reading the gate is what fails the update when the passwords could not be handed over.
        self.register_outputs({"handed_over": handed_over.passed.apply(lambda _: sorted(files))})

    def _exporter(
        self,
        name: str,
        purpose: str,
        image: str,
        alias: str,
        envs: list[str],
        secret: pulumi.Output[str],
    ) -> None:
        args = self._args
        docker.Container(
            name,
            image=image,
            user=args.user,
            envs=envs,
            labels=[
                *labels(purpose),
                docker.ContainerLabelArgs(label="pgbouncer-stack.password", value=_digest(secret)),
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network, aliases=[alias])],
            volumes=[
                docker.ContainerVolumeArgs(volume_name=self._volume, container_path=_SECRETS, read_only=True)
            ],
            read_only=True,
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            memory=_MEMORY_MB,
            memory_swap=2 * _MEMORY_MB,
            restart="unless-stopped",
            must_run=True,
            log_driver="json-file",
            log_opts={"max-size": "10m", "max-file": "3"},
            stop_timeout=5,
            destroy_grace_seconds=5,
            opts=pulumi.ResourceOptions(
                parent=self,
                # two at once would not fit into the connections that the budget gives the role
                delete_before_replace=True,
                replace_on_changes=["memory", "memorySwap"],
                depends_on=flattened([*args.depends_on, self._handed_over.passed]),
            ),
        )


def _digest(secret: pulumi.Output[str]) -> pulumi.Output[str]:
    """Eight hex digits that change with a password, so that the exporter is made anew and reads it.

    48 random characters cannot be found from it, so it is shown in clear.
    """
    return pulumi.Output.unsecret(secret.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:8]))
