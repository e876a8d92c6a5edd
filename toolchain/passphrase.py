"""The passphrase that encrypts a stack's secrets where the backend has no service for it."""

from __future__ import annotations

import os
import secrets

from toolchain import pulumi_cli
from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.steps import say


def ensure(stack: str) -> None:
    """Generates one for a new stack (mode 0400), unless the user has brought one or secrets exist already."""
    file = pulumi_cli.default_passphrase_file(stack)
    if brought() or file.exists():
        return
    if is_encrypted(stack):
        raise Problem(
            f"Pulumi.{stack}.yaml is encrypted with a passphrase that is not here; "
            f"set PULUMI_CONFIG_PASSPHRASE_FILE, or put it into {file} (mode 0400)"
        )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_urlsafe(32))
    if stack != "dev":
        say(
            f"passphrase of stack {stack}: generated into {file}; "
            "keep a copy in your password store, nothing else decrypts the stack's secrets"
        )


def brought() -> bool:
    return bool({"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys())


def is_encrypted(stack: str) -> bool:
    """Whether the stack's file was encrypted with a passphrase."""
    file = PROJECT / f"Pulumi.{stack}.yaml"
    return file.exists() and any(line.startswith("encryptionsalt:") for line in file.read_text().splitlines())
