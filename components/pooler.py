"""Pooler: the volumes, the jobs that write, check and promote a configuration, and the PgBouncer container."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.jobs import Gate, Job, JobArgs, flattened, labels, script

READY_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class PoolerArgs:
    """Rendered text and the container's own definition."""

    image: str
    """Image with pgbouncer, sh and psql in it."""
    user: str
    """Numeric uid:gid of every process but the one that hands over the userlist."""
    network: str
    """Docker network of the database."""
    alias: str
    """Name of the pooler on that network."""
    port: int
    """Port inside the network."""
    published: tuple[str, ...]
    """Host addresses like 127.0.0.1:6432; with any, a replacement cannot overlap."""
    memory_mb: int
    """MiB."""
    cpus: float | None
    """CPUs, None for no limit."""
    nofile: int | None
    """Open files, None for the engine's limit."""
    destroy_grace_seconds: int
    """Seconds from the stop to the kill."""
    drain_seconds: int
    """Seconds of the drain's first phase."""
    ini: str
    """Reloadable configuration."""
    hba: str
    """Host-based access rules."""
    userlist: pulumi.Input[str]
    """Secret line with the auth role's password."""
    restart_only: str
    """Settings that need a new process."""
    depends_on: Sequence[Gate]
    """What logins and the cap need: roles, function, grants and the database's setting."""


class Pooler(pulumi.ComponentResource):
    """Config changes replace jobs, which reload; only the container's own definition replaces the container."""

    def __init__(self, name: str, args: PoolerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:pooler:Pooler", name, None, opts)
        # Nothing is made on the engine before the database has accepted its part.
        after_auth = pulumi.ResourceOptions(parent=self, depends_on=flattened(args.depends_on))
        volume_labels = [
            docker.VolumeLabelArgs(label=label.label, value=label.value)
            for label in labels(f"configuration and sockets of {name}")
        ]
        config = docker.Volume(f"{name}-config", labels=volume_labels, opts=after_auth)
        run = docker.Volume(f"{name}-run", labels=volume_labels, opts=after_auth)
        config_volume = docker.ContainerVolumeArgs(volume_name=config.name, container_path="/config")
        run_volume = docker.ContainerVolumeArgs(volume_name=run.name, container_path="/run/pgb")
        children = pulumi.ResourceOptions(parent=self)
        digest = _digest(args)

        userlist = Job(
            f"{name}-userlist",
            JobArgs(
                script="userlist",
                purpose="one-shot: puts the secret userlist on the config volume",
                image=args.image,
                user="0",
                arguments=[args.user],
                volumes=[config_volume, run_volume],
                uploads=[
                    docker.ContainerUploadArgs(
                        file="/staged/userlist.txt",
                        content=pulumi.Output.secret(args.userlist),
                        permissions="0400",
                    )
                ],
                # with the prefix: the plugin reads them back like this, and a refresh would show a diff (measured)
                capabilities=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"],
            ),
            children,
        )
        write = Job(
            f"{name}-write",
            JobArgs(
                script="write",
                purpose="one-shot: stages the configuration and lets a scratch PgBouncer check it",
                image=args.image,
                user=args.user,
                arguments=[digest, str(args.port)],
                volumes=[config_volume],
                uploads=[
                    docker.ContainerUploadArgs(
                        file=f"/staged/{file}", content=text, permissions="0444", content_base64=None
                    )
                    for file, text in (("pgbouncer.ini", args.ini), ("pg_hba.conf", args.hba))
                ],
                depends_on=[userlist.passed],
            ),
            children,
        )
        container = self._container(name, args, config.name, run_volume, write)
        ready = Job(
            f"{name}-ready",
            JobArgs(
                script="ready",
                purpose="one-shot: waits until the new pooler answers, before the old one is stopped",
                image=args.image,
                user=args.user,
                arguments=[container.id, str(args.port), str(READY_TIMEOUT_SECONDS)],
                volumes=[run_volume],
            ),
            children,
        )
        reload = Job(
            f"{name}-reload",
            JobArgs(
                script="reload",
                purpose="one-shot: promotes the staged configuration, reloads and compares",
                image=args.image,
                user=args.user,
                arguments=[digest, container.id, str(args.port)],
                volumes=[config_volume, run_volume],
                depends_on=[ready.passed, write.passed],
            ),
            children,
        )
        self.container_id = container.id
        """Of the PgBouncer container in force."""
        self.in_force = reload.passed
        """For `depends_on` of what looks at the configuration that this update has brought."""
        self.to_look_at = [
            docker.ContainerVolumeArgs(volume_name=config.name, container_path="/config", read_only=True),
            docker.ContainerVolumeArgs(volume_name=run.name, container_path="/run/pgb", read_only=True),
        ]
        """Its volumes for a job that changes nothing."""
        # Reading the last gate here is what fails the update when a promotion was rolled back.
        self.register_outputs({"in_force": reload.passed.apply(lambda _: digest)})

    def _container(
        self,
        name: str,
        args: PoolerArgs,
        config_volume: pulumi.Output[str],
        run_volume: docker.ContainerVolumeArgs,
        write: Job,
    ) -> docker.Container:
        probe = f'psql -XAtq -h "$(cat /tmp/slot)" -p {args.port} -U pgbouncer -d pgbouncer -c "SHOW VERSION"'
        return docker.Container(
            f"{name}-pooler",
            image=args.image,
            entrypoints=["/bin/sh", "-c", script("start"), "pgbouncer"],
            command=[str(args.port), str(args.drain_seconds), args.restart_only],
            user=args.user,
            labels=labels("PgBouncer, the pooler that services connect to"),
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.network, aliases=[args.alias]),
            ],
            ports=[_published(address, args.port) for address in args.published] or None,
            volumes=[
                docker.ContainerVolumeArgs(
                    volume_name=config_volume, container_path="/config", read_only=True
                ),
                run_volume,
            ],
            read_only=True,
            tmpfs={"/tmp": "mode=1777,noexec,nosuid,nodev,size=4m"},  # noqa: S108 the container's own, not the host's
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            memory=args.memory_mb,
            memory_swap=2 * args.memory_mb,  # memory alone shows a diff at every preview (measured)
            cpus=None if args.cpus is None else str(args.cpus),
            ulimits=None
            if args.nofile is None
            else [docker.ContainerUlimitArgs(name="nofile", hard=args.nofile, soft=args.nofile)],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD-SHELL", probe], interval="10s", timeout="5s", start_period="5s", retries=3
            ),
            restart="unless-stopped",
            must_run=True,
            log_driver="json-file",
            log_opts={"max-size": "10m", "max-file": "3"},
            stop_timeout=args.destroy_grace_seconds,
            destroy_grace_seconds=args.destroy_grace_seconds,
            opts=pulumi.ResourceOptions(
                parent=self,
                # a published port can be held by one container only
                delete_before_replace=bool(args.published),
                # changed in place by nobody: the plugin keeps silent about them
                replace_on_changes=["healthcheck", "tmpfs", "memory", "memorySwap"],
                depends_on=flattened([*args.depends_on, write.passed]),
            ),
        )


def _digest(args: PoolerArgs) -> pulumi.Output[str]:
    """First 16 hex digits of SHA-256 over ini, HBA and userlist: the folder's name, checked again by the jobs.

    The userlist's 48 random characters cannot be found from it, so it is shown in clear.
    """
    joined = pulumi.Output.all(args.ini, args.hba, args.userlist).apply("".join)
    return pulumi.Output.unsecret(joined.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:16]))


def _published(address: str, internal: int) -> docker.ContainerPortArgs:
    ip, port = address.rsplit(":", 1)
    return docker.ContainerPortArgs(internal=internal, external=int(port), ip=ip)
