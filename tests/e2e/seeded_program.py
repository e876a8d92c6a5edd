"""The real program with one fault in it: `__main__.py` of a stack whose variable SEEDED_FAULT names the fault.

A fault changes what the program hands to the engine, as a careless change of the program would.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

PROGRAM = Path(__file__).resolve().parent.parent.parent / "__main__.py"
Properties = dict[str, Any]


def admin_password() -> str:
    """As the program reads it: without its mark."""
    return pulumi.Config("pgbouncer").require("admin_password")


def ini_with(old: str, new: str) -> Callable[[Properties], None]:
    """Changes the first occurrence in the ini that the write job gets."""

    def change(properties: Properties) -> None:
        ini = properties["uploads"][0]
        assert old in ini.content, f"{old} is not in the ini"
        properties["uploads"][0] = docker.ContainerUploadArgs(
            file=ini.file, content=ini.content.replace(old, new, 1), permissions=ini.permissions
        )

    return change


def setting(**changes: object) -> Callable[[Properties], None]:
    """Replaces inputs."""
    return lambda properties: properties.update(changes)


def with_variable(properties: Properties) -> None:
    properties["envs"] = [
        pulumi.Output.secret("a word that is in no configuration").apply("PGPASSWORD={}".format)
    ]


def with_label(properties: Properties) -> None:
    properties["labels"] = [
        *properties["labels"],
        docker.ContainerLabelArgs(label="login", value=f"postgres/{admin_password()}"),
    ]


def with_open_file(properties: Properties) -> None:
    file = properties["uploads"][0]
    properties["uploads"] = [
        docker.ContainerUploadArgs(file=file.file, content=file.content, permissions="0444")
    ]


FAULTS: dict[str, tuple[str, Callable[[Properties], None]]] = {
    "old image": (
        "pgbouncer-pooler",
        setting(image=f"registry.example:5000/pgbouncer:1.25.2@sha256:{64 * '0'}"),
    ),
    "floating tag": ("pgbouncer-ready", setting(image="pgbouncer-stack/pgbouncer:latest")),
    "no digest": ("pgbouncer-pooler", setting(image="registry.example:5000/pgbouncer:1.26.1")),
    "writable root": ("pgbouncer-pooler", setting(read_only=False)),
    "root job": ("pgbouncer-write", setting(user="0")),
    "capabilities": (
        "pgbouncer-userlist",
        setting(capabilities=docker.ContainerCapabilitiesArgs(adds=["CAP_SYS_ADMIN"], drops=["ALL"])),
    ),
    "host network": ("pgbouncer-pooler", setting(network_mode="host", networks_advanced=None)),
    "secret variable": ("pgbouncer-pooler", with_variable),
    "password in a label": ("pgbouncer-pooler", with_label),
    "open userlist": ("pgbouncer-userlist", with_open_file),
    "open password file": ("pgbouncer-check-interval", with_open_file),
    "entry without cap": ("pgbouncer-write", ini_with(" max_db_connections=2 ", " ")),
    "caps over max_backends": (
        "pgbouncer-write",
        ini_with(" max_db_connections=2 ", " max_db_connections=20 "),
    ),
    "wildcard entry": (
        "pgbouncer-write",
        ini_with("[databases]\n", "[databases]\n* = host=timescale_db max_db_connections=1\n"),
    ),
    "stranger among superusers": ("pgbouncer-superusers-postgres", setting(role="analytics_ro")),
}
"""Fault → (resource, change of its inputs)."""


def seed(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    resource, change = FAULTS.get(os.environ.get("SEEDED_FAULT", ""), ("", setting()))
    if args.name != resource or args.type_.startswith("pgbouncer:"):
        return None
    properties = dict(args.props)
    change(properties)
    return pulumi.ResourceTransformationResult(properties, args.opts)


pulumi.runtime.register_stack_transformation(seed)
runpy.run_path(str(PROGRAM), run_name="__main__")
if os.environ.get("SEEDED_FAULT") == "password in an output":
    pulumi.export("login", f"postgres:{admin_password()}")
