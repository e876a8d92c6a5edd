"""The Docker engine: the one that answers, else one installed and started here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import apt
from toolchain.paths import cache_root
from toolchain.problem import Problem
from toolchain.processes import as_root, attempt, capture, run_logged, tail
from toolchain.steps import Step, agree, say
from toolchain.steps import ensure as ensure_steps

START_SECONDS = 60


@dataclass(frozen=True)
class OwnEngine:
    """An engine started by hand, with everything but its socket below one folder."""

    folder: Path
    socket: Path = Path("/var/run/docker.sock")
    options: Sequence[str] = ()

    @property
    def pid_file(self) -> Path:
        return self.folder / "dockerd.pid"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    def command(self) -> list[str]:
        return [
            "dockerd",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'run'}",
            f"--pidfile={self.pid_file}",
            f"--host=unix://{self.socket}",
            *self.options,
        ]

    def pid(self) -> int | None:
        """The running process, or None; a pid file left by a killed engine does not count."""
        try:
            pid = int(self.pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--pidfile={self.pid_file}".encode() in words else None

    def start(self) -> None:
        """Starts it in a session of its own, so that it outlives this command, and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.pid() is None:
            self.pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                as_root(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None:
                raise Problem(
                    f"the Docker engine stopped at its start; its log is {self.log}\n{self._log_tail()}"
                )
            if time.monotonic() > end:
                raise Problem(
                    f"the Docker engine does not answer after {START_SECONDS} s; "
                    f"its log is {self.log}\n{self._log_tail()}"
                )
            time.sleep(0.3)

    def answers(self) -> bool:
        return attempt(["docker", "--host", f"unix://{self.socket}", "version"], timeout=10).returncode == 0

    def stop(self) -> bool:
        """Stops it and waits for its end; False when it does not run."""
        pid = self.pid()
        if pid is None:
            return False
        if os.geteuid() == 0:
            os.kill(pid, signal.SIGTERM)
        else:
            capture(as_root(["kill", "-TERM", str(pid)]))
        end = time.monotonic() + START_SECONDS
        while self.pid() is not None:
            if time.monotonic() > end:
                raise Problem(f"the Docker engine (pid {pid}) is still stopping; its log is {self.log}")
            time.sleep(0.2)
        return True

    def _log_tail(self) -> str:
        return tail(self.log.read_text(errors="replace"))


def own_engine() -> OwnEngine:
    return OwnEngine(cache_root() / "engine")


def answers() -> bool:
    """Whether `docker` reaches an engine; DOCKER_HOST and docker contexts are honoured."""
    return attempt(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20).returncode == 0


def ensure() -> None:
    """Makes sure that a Docker engine answers: takes the running one, else installs and starts one."""
    if answers():
        return
    if host := os.environ.get("DOCKER_HOST"):
        raise Problem(f"no Docker engine answers at DOCKER_HOST={host}; start it, or unset DOCKER_HOST")
    refused = attempt(["docker", "version"], timeout=20).stderr
    if "permission denied" in refused:
        raise Problem(
            "the Docker engine refuses this user; run `sudo usermod -aG docker $USER` and log in again"
        )
    if not shutil.which("dockerd"):
        if os.uname().sysname != "Linux":
            raise Problem(
                "no Docker engine answers; start Docker Desktop (or another engine) and run this again"
            )
        apt.install(["docker.io", *_separate_client()], "the Docker engine")
    if answers():  # the package starts its service where there is an init to do it
        return
    agree("starting the Docker engine", instead="start it by hand (`systemctl start docker` or `dockerd`)")
    if Path("/run/systemd/system").is_dir():
        ensure_steps(Step("Docker engine: starting its service", "a few seconds", answers, _start_service))
        return
    engine = own_engine()
    ensure_steps(Step("Docker engine: starting dockerd", "a few seconds", answers, engine.start))
    say(f"  it keeps running after this command; `make engine-stop` ends it (log: {engine.log})")


def stop() -> bool:
    """Stops the engine if `ensure` started it by hand; any other engine is left alone."""
    return own_engine().stop()


def docker(*arguments: str, stdin: str | None = None, timeout: float | None = 300) -> str:
    """`docker …`, its stdout without the last newline; a failure becomes a Problem with docker's own message."""
    return capture(["docker", *arguments], stdin=stdin, timeout=timeout).rstrip("\n")


def listed(kind: str, *filters: str) -> list[str]:
    """Ids (containers, stopped ones included) or names (networks, volumes) that match all filters."""
    command = {
        "container": ["ps", "-aq", "--no-trunc"],
        "network": ["network", "ls", "-q"],
        "volume": ["volume", "ls", "-q"],
    }
    return docker(*command[kind], *(f"--filter={text}" for text in filters)).split()


def _start_service() -> None:
    run_logged(as_root(["systemctl", "start", "docker"]), "docker-service")
    if not answers():
        raise Problem("the Docker service was started but does not answer; see `journalctl -u docker`")


def _separate_client() -> list[str]:
    """Newer Debian releases keep the `docker` command in a package of its own."""
    known = attempt(["apt-cache", "show", "docker-cli"]).returncode == 0
    return ["docker-cli"] if known and not shutil.which("docker") else []
