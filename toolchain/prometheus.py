"""Prometheus and promtool: those on PATH, else Debian's, unpacked into the cache so that no service starts."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain.paths import cache_root
from toolchain.problem import Problem
from toolchain.processes import as_root, attempt, run_logged
from toolchain.steps import Step
from toolchain.steps import ensure as ensure_steps

PACKAGE = "prometheus"


@dataclass(frozen=True)
class Programs:
    """The two programs of one installation."""

    prometheus: Path
    promtool: Path


def ensure() -> Programs:
    """Both programs; a Problem where neither PATH nor apt has them."""
    found = _on_path()
    if found:
        return found
    if not shutil.which("apt-get"):
        raise Problem(
            "prometheus and promtool are not on PATH, and this machine has no apt-get; install Prometheus"
        )
    ensure_steps(Step("Prometheus: unpacking Debian's package", "a few seconds", _is_there, _unpack))
    return _unpacked()


def _on_path() -> Programs | None:
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    return Programs(Path(prometheus), Path(promtool)) if prometheus and promtool else None


def _folder() -> Path:
    return cache_root() / "prometheus"


def _unpacked() -> Programs:
    programs = _folder() / "usr" / "bin"
    return Programs(programs / "prometheus", programs / "promtool")


def _is_there() -> bool:
    return _unpacked().prometheus.exists() and _unpacked().promtool.exists()


def _unpack() -> None:
    """In a folder of this process first: two at once, or one that was cut off, leave no half of it."""
    unfinished = _folder().with_suffix(f".unfinished.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if attempt(["apt-get", "download", PACKAGE], cwd=unfinished).returncode:
        run_logged(as_root(["apt-get", "update", "-q"]), "apt-update")
        run_logged(["apt-get", "download", PACKAGE], "prometheus", cwd=unfinished)
    package = next(unfinished.glob("*.deb"))
    run_logged(["dpkg", "-x", str(package), str(unfinished)], "prometheus")
    package.unlink()
    shutil.rmtree(_folder(), ignore_errors=True)
    unfinished.rename(_folder())
