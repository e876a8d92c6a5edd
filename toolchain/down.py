"""`make down`: removes the stack and, for stack dev, everything that `make up` made for it."""

from __future__ import annotations

from typing import Any

from toolchain import dev_stack, engine, env_file, leftovers, passphrase, pooler_console, prepare
from toolchain.problem import Problem
from toolchain.stack import Stack, option, resources
from toolchain.steps import say

SHOWN_CLIENTS = 20


def down(name: str, *, force: bool) -> None:
    """Destroys the stack; other stacks, images and the cache stay."""
    throwaway = name == dev_stack.NAME
    prepare.pulumi()
    engine.ensure()
    stack = Stack(name)
    if not throwaway and not stack.config_file.exists():
        raise Problem(f"there is no stack {name}: {stack.config_file.name} does not exist")
    if stack.config_file.exists():
        passphrase.ensure(name)
    state = stack.state()
    removed = _destroy(stack, state, force=force or throwaway) if state is not None else []
    if throwaway:
        removed += dev_stack.DATABASE.remove()
        if stack.config_file.exists():
            stack.config_file.unlink()
            removed.append(stack.config_file.name)
    written = env_file.remove(stack)
    if not removed and not written:
        say(f"stack {name}: nothing to remove")
        return
    if removed:
        say(f"stack {name}: removed {', '.join(removed)}")
    if written:
        say(f"stack {name}: removed {', '.join(written)}, written by `make env`")
    kept = "images and the cache stay (`make clean-cache` removes them)"
    started = engine.own_engine().pid()
    say(
        kept
        + (
            "; the Docker engine started by `make up` keeps running (`make engine-stop` ends it)"
            if started
            else ""
        )
    )


def _destroy(stack: Stack, state: dict[str, Any], *, force: bool) -> list[str]:
    if not force:
        _refuse_clients(stack)
    leftovers.recover(stack, state)
    options = ["--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress"]
    if resources(state) and stack.show("destroy", *options):
        raise Problem(
            f"stack {stack.name} could not be destroyed; correct what is named above "
            f"and run `make down{option(stack.name)}` again"
        )
    if stack.name != dev_stack.NAME:
        return ["its resources"] if resources(state) else []
    # The configuration goes last of all: a run that is cut off can be repeated.
    stack.pulumi("stack", "rm", "--yes", "--preserve-config")
    return [f"stack {stack.name}"]


def _refuse_clients(stack: Stack) -> None:
    found = pooler_console.clients(stack.name)
    if found:
        lines = "\n".join(f"  {client}" for client in found[:SHOWN_CLIENTS])
        more = f"\n  and {len(found) - SHOWN_CLIENTS} more" if len(found) > SHOWN_CLIENTS else ""
        raise Problem(
            f"stack {stack.name} has clients ({len(found)}); move them first (route: direct), or run "
            f"`make down STACK={stack.name} FORCE=1`\n{lines}{more}"
        )
