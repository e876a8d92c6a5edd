"""python -m review COMMAND: 0 it is done, 1 the preview failed and the comment says why, 2 it was asked wrongly."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from review import gitlab, publish
from review.cli import Pulumi
from review.write import put, review
from toolchain import engine, own_stack, passphrase, prepare
from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say

DONE, FAILED, WRONG = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        if given.command == "write":
            return write(ready(given.stack), given.out, destroy=given.destroy == "1")
        if given.command == "drift":
            host = publish.Host.from_environment(os.environ, author=given.author)
            publish.drift(host, given.stack, _text(given.file), clean=given.result == "clean")
        else:
            comment(given)
    except Problem as problem:
        say(f"error: {problem}")
        return WRONG
    except KeyboardInterrupt:
        return 130
    return DONE


def ready(name: str) -> Pulumi:
    """The stack with what a preview of it needs: it has to be there, and nothing of it is changed."""
    if not name:
        raise Problem("STACK: is empty; name a stack, like STACK=prod")
    stack = Stack(name)
    own_stack.require_file(stack)
    prepare.pulumi()
    engine.ensure()
    if not stack.exists():
        raise Problem(
            f"stack {name} does not exist in this backend; run `pulumi stack init {name}`, or log in to the backend "
            "that has it (PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN)"
        )
    passphrase.ensure(name)
    return Pulumi(name, PROJECT, stack.environment)


def write(pulumi: Pulumi, out: str, *, destroy: bool = False) -> int:
    """Print the comment, or write it to a file."""
    found = review(pulumi, destroy=destroy)
    if out:
        put(found.markdown, Path(out))
    else:
        print(found.markdown, end="")
    if not found.succeeded:
        say("the preview failed; the comment says why")
    return DONE if found.succeeded else FAILED


def comment(given: argparse.Namespace) -> None:
    """Put the comment where the pull request is."""
    if given.host == "gitlab":
        project = gitlab.Project.from_environment(os.environ)
        gitlab.comment(project, given.stack, given.number, _text(given.file), given.commit)
    else:
        host = publish.Host.from_environment(os.environ, author=given.author)
        publish.comment(host, given.stack, given.number, _text(given.file), given.commit)


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as missing:
        raise Problem(f"--file {name}: cannot be read ({missing.strerror}); write it first") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="review", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="the Markdown of what an update would do")
    writing.add_argument("--out", default="", help="file; without it, stdout")
    writing.add_argument("--destroy", default="", help="1: review the removal of the stack")
    commenting = commands.add_parser(
        "comment", help="put it on a pull request, over the last one for this stack"
    )
    commenting.add_argument("--number", type=int, required=True, help="of the pull or merge request")
    commenting.add_argument("--host", choices=("github", "gitlab"), default="github")
    commenting.add_argument("--commit", default="", help="that was reviewed")
    drifting = commands.add_parser("drift", help="keep one open issue while there is drift")
    drifting.add_argument("--result", required=True, choices=("clean", "drift"))
    for command in (writing, commenting, drifting):
        command.add_argument("--stack", default="dev")
    for command in (commenting, drifting):
        command.add_argument(
            "--file", required=True, help="Markdown of the comment, or what the drift check said"
        )
        command.add_argument("--author", default=publish.ACTIONS, help="login that writes there, on GitHub")
    return parser


if __name__ == "__main__":
    sys.exit(main())
