"""What must be there before a target can do its work, in the order in which it is needed."""

from __future__ import annotations

from toolchain import engine, image, pulumi_cli, pulumi_plugins, python_env
from toolchain.steps import ensure


def python() -> None:
    """The virtual environment."""
    ensure(python_env.PROGRAM.step())


def pulumi() -> None:
    """The virtual environment, the Pulumi CLI and its plugins."""
    python()
    pulumi_cli.ensure_cli()
    pulumi_plugins.ensure()


def policy_pack() -> None:
    """The policy pack's own environment, beside that of the program."""
    ensure(python_env.POLICY_PACK.step())


def everything() -> None:
    """All of it: what the end-to-end tests and a stack of one's own database need."""
    pulumi()
    engine.ensure()
    image.images(image.POOLER, image.DATABASE)
