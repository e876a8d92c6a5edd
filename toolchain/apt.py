"""Debian packages for the machine that runs `make`, and the mirror from which the images are made."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Sequence

from toolchain.paths import cache_root
from toolchain.problem import Problem
from toolchain.processes import as_root, attempt, run_logged
from toolchain.steps import Step, agree, ensure

INDEX_FORMAT = "$(SITE)|$(ORIGIN)|$(LABEL)"


def install(packages: Sequence[str], needed_for: str) -> None:
    """Installs packages after asking; without apt the error says what to install by hand."""
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise Problem(
            f"{needed_for} needs {names}, and this machine has no apt-get; install them with its own tools"
        )
    agree(f"installing {names} (for {needed_for})", instead=f"run `apt-get install {names}` as root")

    def run() -> None:
        cache_root().mkdir(parents=True, exist_ok=True)
        with (cache_root() / "apt.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # apt itself gives up at once where another one runs
            run_logged(as_root(["apt-get", "update", "-q"]), "apt-update")
            command = [
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-qy",
                "--no-install-recommends",
            ]
            run_logged(as_root([*command, *packages]), "apt-install")

    ensure(Step(f"Debian packages {names}: installing", "about 1 min", lambda: False, run))


def debian_mirror() -> str | None:
    """The mirror that this machine's apt uses, or None where debootstrap's own default has to do."""
    return mirror_of(attempt(["apt-get", "indextargets", "--format", INDEX_FORMAT]).stdout)


def mirror_of(index_targets: str) -> str | None:
    """The first site that serves Debian itself: not its security archive, not another vendor."""
    for line in index_targets.splitlines():
        site, origin, label = line.split("|")
        if origin == "Debian" and label == "Debian":
            return site
    return None
