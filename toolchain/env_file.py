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
