"""A policy pack's process: which Python runs it, and with what in its environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import json_format  # type: ignore[import-untyped]  # it ships no types

Message: TypeAlias = Any
"""A protobuf message; the generated classes ship no usable types."""
_running: set[subprocess.Popen[bytes]] = set()


class PackError(Exception):
    """The pack cannot be started; the text says why and what to do."""


@dataclass(frozen=True)
class Program:
    """A pack as the engine asks for it."""

    folder: Path
    interpreter: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, request: Message) -> Program:
        """From a RunPluginRequest; raises PackError when the pack's environment is not there."""
        folder = Path(request.info.program_directory)
        environment = dict(line.partition("=")[::2] for line in request.env)
        virtualenv = json_format.MessageToDict(request.info.options).get("virtualenv")
        if not virtualenv:
            return cls(folder, Path("python3"), tuple(request.args), environment)
        place = Path(request.info.root_directory) / virtualenv
        interpreter = place / "bin" / "python"
        if not interpreter.exists():
            raise PackError(
                f"the policy pack's environment {place} is not there; "
                "make it with `make policy`, or `python3 -m venv` and `pip install -r requirements.txt`"
            )
        environment |= {
            "VIRTUAL_ENV": str(place),
            "PATH": f"{interpreter.parent}{os.pathsep}{environment.get('PATH', '')}",
        }
        return cls(folder, interpreter, tuple(request.args), environment)

    def start(self, configuration: Message | None) -> subprocess.Popen[bytes]:
        """Starts the SDK's own runner. In this process's group, which the engine ends as a whole."""
        process = subprocess.Popen(
            [
                str(self.interpreter),
                "-u",
                "-m",
                "pulumi.policy",
                *self.arguments,
                str(self.folder),
            ],
            cwd=self.folder,
            env={**stack_variables(configuration), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _running.add(process)
        return process


def stack_variables(configuration: Message | None) -> dict[str, str]:
    """What the SDK reads at its start: stack, project and the decrypted configuration."""
    if configuration is None:
        return {}
    variables = {
        "PULUMI_ORGANIZATION": configuration.organization,
        "PULUMI_PROJECT": configuration.project,
        "PULUMI_STACK": configuration.stack,
        "PULUMI_DRY_RUN": "true" if configuration.dry_run else "false",
        "PULUMI_CONFIG": json.dumps(dict(configuration.config)),
    }
    return {name: value for name, value in variables.items() if value}


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ends packs; they keep nothing that could be lost."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
    _running.difference_update(processes)


def stop_all() -> None:
    """For the end of this host, when no engine is there any more to hang up."""
    stop(list(_running))
