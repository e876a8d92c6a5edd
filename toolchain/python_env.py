"""The virtual environments of the checkout, each installed from a lock with hashes."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain import apt
from toolchain.paths import PROJECT
from toolchain.processes import attempt, run_logged
from toolchain.steps import Step


@dataclass(frozen=True)
class VirtualEnvironment:
    """A folder, and the lock that it is installed from."""

    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Hash of the lock that is installed."""
        return self.folder / "requirements.sha256"

    def step(self) -> Step:
        where = self.folder.relative_to(PROJECT)
        return Step(f"Python packages: installing into {where}", "about 1 min", self.is_current, self.install)

    def is_current(self) -> bool:
        try:
            return self.python.exists() and self.stamp.read_text() == lock_hash(self.lock)
        except FileNotFoundError:
            return False

    def install(self) -> None:
        if not self.python.exists():
            if attempt([sys.executable, "-c", "import ensurepip"]).returncode:
                apt.install(["python3-venv"], "the virtual environment")
            run_logged([sys.executable, "-m", "venv", str(self.folder)], "venv")
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        run_logged([*pip, "install", "--require-hashes", "--requirement", str(self.lock)], "pip")
        self.stamp.write_text(lock_hash(self.lock))


def lock_hash(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


PROGRAM = VirtualEnvironment(PROJECT / ".venv", PROJECT / "requirements-dev.txt")
POLICY_PACK = VirtualEnvironment(PROJECT / "policy" / ".venv", PROJECT / "policy" / "requirements.txt")
PYTHON = PROGRAM.python
