"""How long a plugin's process lives: until the engine ends it, or until there is no engine any more."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Sequence

_LOOK_SECONDS = 10.0


def wait_for_the_end(engine: str | None, look_seconds: float = _LOOK_SECONDS) -> None:
    """Returns when the engine asks the process to go, or when the engine was killed and cannot ask any more."""
    done = threading.Event()
    # The engine sends Cancel first, and a signal when it needs the process no more.
    signal.signal(signal.SIGINT, lambda *_: done.set())
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    while not done.wait(look_seconds):
        if engine is not None and not _listens(engine):
            return


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
