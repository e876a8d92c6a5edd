"""An application as a stack of its own: the pooler's stack → its DSN → a file that only the container sees."""

from pathlib import Path

import pulumi
import pulumi_docker as docker

import imported

APPLICATION = (Path(__file__).resolve().parent.parent / "app.sh").read_text(encoding="utf-8")
DSN_FILE = "/run/secrets/database_url"

config = pulumi.Config()
service = config.require("service")
pooler = pulumi.StackReference(config.require("pooler_stack"))


def checked(routes: dict[str, str] | None) -> str:
    try:
        return imported.lane(routes, service, config.require("pooler_stack"))
    except ValueError as refused:
        raise pulumi.RunError(str(refused)) from None


lane = pooler.get_output("routes").apply(checked)
# Secret, because it is a secret of the pooler's stack. It waits for the check, so that no container is made without it.
dsn = pulumi.Output.all(lane, pooler.get_output(f"{service}_dsn")).apply(lambda both: str(both[1]))

docker.Container(
    service,
    image=config.require("image"),
    entrypoints=["/bin/sh", "-c", APPLICATION, "app"],
    # A path and no password: `docker inspect` shows the environment to everybody who may use the engine.
    envs=[f"DATABASE_URL_FILE={DSN_FILE}"],
    # A changed DSN is a changed file, and that replaces the container: the redeploy after a cutover.
    uploads=[docker.ContainerUploadArgs(file=DSN_FILE, content=dsn, permissions="0400")],
    # Uploads belong to root, so this is root, but one without a single capability.
    user="0:0",
    capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
    security_opts=["no-new-privileges:true"],
    tmpfs={"/tmp": "mode=0700,noexec,nosuid,nodev,size=1m"},  # noqa: S108 the container's own, not the host's
    networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=config.require("network"))],
    labels=[
        docker.ContainerLabelArgs(label="app-stack.stack", value=pulumi.get_stack()),
        docker.ContainerLabelArgs(label="app-stack.service", value=service),
    ],
    restart="unless-stopped",
    must_run=True,
    stop_timeout=10,
    destroy_grace_seconds=10,  # without it a replaced container is killed at once
)

pulumi.export("lane", lane)
