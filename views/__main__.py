"""python -m views COMMAND --stack NAME

Exit codes: 0 it was answered, 1 it could not be answered, 2 it was asked wrongly, 130 it was stopped by ^C.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.text import Text

from components.settings import Settings
from toolchain import engine, pooler_console, prepare
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say
from views import change, collect, consoles, cutover, judgement, live, look, ready, sample, watch

ANSWERED, UNANSWERED, ASKED_WRONGLY, STOPPED = 0, 1, 2, 130


class AskedWronglyError(Exception):
    """The line says what was asked, and what there is."""


def main() -> int:
    given = _parser().parse_args()
    try:
        return _answer(given)
    except AskedWronglyError as wrong:
        say(f"error: {wrong}")
        return ASKED_WRONGLY
    except Problem as problem:
        say(f"error: {problem}")
        return UNANSWERED
    except KeyboardInterrupt:
        return STOPPED


def _answer(given: argparse.Namespace) -> int:
    if not given.stack:
        raise AskedWronglyError("STACK: is empty; name a stack, like STACK=prod, or leave it out for dev")
    if given.command == "ready" and not given.service:
        raise AskedWronglyError("SERVICE: is empty; name a service, like SERVICE=grafana")
    if given.command == "cutover" and given.watch and given.json:
        raise AskedWronglyError("WATCH=1 and JSON=1 do not go together; call JSON=1 again and again")
    stack = Stack(given.stack)
    if not stack.config_file.exists():
        raise AskedWronglyError(
            f"STACK={stack.name}: {stack.config_file.name} does not exist; name a stack that has been made by `make up`"
        )
    engine.ensure()
    prepare.pulumi()
    settings = sample.settings_of(stack)
    if given.command == "ready":
        return _ready(given, stack, settings)
    if given.command == "watch":
        return _watch(given, settings)
    return _cutover(given, settings)


def _ready(given: argparse.Namespace, stack: Stack, settings: Settings) -> int:
    if given.service not in settings.services:
        raise AskedWronglyError(
            f"SERVICE={given.service}: stack {stack.name} has no such service; "
            f"it has {', '.join(sorted(settings.services))}"
        )
    addresses = consoles.addresses(pooler_console.poolers(stack.name), settings.network)
    evidence = collect.collect(settings, given.service, addresses)
    verdict = judgement.judge(settings, evidence)
    route = settings.services[given.service].route.value
    line = change.of_route(stack.config_file, given.service, route, verdict.lane.value)
    report = ready.Report(stack.name, settings, evidence, verdict, line)
    print((ready.as_json if given.json else ready.as_text)(report))
    return ANSWERED


def _cutover(given: argparse.Namespace, settings: Settings) -> int:
    def text() -> str:
        taken = sample.take(given.stack, settings)
        return (cutover.as_json if given.json else cutover.as_text)(settings, taken)

    if given.watch:
        live.follow(lambda: Text(text()), Console(highlight=False))
    print(text())
    return ANSWERED


def _watch(given: argparse.Namespace, settings: Settings) -> int:
    if given.json:
        taken = look.take(given.stack, settings)
        print(watch.as_json(taken))
        return UNANSWERED if taken.trouble else ANSWERED
    console = Console(highlight=False)
    if not given.once:
        live.follow(lambda: watch.screen(look.take(given.stack, settings)), console)
    taken = look.take(given.stack, settings)
    console.print(watch.screen(taken))
    return UNANSWERED if taken.trouble else ANSWERED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="views", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--stack", default="dev")
    shared.add_argument("--json", action="store_true", help="for scripts")
    found = commands.add_parser("cutover", parents=[shared], help="where each service's connections are")
    found.add_argument("--watch", action="store_true", help="again every two seconds, in place")
    found = commands.add_parser("ready", parents=[shared], help="the lane that fits a service, with reasons")
    found.add_argument("--service", default="", help="a service of the stack")
    found = commands.add_parser("watch", parents=[shared], help="pools, clients, waits and backends, live")
    found.add_argument("--once", action="store_true", help="one look; --json is always one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
