"""One Pulumi stack as the CLI sees it: its state, configuration, outputs and lock."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from toolchain import pulumi_cli
from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.processes import attempt, capture

NAMESPACE = "pgbouncer"  # the project's name in Pulumi.yaml, prefix of its configuration keys
CONTAINER_TYPE = "docker:index/container:Container"
VOLUME_TYPE = "docker:index/volume:Volume"


@dataclass(frozen=True)
class Stack:
    """Runs `pulumi` for one stack of this checkout, or of a folder that has its files."""

    name: str
    _environment: dict[str, str] = field(default_factory=dict)
    folder: Path = PROJECT

    @cached_property
    def environment(self) -> Mapping[str, str]:
        return self._environment or pulumi_cli.environment(stack=self.name)

    @property
    def config_file(self) -> Path:
        return self.folder / f"Pulumi.{self.name}.yaml"

    def pulumi(self, *arguments: str, stdin: str | None = None) -> str:
        """What a short command prints; its failure becomes a Problem."""
        return capture(self._command(*arguments), stdin=stdin, cwd=self.folder, env=self.environment)

    def show(self, *arguments: str) -> int:
        """Runs a command on the user's terminal; returns its exit code."""
        return subprocess.run(
            self._command(*arguments), cwd=self.folder, env=self.environment, check=False
        ).returncode

    def exists(self) -> bool:
        return self.state() is not None

    def state(self) -> dict[str, Any] | None:
        """The exported state, secrets still encrypted; None when the stack has never been made."""
        found = attempt(self._command("stack", "export"), cwd=self.folder, env=self.environment)
        if found.returncode == 0:
            exported: dict[str, Any] = json.loads(found.stdout)
            return exported
        if "no stack named" in found.stderr:
            return None
        raise Problem(
            f"the state of stack {self.name} cannot be read: {found.stderr.strip().removeprefix('error: ')}"
        )

    def create(self) -> None:
        self.pulumi("stack", "init", "--no-select")

    def config(self) -> dict[str, Any]:
        """Plain values by key without the project's prefix; secret ones are None."""
        return self._config()

    def secrets(self) -> dict[str, Any]:
        """All values, decrypted."""
        return self._config("--show-secrets")

    def set_plain(self, key: str, value: str) -> None:
        self.pulumi("config", "set", f"{NAMESPACE}:{key}", value)

    def set_secret(self, path: str, value: str) -> None:
        """The value goes in on stdin: an argument would be seen in the process list."""
        self.pulumi("config", "set", "--secret", "--path", f"{NAMESPACE}:{path}", stdin=value)

    def outputs(self) -> dict[str, Any]:
        """All outputs, decrypted: never to be printed as they are."""
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))
        return found

    def _config(self, *options: str) -> dict[str, Any]:
        found = json.loads(self.pulumi("config", "--json", *options))
        return {
            key.removeprefix(f"{NAMESPACE}:"): entry.get("objectValue", entry.get("value"))
            for key, entry in found.items()
        }

    def _command(self, *arguments: str) -> list[str]:
        return ["pulumi", "--non-interactive", *arguments, "--stack", self.name]


def own_values(config: Mapping[str, Any]) -> dict[str, str]:
    """Key without the project's prefix → text, out of what `pulumi config --json` prints."""
    prefix = f"{NAMESPACE}:"
    return {
        key.removeprefix(prefix): entry["value"] for key, entry in config.items() if key.startswith(prefix)
    }


def option(name: str) -> str:
    """What a `make` command needs, after its target, to mean this stack."""
    return "" if name == "dev" else f" STACK={name}"


def resources(state: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    deployment = (state or {}).get("deployment") or {}
    return list(deployment.get("resources") or [])


def ids(state: Mapping[str, Any] | None, of_type: str) -> set[str]:
    """Ids of all resources of a type in the state, those about to be deleted included."""
    return {one["id"] for one in resources(state) if one["type"] == of_type and one.get("id")}


def verification_table(state: Mapping[str, Any] | None) -> str:
    """What the verification of the last update printed; empty before the first."""
    for resource in resources(state):
        is_job = resource["type"] == CONTAINER_TYPE and resource["urn"].endswith("-verify")
        if is_job and not resource.get("delete"):
            return str(resource.get("outputs", {}).get("containerLogs") or "").strip()
    return ""


def failed_jobs(state: Mapping[str, Any] | None) -> list[str]:
    """URNs of one-shot jobs that ended with a non-zero exit code; only a replacement runs them again."""
    return [
        resource["urn"]
        for resource in resources(state)
        if resource["type"] == CONTAINER_TYPE
        and not resource.get("delete")
        and resource.get("inputs", {}).get("mustRun") is False
        and resource.get("outputs", {}).get("exitCode")
    ]
