"""One-shot jobs: containers that run a script once, and the gate that reads their exit code.

The Docker plugin does not look at a job's exit code. Passing it into an input would preview as a replacement of
what depends on it, so the gate sits in `depends_on` (measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

_SCRIPTS = Path(__file__).parent / "scripts"

MEMORY_TMP = "mode=1777,noexec,nosuid,nodev,size=8m"
"""Options of a /tmp that is never on a disk."""

Gate = pulumi.Resource | pulumi.Output[list[pulumi.Resource]]
"""A resource that must be there, or the `passed` of a job that must have succeeded."""


def script(name: str) -> str:
    """Text of scripts/<name>.sh with the shared console functions before it."""
    return "".join((_SCRIPTS / f"{part}.sh").read_text(encoding="utf-8") for part in ("console", name))


def labels(purpose: str) -> list[docker.ContainerLabelArgs]:
    """`docker ps -a` and `docker inspect` say what a container is for and which stack owns it."""
    pairs = {
        "pgbouncer-stack.stack": pulumi.get_stack(),
        "pgbouncer-stack.project": pulumi.get_project(),
        "pgbouncer-stack.purpose": purpose,
    }
    return [docker.ContainerLabelArgs(label=label, value=value) for label, value in pairs.items()]


@dataclass(frozen=True)
class JobArgs:
    """A script, what it may touch and what it is for."""

    script: str
    """Name of the file in scripts/, without .sh."""
    purpose: str
    """Shown as a label: what an operator reads in `docker inspect`."""
    image: str
    """Image reference of the pooler; jobs run in the same."""
    user: str
    """Numeric uid:gid, or 0 for the jobs that policy/exceptions.json names."""
    network: str | None = None
    """Docker network that it needs; None is no network at all."""
    arguments: Sequence[pulumi.Input[str]] = ()
    """Positional parameters of the script."""
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    """Volumes that it sees."""
    uploads: Sequence[docker.ContainerUploadArgs] = ()
    """Files below /staged, deleted by the script where they are secret."""
    groups: Sequence[str] = ()
    """Further numeric groups of its processes."""
    memory_tmp: bool = False
    """Its /tmp is in memory: for what must not be on a disk, not even in a stopped container."""
    capabilities: Sequence[str] = ()
    """Linux capabilities kept; none by default."""
    depends_on: Sequence[Gate] = ()
    """What must have succeeded before."""


class Job(docker.Container):
    """A container that runs to its end inside its creation; `passed` fails the update when it failed."""

    def __init__(self, name: str, args: JobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            name,
            image=args.image,
            entrypoints=["/bin/sh", "-c", script(args.script), args.script],
            command=list(args.arguments),
            user=args.user,
            must_run=False,
            attach=True,
            logs=True,
            network_mode="none" if args.network is None else "bridge",
            networks_advanced=None
            if args.network is None
            else [docker.ContainerNetworksAdvancedArgs(name=args.network)],
            group_adds=list(args.groups) or None,
            tmpfs={"/tmp": MEMORY_TMP} if args.memory_tmp else None,  # noqa: S108 the container's own
            capabilities=docker.ContainerCapabilitiesArgs(adds=list(args.capabilities), drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            volumes=list(args.volumes),
            uploads=list(args.uploads) or None,
            labels=labels(args.purpose),
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(depends_on=flattened(args.depends_on))
            ),
        )

    @property
    def passed(self) -> pulumi.Output[list[pulumi.Resource]]:
        """For `depends_on` of what must not happen when this job failed."""
        return pulumi.Output.all(self.exit_code, self.container_logs, self.urn).apply(
            lambda ended: check_exit(
                self, None if ended[0] is None else int(ended[0]), str(ended[1] or ""), str(ended[2])
            )
        )


def flattened(
    gates: Sequence[Gate],
) -> pulumi.Output[list[pulumi.Resource]]:
    """Resources and gates as one list for `depends_on`."""

    def flatten(items: list[pulumi.Resource | list[pulumi.Resource]]) -> list[pulumi.Resource]:
        found: list[pulumi.Resource] = []
        for item in items:
            found += item if isinstance(item, list) else [item]
        return found

    return pulumi.Output.all(*gates).apply(flatten)


def check_exit(job: pulumi.Resource, exit_code: int | None, log: str, urn: str) -> list[pulumi.Resource]:
    """The job itself when it succeeded; RunError with its log, and how to run it again, when it did not.

    `exit_code` is None for a job whose end an interrupted update did not see.
    """
    if exit_code == 0:
        return [job]
    name = urn.rsplit("::", 1)[-1]
    how = "was interrupted" if exit_code is None else f"failed (exit code {exit_code})"
    raise pulumi.RunError(
        f"{name} {how}:\n{log.strip()}\n"
        f"Correct the configuration and run `pulumi up`; to run the same job once more:\n"
        f"  pulumi up --replace '{urn}'"
    )
