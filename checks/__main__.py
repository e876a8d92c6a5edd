"""python -m checks COMMAND

Exit codes: 0 all is as declared, 1 something is not, 2 it could not be judged or was asked wrongly, 130 it was
stopped by ^C.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from checks import drift, verification
from checks.verdict import Outcome, Verdict
from toolchain import engine, prepare
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say

COMMANDS: dict[str, Callable[[Stack], Verdict]] = {"verify": verification.verify, "drift": drift.drift}


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        return report(COMMANDS[given.command], Stack(given.stack))
    except KeyboardInterrupt:
        return 130


def report(judge: Callable[[Stack], Verdict], stack: Stack) -> Outcome:
    """Prints what was found; the outcome is the exit code."""
    try:
        _make_ready(stack)
        verdict = judge(stack)
        print(verdict.text, flush=True)
    except Problem as problem:
        say(f"error: {problem}")
        return Outcome.UNKNOWN
    except Exception:  # Python's own exit code for one is that of a miss
        traceback.print_exc()
        return Outcome.UNKNOWN
    return verdict.outcome


def _make_ready(stack: Stack) -> None:
    if not stack.name:
        raise Problem("STACK: is empty; name a stack, like STACK=prod, or leave it out for dev")
    engine.ensure()
    prepare.pulumi()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--stack", default="dev")
    return parser


if __name__ == "__main__":
    sys.exit(main())
