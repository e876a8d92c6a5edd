"""Pulumi's plugins: the official ones where they can be had, else the project's stand-ins."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain import pulumi_cli, python_env
from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.processes import capture, run_logged
from toolchain.python_env import PYTHON
from toolchain.steps import Step, say
from toolchain.steps import ensure as ensure_steps

PROVIDERS = ("docker", "postgresql", "random")
LANGUAGE_HOST = "pulumi-language-python"
LOCK = PROJECT / "requirements.txt"
INSTALLER = PROJECT / "toolchain" / "plugins" / "install.py"
DOWNLOAD_SECONDS = 180


@dataclass(frozen=True)
class Installed:
    """A set of plugins that belong together."""

    home: Path  # PULUMI_HOME
    official: bool


def ensure() -> None:
    """Makes sure that every plugin of the stack is there in the version of its Python package."""
    if installed():
        return
    if language_host() and pulumi_cli.official_answers():
        try:
            ensure_steps(
                Step("Pulumi plugins: downloading the official ones", "about 1 min", _has_official, _download)
            )
        except Problem as problem:
            say(f"  {str(problem).splitlines()[0]}")
        else:
            return
    ensure_steps(
        Step(
            "Pulumi plugins: installing the project's stand-ins",
            "a few seconds",
            _has_stand_ins,
            _install_stand_ins,
        )
    )
    say(
        "  Pulumi's own plugins cannot be downloaded here; the stand-ins manage the same resources (toolchain/plugins)"
    )


def installed() -> Installed | None:
    """The plugins to use: the official ones if all are there, else the stand-ins, else None."""
    if _has_official():
        return Installed(pulumi_cli.user_home(), official=True)
    if _has_stand_ins():
        return Installed(pulumi_cli.private_home(), official=False)
    return None


def language_host() -> Path | None:
    """The official language host, which comes with an official `pulumi`."""
    cli = pulumi_cli.executable()
    beside = cli.resolve().with_name(LANGUAGE_HOST) if cli else None
    if beside and beside.exists():
        return beside
    found = shutil.which(LANGUAGE_HOST)
    return Path(found) if found and not pulumi_cli.is_private(Path(found)) else None


def versions(lock: str) -> dict[str, str]:
    """Version of each provider's Python package, which its plugin must have, too."""
    found = dict(re.findall(r"^pulumi-(\w+)==([^\s;\\]+)", lock, re.MULTILINE))
    return {provider: found[provider] for provider in PROVIDERS}


def _has_official() -> bool:
    folders = [
        pulumi_cli.user_home() / "plugins" / f"resource-{name}-v{version}"
        for name, version in versions(LOCK.read_text()).items()
    ]
    return language_host() is not None and all(folder.is_dir() for folder in folders)


def _download() -> None:
    environment = {
        **os.environ,
        "PULUMI_HOME": str(pulumi_cli.user_home()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    for name, version in versions(LOCK.read_text()).items():
        command = [str(pulumi_cli.executable()), "plugin", "install", "resource", name, version]
        run_logged(command, f"plugin-{name}", env=environment, timeout=DOWNLOAD_SECONDS)


def _has_stand_ins() -> bool:
    """Whether this checkout's stand-ins are installed, in the versions of its lock."""
    marker = _marker()
    return marker.exists() and marker.read_text() == _stand_ins()


def _install_stand_ins() -> None:
    pulumi_cli.private_home().mkdir(parents=True, exist_ok=True)
    capture([str(PYTHON), str(INSTALLER), str(pulumi_cli.private_home()), "--python", str(PYTHON)])
    _marker().write_text(_stand_ins())


def _stand_ins() -> str:
    """What decides whether they must be installed again: installer and versions."""
    installer = hashlib.sha256(INSTALLER.read_bytes()).hexdigest()
    return f"{installer} {python_env.lock_hash(LOCK)}"


def _marker() -> Path:
    return pulumi_cli.private_home() / "stand-ins"
