"""python -m monitoring COMMAND

Exit codes: 0 it is written, 1 it could not be, 2 it was asked wrongly, 130 it was stopped by ^C.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.settings import Settings
from monitoring import dashboard, rules, scrape
from monitoring.series import Series
from toolchain import prepare
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say
from views.sample import settings_of


def main() -> int:
    given = _parser().parse_args()
    job = given.job or f"pgbouncer-{given.stack}"
    series = Series(job, given.postgres_job or job)
    try:
        _write(_text(_settings(given.stack), given, series), given.out)
    except Problem as problem:
        say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _settings(stack: str) -> Settings:
    if not stack:
        raise Problem("STACK: is empty; name a stack, like STACK=prod, or leave it out for dev")
    prepare.pulumi()
    return settings_of(Stack(stack))


def _text(settings: Settings, given: argparse.Namespace, series: Series) -> str:
    if given.command == "rules":
        return rules.render(settings, given.stack, series)
    if given.command == "dashboard":
        return dashboard.render(settings, given.stack, series)
    if not settings.metrics:
        raise Problem(
            f"metrics: is not set in stack {given.stack}, so there is no exporter to scrape; see docs/metrics.md"
        )
    return scrape.render(settings, series.job)


def _write(text: str, out: str) -> None:
    if not out:
        print(text, end="")
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as refused:
        raise Problem(f"OUT={out}: {refused.strerror}; name a file that can be written") from None
    say(f"written: {out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="monitoring", description=__doc__)
    parser.add_argument("command", choices=("rules", "dashboard", "scrape"))
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--out", default="", help="file; standard output without it")
    parser.add_argument("--job", default="", help="job of the scrape configuration; pgbouncer-STACK")
    parser.add_argument("--postgres-job", default="", help="job that scrapes Postgres, where it is another")
    return parser


if __name__ == "__main__":
    sys.exit(main())
