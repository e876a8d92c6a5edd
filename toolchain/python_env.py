"""The virtual environment of the checkout, installed from the lock with hashes."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from toolchain import apt
from toolchain.paths import PROJECT
from toolchain.processes import attempt, run_logged
from toolchain.steps import Step

VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = PROJECT / "requirements-dev.txt"
STAMP = VENV / "requirements.sha256"  # hash of the lock that is installed


def step() -> Step:
    return Step("Python packages: installing into .venv", "about 1 min", is_current, install)


def is_current() -> bool:
    try:
        return PYTHON.exists() and STAMP.read_text() == lock_hash(LOCK)
    except FileNotFoundError:
        return False


def lock_hash(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def install() -> None:
    if not PYTHON.exists():
        if attempt([sys.executable, "-c", "import ensurepip"]).returncode:
            apt.install(["python3-venv"], "the virtual environment")
        run_logged([sys.executable, "-m", "venv", str(VENV)], "venv")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_logged([*pip, "install", "--require-hashes", "--requirement", str(LOCK)], "pip")
    STAMP.write_text(lock_hash(LOCK))
