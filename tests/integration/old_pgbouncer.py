"""A real PgBouncer below the floor: the one of the Debian release on which the tests run."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from toolchain.processes import as_root


@cache
def binary() -> bytes:
    """The program out of Debian's package, which is downloaded and not installed."""
    with tempfile.TemporaryDirectory() as folder:
        if _download(folder).returncode:
            subprocess.run(as_root(["apt-get", "update", "-q"]), check=True, capture_output=True)
            ended = _download(folder)
            assert ended.returncode == 0, (
                f"apt-get cannot download pgbouncer; these tests need Debian's package: {ended.stderr}"
            )
        [package] = Path(folder).glob("*.deb")
        subprocess.run(["dpkg", "-x", package, folder], check=True)
        return (Path(folder) / "usr/sbin/pgbouncer").read_bytes()


def _download(folder: str) -> subprocess.CompletedProcess[str]:
    # as root, apt would like to leave its rights behind, and cannot in a folder that is ours
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "pgbouncer"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
