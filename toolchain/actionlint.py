"""actionlint, built from its pinned Go module, with shellcheck for the shell inside workflows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolchain import apt, go
from toolchain.paths import PROJECT, cache_root
from toolchain.problem import Problem
from toolchain.steps import Step, ensure

MODULE = "github.com/rhysd/actionlint"
MODULE_FOLDER = PROJECT / "toolchain" / "actionlint"
WORKFLOWS = PROJECT / ".github" / "workflows"


def executable() -> Path:
    """The actionlint of the version that go.mod pins; built on the first call, with shellcheck beside it."""
    if not shutil.which("shellcheck"):
        apt.install(["shellcheck"], "checking the shell in workflows")
    ensure(
        Step(
            "actionlint: building it from its Go module",
            "about 30 s",
            built().exists,
            lambda: go.build(MODULE_FOLDER, f"{MODULE}/cmd/actionlint", built(), log_name="actionlint-build"),
        )
    )
    return built()


def lint(files: Sequence[Path] = ()) -> int:
    """Checks the given workflow files, else all of the project; findings go to stdout. Its exit code."""
    chosen = [str(file) for file in files or sorted(WORKFLOWS.glob("*.yml"))]
    if not chosen:
        raise Problem(f"there is no workflow in {WORKFLOWS}; restore the files")
    command = [str(executable()), "-shellcheck", "shellcheck", "-pyflakes", "", "-no-color", *chosen]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


def built() -> Path:
    """The version is part of the name, so that another pin is another build."""
    found = re.search(
        rf"^\s*(?:require )?{re.escape(MODULE)} (v\S+)", (MODULE_FOLDER / "go.mod").read_text(), re.MULTILINE
    )
    if not found:
        raise Problem(f"toolchain/actionlint/go.mod does not require {MODULE}")
    return cache_root() / "bin" / f"actionlint-{found[1]}"
