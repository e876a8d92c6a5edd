"""Docker Compose for the test of its example: the plugin, else the program, else Debian's package."""

from __future__ import annotations

import shutil

from toolchain import apt
from toolchain.processes import attempt


def command() -> list[str]:
    """The words before compose's own arguments."""
    if attempt(["docker", "compose", "version"]).returncode == 0:
        return ["docker", "compose"]
    if not shutil.which("docker-compose"):
        apt.install(["docker-compose"], "the compose example")
    return ["docker-compose"]
