"""A service's DSN as an env file: for docker compose, python-dotenv and `. file` in sh."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say

VARIABLE = "DATABASE_URL"
SUFFIX = "_dsn"


def write(stack: Stack, service: str, folder: Path = PROJECT) -> Path:
    """Writes `.env.<stack>.<service>`, mode 0600; the stack is in its name so that lanes of two stacks never mix."""
    content = line(dsn(stack.outputs(), stack.name, service))
    path = folder / f".env.{stack.name}.{service}"
    # A new file (mkstemp: 0600) takes the old one's place: no reader sees half of it, no old mode stays.
    descriptor, staged = tempfile.mkstemp(prefix=".env.", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
    say(f"{path.name} holds {VARIABLE} of {service} in stack {stack.name}; write it again after a cutover")
    return path


def remove(stack: Stack) -> list[str]:
    """Removes what `write` has made for the stack; returns the names. A file that holds something else stays."""
    prefix = f".env.{stack.name}."
    # Names of stacks and services may have dots: .env.prod.eu.web is a file of prod.eu where there is that stack.
    others = {
        file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in stack.folder.glob("Pulumi.*.yaml")
    }
    longer = tuple(f".env.{other}." for other in others if other.startswith(f"{stack.name}."))
    found = [
        path
        for path in sorted(stack.folder.iterdir())
        if path.name.startswith(prefix) and not path.name.startswith(longer) and _is_ours(path)
    ]
    for path in found:
        path.unlink()
    return [path.name for path in found]


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(f"{VARIABLE}='".encode())


def dsn(outputs: Mapping[str, Any], stack: str, service: str) -> str:
    """The DSN of the service's route; an unknown service is refused with the ones there are."""
    if found := outputs.get(f"{service}{SUFFIX}"):
        return str(found)
    known = sorted(name.removesuffix(SUFFIX) for name in outputs if name.endswith(SUFFIX))
    raise Problem(
        f"SERVICE={service}: stack {stack} has no such service; "
        + (f"it has {', '.join(known)}" if known else f"run `make up STACK={stack}` first")
    )


def line(found: str) -> str:
    """Single quotes keep what is inside as it stands, in sh and in docker compose.

    A URI has neither of the refused characters; a keyword string may have them in its password, and there is no way to
    write them that sh, docker compose and python-dotenv all read alike.
    """
    if any(character in found for character in "'\\$") or not found.isprintable():
        raise Problem(
            f"{VARIABLE}: the DSN has a quote, backslash or dollar sign that an env file cannot hold for every reader; "
            "use a driver whose DSN is a URI, give the user another password, or read it with "
            "`pulumi stack output --show-secrets`"
        )
    return f"{VARIABLE}='{found}'\n"
