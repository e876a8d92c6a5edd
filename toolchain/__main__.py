"""python3 -m toolchain COMMAND: what the targets of the Makefile call."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 whatever `python3` is runs this
    sys.exit("error: this needs Python 3.11 or newer; name one with `make PYTHON=python3.12 …`")

from toolchain import (
    actionlint,
    cleaning,
    down,
    engine,
    env_file,
    image,
    maintenance,
    passphrase,
    pooler_console,
    prepare,
    pulumi_cli,
    up,
)
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say

EXPORTED = (
    "PATH",
    "PULUMI_HOME",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_CREDENTIALS_PATH",
)


@dataclass(frozen=True)
class Arguments:
    """What a target passes on."""

    command: str
    stack: str
    cmd: str | None
    force: bool
    times: maintenance.Times
    service: str = ""


def main() -> int:
    given = _parser().parse_args()
    try:
        times = maintenance.Times.of(pause=given.pause, grace=given.grace, ready=given.ready)
        arguments = Arguments(
            given.command, _stack(given.stack), given.cmd, given.force == "1", times, given.service
        )
        return COMMANDS[arguments.command](arguments) or 0
    except Problem as problem:
        say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        say("stopped; run the same command again to go on")
        return 130


def _stack(given: str) -> str:
    if not given:
        raise Problem("STACK: is empty; name a stack, like STACK=prod, or leave it out for dev")
    return given


def build_images(arguments: Arguments) -> None:
    """Prints the references, the pooler's first."""
    engine.ensure()
    print("\n".join(image.images(image.POOLER, image.DATABASE, rebuild=arguments.force)))


def stop_engine(_: Arguments) -> None:
    stopped = engine.stop()
    say("the Docker engine is stopped" if stopped else "no engine was started by `make up`; nothing to stop")


def lint_workflows(_: Arguments) -> int:
    prepare.python()
    return actionlint.lint()


def sweep(_: Arguments) -> None:
    engine.ensure()
    cleaning.sweep()


def print_exports(arguments: Arguments) -> None:
    if arguments.service:
        env_file.write(Stack(arguments.stack, _pulumi_environment(arguments.stack)), arguments.service)
        return
    print(exports(arguments.stack))


def exports(stack: str) -> str:
    """Shell lines that make plain `pulumi` use the project's CLI, plugins, backend and passphrase."""
    variables = _pulumi_environment(stack)
    changed = {
        name: variables[name]
        for name in EXPORTED
        if name in variables and variables[name] != os.environ.get(name)
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in changed.items())


def open_shell(arguments: Arguments) -> NoReturn:
    """The user's shell in that environment."""
    variables = _pulumi_environment(arguments.stack)
    say(f"`pulumi … --stack {arguments.stack}` works in this shell; leave it with `exit`")
    shell = os.environ.get("SHELL", "/bin/sh")
    os.execvpe(shell, [shell], variables)  # noqa: S606 becoming the shell is the point


def _pulumi_environment(stack: str) -> dict[str, str]:
    prepare.pulumi()
    passphrase.ensure(stack)
    return pulumi_cli.environment(stack=stack)


COMMANDS: dict[str, Callable[[Arguments], int | None]] = {
    "up": lambda arguments: up.up(arguments.stack),
    "preview": lambda arguments: up.preview(arguments.stack),
    "policy": lambda arguments: up.policy(arguments.stack),
    "down": lambda arguments: down.down(arguments.stack, force=arguments.force),
    "console": lambda arguments: pooler_console.open_console(arguments.stack, arguments.cmd),
    "db-maintenance": lambda arguments: maintenance.maintain(
        arguments.stack, arguments.cmd or "", arguments.times
    ),
    "image": build_images,
    "env": print_exports,
    "shell": open_shell,
    "python": lambda _: prepare.python(),
    "prepare": lambda _: prepare.everything(),
    "lint-workflows": lint_workflows,
    "engine-stop": stop_engine,
    "clean-cache": lambda _: cleaning.clean_cache(),
    "sweep": sweep,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="toolchain", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--stack", default="dev")
    parser.add_argument(
        "--cmd", default=None, help="one command for the console, or what to run on the database"
    )
    for name in ("pause", "grace", "ready"):
        parser.add_argument(f"--{name}", default="", help="seconds; see db-maintenance")
    parser.add_argument("--service", default="", help="env: write this service's DSN to a file")
    parser.add_argument("--force", default="", help="1: rebuild images, or remove a stack that has clients")
    return parser


if __name__ == "__main__":
    sys.exit(main())
