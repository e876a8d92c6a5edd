"""Where things are: the checkout, and the cache that holds whatever was built or generated for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """PGBOUNCER_STACK_CACHE, else pgbouncer-stack below the user's cache folder."""
    if chosen := environ.get("PGBOUNCER_STACK_CACHE"):
        return Path(chosen).expanduser().absolute()
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "pgbouncer-stack"


def private_folder(path: Path) -> Path:
    """Makes a folder that nobody else can look into."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
