"""A view again and again: in place on a terminal, one after the other elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from toolchain.problem import Problem

REFRESH_SECONDS = 2


def follow(render: Callable[[], RenderableType], console: Console) -> NoReturn:
    """Until ^C. What cannot be answered now is shown in its place, and asked again."""
    if not console.is_terminal:
        while True:
            console.print(_rendered(render))
            time.sleep(REFRESH_SECONDS)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_rendered(render), refresh=True)
            time.sleep(REFRESH_SECONDS)


def _rendered(render: Callable[[], RenderableType]) -> RenderableType:
    try:
        return render()
    except Problem as problem:
        return Text(f"! {problem}", style="bold red", overflow="fold")
