"""The few `pulumi` commands that a review asks, none of which changes anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain.problem import Problem
from toolchain.processes import attempt, tail

PREVIEW_SECONDS = 900


@dataclass(frozen=True)
class Pulumi:
    """One stack of the project in `folder`, with the environment in which its commands work."""

    stack: str
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def preview(self, *, destroy: bool) -> subprocess.CompletedProcess[str]:
        """The plan as JSON on stdout; its exit code is for the caller to judge."""
        command = ["destroy", "--preview-only"] if destroy else ["preview"]
        return self._run(*command, "--json", timeout=PREVIEW_SECONDS)

    def config(self) -> dict[str, Any]:
        """Key → value and whether it is secret; decrypted, never to be printed."""
        return self._document("config", "--json", "--show-secrets")

    def state(self) -> dict[str, Any]:
        """The export of the state, likewise."""
        return self._document("stack", "export", "--show-secrets")

    def _document(self, *arguments: str) -> dict[str, Any]:
        ended = self._run(*arguments)
        if ended.returncode:
            raise Problem(f"pulumi {arguments[0]} failed for stack {self.stack}\n{tail(ended.stderr)}")
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def _run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", *arguments, "--stack", self.stack]
        return attempt(command, cwd=self.folder, env=self.environment, timeout=timeout)
