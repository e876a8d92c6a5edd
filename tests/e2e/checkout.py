"""A copy of the project in which `make` and plain `pulumi` are typed as a user does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.deployment import PROJECT
from toolchain import paths, pulumi_cli

TIMEOUT_SECONDS = 240
OF_THE_CALLER = {
    *("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"),  # of `make test`
    *("STACK", "CMD", "FORCE", "UPGRADE", "PYTEST_ARGS"),
    *("PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_STACK"),  # of somebody's own stacks
    *("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"),
}


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, in which nothing reaches the state, passphrases and plugins of the user's own."""

    folder: Path
    cache: Path

    def make(self, target: str, stack: str = "dev", *, fails: bool = False, **variables: str) -> str:
        """Output of `make TARGET …`, stdout and stderr together."""
        given = {name.upper(): value for name, value in variables.items()}
        if stack != "dev":
            given["STACK"] = stack
        words = ["make", target, *(f"{name}={value}" for name, value in given.items())]
        return self._run(words, stack, fails=fails)

    def pulumi(self, arguments: str, stack: str = "dev", stdin: str = "") -> str:
        """Output of plain `pulumi` in a shell that has evaluated `make env`."""
        option = "" if stack == "dev" else f" STACK={stack}"
        script = f'eval "$(make -s env{option})" && pulumi {arguments} --stack {stack}'
        return self._run(["sh", "-c", script], stack, stdin=stdin)

    def outputs(self, stack: str = "dev") -> dict[str, Any]:
        """Stack outputs, secrets in clear."""
        found: dict[str, Any] = json.loads(self.pulumi("stack output --json --show-secrets", stack))
        return found

    def replace(self, stack: str, old: str, new: str) -> None:
        """Edit the stack's file, where `old` must stand once."""
        path = self.folder / f"Pulumi.{stack}.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> set[str]:
        """Everything in it but packages and what Python compiles."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {str(path) for path in found if not {".venv", "__pycache__"} & set(path.parts)}

    def _environment(self, stack: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
        kept |= {"PGBOUNCER_STACK_CACHE": str(self.cache), "NO_COLOR": "1"}
        kept["PULUMI_HOME"] = str(pulumi_cli.user_home())  # official plugins, if there are any
        if stack != "dev":  # where the user may be logged in to a backend of the team's
            kept["PULUMI_BACKEND_URL"] = f"file://{self.cache / 'state'}"
        return kept

    def _run(self, words: Sequence[str], stack: str, *, stdin: str = "", fails: bool = False) -> str:
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self._environment(stack),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # no terminal to ask on, and one group to end when it hangs
        )
        try:
            said, _ = process.communicate(stdin, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise AssertionError(f"{words} took longer than {TIMEOUT_SECONDS} s:\n{said}") from None
        assert (process.returncode != 0) == fails, f"{words} ended with {process.returncode}:\n{said}"
        return said


def make_checkout(folder: Path) -> Checkout:
    """Only what is the same for every checkout is shared with the user's own: packages and the built CLI."""
    made = Checkout(folder / "checkout", folder / "cache")
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "Pulumi.dev.yaml")
    shutil.copytree(PROJECT, made.folder, symlinks=True, ignore=unwanted)
    (made.folder / ".venv").symlink_to(PROJECT / ".venv")
    made.cache.mkdir(mode=0o700)
    (made.cache / "state").mkdir(mode=0o700)
    if (paths.cache_root() / "bin").exists():
        (made.cache / "bin").symlink_to(paths.cache_root() / "bin")
    return made
