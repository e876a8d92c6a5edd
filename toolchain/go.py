"""A Go that can build what toolchain/ pins as modules: the one on PATH, else a pinned one from its Python wheel."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from toolchain import python_env
from toolchain.paths import PROJECT, cache_root
from toolchain.processes import attempt, run_logged
from toolchain.steps import Step, ensure

OLDEST = (1, 21)  # from here on `go` gets the toolchain that go.mod names by itself
LOCK = PROJECT / "toolchain" / "cli" / "go.txt"
USUAL_PLACE = Path("/usr/local/go/bin/go")  # of the official archive, which does not extend PATH by itself


def executable() -> Path:
    """A recent enough `go`. Distributions often have an older one; the wheel is the same on all of them."""
    for candidate in (shutil.which("go"), USUAL_PLACE):
        if candidate and _is_recent(Path(candidate)):
            return Path(candidate)
    ensure(Step("Go: installing it from its Python wheel", "about 1 min", _is_installed, _install))
    return _installed()


def _is_recent(program: Path) -> bool:
    try:
        said = attempt([str(program), "env", "GOVERSION"], cwd=Path("/")).stdout
    except OSError:
        return False
    found = re.search(r"go(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def _installed() -> Path:
    return cache_root() / "go" / "go" / "bin" / "go"


def _is_installed() -> bool:
    return _installed().exists()


def _install() -> None:
    """Beside the final name first, so that an installation that was cut off is not taken for a program."""
    target, unfinished = cache_root() / "go", cache_root() / "go.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = [str(python_env.PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_logged(
        [*pip, "install", "--require-hashes", "--target", str(unfinished), "--requirement", str(LOCK)],
        "go",
        env=dict(os.environ),
    )
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


def build(module_folder: Path, package: str, target: Path, *, log_name: str, ldflags: str = "-s -w") -> None:
    """Builds a package that a go.mod of ours pins, beside the final name first, as above."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.unfinished")
    run_logged(
        [str(executable()), "build", "-trimpath", "-ldflags", ldflags, "-o", str(unfinished), package],
        log_name,
        cwd=module_folder,
        env={**os.environ, "GOWORK": "off", "GOFLAGS": "-buildvcs=false"},
    )
    unfinished.rename(target)
