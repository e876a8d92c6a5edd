"""Stacks on a database of the user's own: what must be known before the first update."""

from __future__ import annotations

import getpass
import json
import os
import sys

from toolchain import engine, image
from toolchain.dev_database import reachable
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.stack import Stack
from toolchain.steps import say


def require_file(stack: Stack) -> None:
    """Its configuration is written by the user, before anything else."""
    if not stack.config_file.exists():
        raise Problem(
            f"{stack.config_file.name} does not exist; "
            "copy Pulumi.prod.yaml to it and adjust network, database and services"
        )


def prepare(stack: Stack) -> None:
    """Stack made, admin password known, database reachable, image there."""
    if not stack.exists():
        stack.create()
        say(f"stack {stack.name}: created")
    config = stack.config()
    if "admin_password" not in config:
        stack.set_secret("admin_password", _admin_password(stack, str(config.get("admin_user", "postgres"))))
    _find_database(stack, config)
    if str(config.get("image", "")).startswith(f"{image.POOLER.repository}:"):
        _require_image(stack, str(config["image"]))


def _admin_password(stack: Stack, user: str) -> str:
    if os.environ.get("CI") == "true" or not sys.stdin.isatty():
        raise Problem(
            f"stack {stack.name} has no admin_password; run "
            f"`pulumi config set --secret admin_password --stack {stack.name}` in `make shell STACK={stack.name}`"
        )
    if password := getpass.getpass(
        f"password of {user} on the database of stack {stack.name} (kept encrypted): "
    ):
        return password
    raise Problem("the password is empty; run this again")


def _find_database(stack: Stack, config: dict[str, object]) -> None:
    """Points admin_host at a database container of this engine, if what is configured does not answer."""
    port = int(str(config.get("admin_port", 5432)))
    host = str(config.get("admin_host", "127.0.0.1"))
    if "admin_host" in config and reachable(host, port):
        return
    wanted = str(config.get("database_host", "timescale_db"))
    found = container_address(
        engine_containers(str(config.get("network", ""))), str(config.get("network", "")), wanted
    )
    if found and found != host and reachable(found, int(str(config.get("database_port", 5432)))):
        stack.set_plain("admin_host", found)
        stack.set_plain("admin_port", str(config.get("database_port", 5432)))
        say(
            f"stack {stack.name}: admin_host is now {found}, the address of container {wanted} on this engine"
        )
    elif not reachable(host, port):
        raise Problem(
            f"the database of stack {stack.name} does not answer on {host}:{port}; set admin_host and admin_port "
            f"(`pulumi config set admin_host … --stack {stack.name}`) to where this machine reaches it"
        )


def engine_containers(network: str) -> list[dict[str, object]]:
    """`docker inspect` of the running containers on a network."""
    ids = engine.listed("container", f"network={network}", "status=running") if network else []
    found: list[dict[str, object]] = json.loads(engine.docker("container", "inspect", *ids)) if ids else []
    return found


def container_address(containers: list[dict[str, object]], network: str, host: str) -> str | None:
    """Address of the container that answers to a host name on a network."""
    for container in containers:
        attached = json.loads(json.dumps(container))["NetworkSettings"]["Networks"].get(network)
        if attached and host in {
            str(container.get("Name", "")).lstrip("/"),
            *(attached.get("Aliases") or []),
        }:
            return str(attached["IPAddress"])
    return None


def _require_image(stack: Stack, wanted: str) -> None:
    if attempt(["docker", "image", "inspect", wanted]).returncode == 0:
        return
    built = image.pooler_image()
    if built != wanted:
        raise Problem(
            f"stack {stack.name} wants the image {wanted}, but Debian's packages give {built}; "
            f"run `pulumi config set image {built} --stack {stack.name}`, or load the wanted image into the engine"
        )
