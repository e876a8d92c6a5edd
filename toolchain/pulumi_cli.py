"""The Pulumi CLI, from where it can be had, and the environment in which the project runs it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from toolchain import go
from toolchain.paths import PROJECT, cache_root, private_folder
from toolchain.problem import Problem
from toolchain.processes import attempt, run_logged
from toolchain.steps import Step, ensure, say

OLDEST = (3, 220, 0)
MODULE = "github.com/pulumi/pulumi/pkg/v3"
MODULE_FOLDER = PROJECT / "toolchain" / "cli"
INSTALLER = "https://get.pulumi.com/install.sh"
ANSWER_SECONDS = 3


def ensure_cli() -> None:
    """Makes sure that a recent `pulumi` can be run: from PATH, the official installer or its Go module."""
    if executable():
        return
    if installer := _official_installer():
        ensure(
            Step(
                "Pulumi CLI: running the official installer",
                "about 1 min",
                _is_built,
                lambda: _install(installer),
            )
        )
    else:
        go.executable()
        ensure(Step("Pulumi CLI: building from its Go module", "about 5 min", _is_built, _build))
    executable.cache_clear()
    if not executable():
        raise Problem(
            f"{_built()} is there but is not Pulumi {_text(OLDEST)} or newer; run `make clean-cache` and try again"
        )


@cache
def executable() -> Path | None:
    """The `pulumi` to use, or None: the first recent enough one on PATH, else the one in the cache."""
    for candidate in (shutil.which("pulumi"), _built()):
        if candidate and _is_recent(attempt([str(candidate), "version"], env=_quiet()).stdout):
            return Path(candidate)
    return None


def environment(
    *,
    stack: str = "dev",
    backend: str | None = None,
    passphrase_file: Path | None = None,
) -> dict[str, str]:
    """Variables for a `pulumi` subprocess; call `prepare.pulumi()` once before.

    `backend` and `passphrase_file` override what the user's environment and login say; tests give both.
    """
    from toolchain import pulumi_plugins  # it needs this module in turn

    cli = executable()
    if cli is None:
        raise Problem("Pulumi is not installed yet; run `make up` or `make preview`")
    installed = pulumi_plugins.installed()
    if installed is None:
        raise Problem("Pulumi's plugins are not installed yet; run `make up` or `make preview`")
    variables = _quiet()
    folders = [str(cli.parent), *variables.get("PATH", "").split(os.pathsep)]
    variables["PATH"] = os.pathsep.join(dict.fromkeys(folders))
    variables["PULUMI_HOME"] = str(installed.home)
    if installed.home != user_home() and (user_home() / "credentials.json").exists():
        variables.setdefault("PULUMI_CREDENTIALS_PATH", str(user_home()))
    if chosen := backend or backend_of(stack, os.environ, logged_in_to(user_home())):
        variables["PULUMI_BACKEND_URL"] = chosen
    if passphrase_file:
        variables.pop("PULUMI_CONFIG_PASSPHRASE", None)
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase_file)
    elif not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & variables.keys():
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(default_passphrase_file(stack))
    return variables


def backend_of(stack: str, environ: Mapping[str, str], login: str | None) -> str | None:
    """Where a stack's state is kept; None leaves it to the user's `pulumi login`.

    The throwaway stack stays on this machine unless PULUMI_BACKEND_URL says otherwise.
    """
    if chosen := environ.get("PULUMI_BACKEND_URL"):
        return chosen
    if stack != "dev" and (login or environ.get("PULUMI_ACCESS_TOKEN")):
        return None
    return f"file://{private_folder(cache_root() / 'state')}"


def logged_in_to(home: Path) -> str | None:
    """The backend of the user's last `pulumi login`."""
    try:
        current = json.loads((home / "credentials.json").read_text()).get("current")
    except (OSError, ValueError, AttributeError):
        return None
    return str(current) if current else None


def user_home() -> Path:
    """The user's own PULUMI_HOME; ours, exported by `make env`, does not count."""
    chosen = os.environ.get("PULUMI_HOME")
    return Path(chosen) if chosen and not is_private(Path(chosen)) else Path.home() / ".pulumi"


def private_home() -> Path:
    """A PULUMI_HOME of this checkout's own: stand-ins never mix with the user's plugins or another checkout's."""
    checkout = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
    return cache_root() / "home" / checkout


def is_private(path: Path) -> bool:
    """Whether it lies in a private home, of any checkout."""
    return cache_root() / "home" in path.parents


def default_passphrase_file(stack: str) -> Path:
    return private_folder(cache_root() / "passphrases") / stack


def version(text: str) -> tuple[int, ...] | None:
    found = re.search(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def official_answers() -> bool:
    """Whether Pulumi's download host can be reached."""
    return _official_installer() is not None


@cache
def _official_installer() -> bytes | None:
    try:
        with urllib.request.urlopen(INSTALLER, timeout=ANSWER_SECONDS) as answer:
            script = answer.read()
    except (OSError, ValueError):
        return None
    return bytes(script) if script.startswith(b"#!") else None


def _install(installer: bytes) -> None:
    script = private_folder(cache_root() / "installer") / "install.sh"
    script.write_bytes(installer)
    options = [
        "--silent",
        "--no-edit-path",
        "--version",
        module_version().lstrip("v"),
        "--install-root",
        str(cache_root()),
    ]
    try:
        run_logged(["sh", str(script), *options], "pulumi-installer", timeout=600)
    except Problem as problem:
        say(f"  the official installer failed, so the Go module it is: {str(problem).splitlines()[0]}")
        _build()


def _build() -> None:
    stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={module_version()}"
    go.build(
        MODULE_FOLDER,
        f"{MODULE}/cmd/pulumi",
        _built(),
        log_name="pulumi-build",
        ldflags=f"-s -w {stamp}",
    )


def module_version() -> str:
    """The version that toolchain/cli/go.mod pins."""
    found = re.search(
        rf"^\s*(?:require )?{re.escape(MODULE)} (v\S+)", (MODULE_FOLDER / "go.mod").read_text(), re.MULTILINE
    )
    if not found:
        raise Problem(f"toolchain/cli/go.mod does not require {MODULE}")
    return found[1]


def _built() -> Path:
    return cache_root() / "bin" / "pulumi"


def _is_built() -> bool:
    return _built().exists()


def _is_recent(said: str) -> bool:
    found = version(said)
    return found is not None and found >= OLDEST


def _quiet() -> dict[str, str]:
    """The caller's environment, without Pulumi's own look for updates and a colour for no reader."""
    return {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
