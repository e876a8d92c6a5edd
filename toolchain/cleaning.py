"""Removing what the project made outside its stacks."""

from __future__ import annotations

import json
import os
import shutil

from toolchain import engine, image
from toolchain.dev_database import STACK_LABEL
from toolchain.paths import cache_root
from toolchain.processes import attempt
from toolchain.steps import say


def clean_cache() -> None:
    """Removes what can be made again: images, the built CLI, plugins and logs."""
    if engine.answers():
        for reference in engine.docker("image", "ls", "-q", f"--filter=label={image.LABEL}").split():
            if attempt(["docker", "image", "rm", "--force", reference]).returncode:
                say(f"image {reference} is in use and stays")
    for folder in (
        "bin",
        "exporter",
        "go",
        "go.unfinished",
        "home",
        "images",
        "installer",
        "logs",
        "prometheus",
    ):
        shutil.rmtree(cache_root() / folder, ignore_errors=True)
    say(f"removed images, CLI, plugins and logs; state and passphrases of your stacks stay in {cache_root()}")


def sweep() -> None:
    """Removes containers, volumes and networks that a killed test run left on an engine that is used again.

    In CI (environment variable CI) those of stack dev too; elsewhere that may be somebody's own.
    """
    also = ("dev",) if os.environ.get("CI") else ()
    for kind, remove in (
        ("container", ["rm", "--force", "--volumes"]),
        ("volume", ["volume", "rm"]),
        ("network", ["network", "rm"]),
    ):
        for one in engine.listed(kind, f"label={STACK_LABEL}"):
            template = "{{json .Config.Labels}}" if kind == "container" else "{{json .Labels}}"
            stack = stack_label(engine.docker(kind, "inspect", f"--format={template}", one))
            if stack.startswith("test-") or stack in also:
                attempt(["docker", *remove, one])
                say(f"removed {kind} {one[:12]} of stack {stack}, left by a run that was killed")


def stack_label(labels: str) -> str:
    """Name of the stack in a JSON object of labels."""
    found = json.loads(labels) or {}
    return str(found.get(STACK_LABEL, ""))
