"""python -m views COMMAND: 0 it was answered, 1 it could not be, 2 it was asked wrongly."""

from __future__ import annotations

import argparse
import sys
import time

from toolchain import engine, prepare
from toolchain.problem import Problem
from toolchain.stack import Stack
from toolchain.steps import say
from views import cutover, sample

REFRESH_SECONDS = 2


def main() -> int:
    given = _parser().parse_args()
    try:
        engine.ensure()
        prepare.pulumi()
        settings = sample.settings_of(Stack(given.stack))
        while True:
            taken = sample.take(given.stack, settings)
            text = (cutover.as_json if given.json else cutover.as_text)(settings, taken)
            if not given.watch:
                print(text)
                return 0
            print(f"\033[H\033[J{text}" if sys.stdout.isatty() else text, flush=True)
            time.sleep(REFRESH_SECONDS)
    except Problem as problem:
        say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="views", description=__doc__)
    parser.add_argument("command", choices=("cutover",))
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--watch", action="store_true", help="again every two seconds, in place")
    return parser


if __name__ == "__main__":
    sys.exit(main())
