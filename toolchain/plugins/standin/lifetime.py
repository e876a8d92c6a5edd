"""How long a plugin's process lives: until the engine ends it, or until there is no engine any more."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Sequence

_LOOK_SECONDS = 10.0
_NAP_SECONDS = 0.2


def wait_for_the_end(engine: str | None, look_seconds: float = _LOOK_SECONDS) -> None:
    """Returns when the engine asks the process to go, or when the engine was killed and cannot ask any more."""
    ended: list[int] = []
    # The engine sends Cancel first, and a signal when it needs the process no more.
    signal.signal(signal.SIGINT, lambda number, _: ended.append(number))
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    next_look = time.monotonic() + look_seconds
    while not ended:
        # Short naps: a signal that one of grpc's threads receives does not wake this one. Left asleep, it was killed
        # by the engine five seconds later, in one of forty previews (measured).
        time.sleep(min(_NAP_SECONDS, look_seconds))
        if engine is not None and time.monotonic() >= next_look:
            if not _listens(engine):
                return
            next_look = time.monotonic() + look_seconds


def engine_address(arguments: Sequence[str] | None = None) -> str | None:
    """The address that the engine gives as the last argument."""
    given = sys.argv[1:] if arguments is None else arguments
    host, _, port = given[-1].rpartition(":") if given else ("", "", "")
    return f"{host}:{port}" if host and port.isdigit() else None


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except OSError:
        return False
