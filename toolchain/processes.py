"""Running other programs, their output in a log or captured; a failure is a Problem, not a traceback."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolchain.paths import cache_root
from toolchain.problem import Problem

TAIL_LINES = 15


def as_root(command: Sequence[str]) -> list[str]:
    """The command with sudo in front, unless this is root already."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join(f"  | {line}" for line in text.rstrip().splitlines()[-lines:])


def run_logged(
    command: Sequence[str],
    log_name: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> None:
    """Runs a long command with its output in a log of the cache; a failure shows the log's last lines."""
    log = cache_root() / "logs" / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        try:
            result = subprocess.run(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise Problem(f"{command[0]} is not installed or not on PATH") from None
        except subprocess.TimeoutExpired:
            raise Problem(
                f"{shlex.join(command)} took longer than {timeout:.0f} s; its output is in {log}"
            ) from None
    if result.returncode:
        last = tail(log.read_text(errors="replace"))
        raise Problem(
            f"{shlex.join(command)} failed (exit code {result.returncode}); all of it is in {log}\n{last}"
        )


def capture(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 120,
) -> str:
    """The command's stdout; a failure becomes a Problem that shows its stderr."""
    result = attempt(command, stdin=stdin, cwd=cwd, env=env, timeout=timeout)
    if result.returncode:
        raise Problem(f"{shlex.join(command)} failed (exit code {result.returncode})\n{tail(result.stderr)}")
    return result.stdout


def attempt(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 120,
) -> subprocess.CompletedProcess[str]:
    """Runs a short command and leaves the judgement of its exit code to the caller."""
    try:
        return subprocess.run(
            command,
            input=stdin if stdin is not None else "",
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: not found")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {timeout:.0f} s")
