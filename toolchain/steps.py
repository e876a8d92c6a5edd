"""Steps that are skipped when their result is there already, and say how long they take when it is not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolchain.problem import Problem


@dataclass(frozen=True)
class Step:
    """One thing that must be in place before the next one."""

    title: str  # "Pulumi CLI: building from its Go module"
    takes: str  # "about 5 min"
    is_done: Callable[[], bool]
    run: Callable[[], None]


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout stays clean for `make -s env` and `make image`."""
    print(line, file=sys.stderr, flush=True)


def ensure(*steps: Step) -> None:
    """Runs the steps that are not done yet, in order, each with a line before and a line after it."""
    for step in steps:
        if step.is_done():
            continue
        say(f"{step.title}, {step.takes} ...")
        started = time.monotonic()
        step.run()
        say(f"  done in {duration(time.monotonic() - started)}")


def duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def agree(what: str, *, instead: str, environ: Mapping[str, str] = os.environ) -> None:
    """Asks before something is installed on this machine; root and CI have agreed already."""
    if os.geteuid() == 0 or environ.get("CI") == "true":
        return
    if not sys.stdin.isatty():
        raise Problem(f"{what} is needed; {instead}, or set CI=true to let this command do it")
    if input(f"{what} is needed. Do it now? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise Problem(f"{what} is needed; {instead}")
