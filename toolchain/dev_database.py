"""A throwaway Postgres in a container: the database of stack `dev`, and of tests."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from toolchain import image
from toolchain.engine import docker
from toolchain.problem import Problem
from toolchain.processes import attempt, tail

PURPOSE_LABEL = "pgbouncer-stack.purpose"
STACK_LABEL = "pgbouncer-stack.stack"
PORT = 5432
START_SECONDS = 60


@dataclass(frozen=True)
class DevDatabase:
    """One container with its network and volume, all labelled with the stack that they belong to."""

    name: str
    network: str
    alias: str = "timescale_db"
    stack: str = "dev"
    database: str = "tracksolid_db"
    max_connections: int = 100
    volume: str | None = None  # none: the data goes with the container
    publish: bool = False  # on a free port of 127.0.0.1, for engines whose networks this machine cannot reach
    settings: Mapping[str, str] = field(default_factory=dict)  # further server settings, like fsync=off

    def start(self) -> None:
        """Creates and starts whatever is missing and waits until Postgres accepts connections."""
        if self.state() == "running":
            self.wait()
            return
        if self.state() is None:
            self._create()
        docker("start", self.name)
        self.wait()
        if not self._has_database():
            self.sql(f"CREATE DATABASE {identifier(self.database)};", database="postgres")

    def state(self) -> str | None:
        """running, exited, created …, or None when there is no such container."""
        found = attempt(["docker", "container", "inspect", "--format", "{{.State.Status}}", self.name])
        return found.stdout.strip() if found.returncode == 0 else None

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Waits until Postgres answers on TCP: during initdb it does not."""
        end = time.monotonic() + seconds
        while attempt(["docker", "exec", self.name, "pg_isready", "-q", "-h", "127.0.0.1"]).returncode:
            if self.state() != "running" or time.monotonic() > end:
                logs = attempt(["docker", "logs", "--tail", "20", self.name])
                raise Problem(
                    f"the database container {self.name} does not answer\n{tail(logs.stdout + logs.stderr)}"
                )
            time.sleep(0.2)

    def sql(self, statements: str, database: str | None = None) -> str:
        """Runs SQL as superuser over the container's own socket; the text never gets into the server's log."""
        quiet = "SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1;\n"
        psql = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database or self.database]
        return docker("exec", "-i", "--user=postgres", self.name, *psql, stdin=quiet + statements)

    def address(self) -> tuple[str, int]:
        """Host and port at which this machine reaches the server."""
        found = json.loads(docker("container", "inspect", self.name))[0]["NetworkSettings"]
        if self.publish:
            return "127.0.0.1", int(found["Ports"][f"{PORT}/tcp"][0]["HostPort"])
        return found["Networks"][self.network]["IPAddress"], PORT

    def is_published(self) -> bool:
        """Whether the container, if there is one, was made with a published port."""
        found = attempt(
            ["docker", "container", "inspect", "--format", "{{json .HostConfig.PortBindings}}", self.name]
        )
        return found.returncode == 0 and f"{PORT}/tcp" in found.stdout

    def is_reachable(self) -> bool:
        return reachable(*self.address())

    def stop(self) -> None:
        """Removes the container; the data stays if it has a volume."""
        attempt(["docker", "rm", "--force", self.name])

    def remove(self) -> list[str]:
        """Removes container, volume and network; returns what there was to remove."""
        removed = []
        if self.state() is not None:
            docker("rm", "--force", self.name)
            removed.append(f"container {self.name}")
        if self.volume and attempt(["docker", "volume", "rm", self.volume]).returncode == 0:
            removed.append(f"volume {self.volume}")
        if attempt(["docker", "network", "rm", self.network]).returncode == 0:
            removed.append(f"network {self.network}")
        return removed

    def _create(self) -> None:
        labels = [
            f"--label={PURPOSE_LABEL}=throwaway database of stack {self.stack}",
            f"--label={STACK_LABEL}={self.stack}",
        ]
        if attempt(["docker", "network", "inspect", self.network]).returncode:
            docker("network", "create", *labels, self.network)
        storage = []
        if self.volume:
            docker("volume", "create", *labels, self.volume)
            storage = [f"--volume={self.volume}:/var/lib/postgresql"]
        settings = {"max_connections": str(self.max_connections), **self.settings}
        docker(
            "create",
            f"--name={self.name}",
            f"--network={self.network}",
            f"--network-alias={self.alias}",
            "--restart=unless-stopped",
            "--shm-size=128m",
            "--stop-signal=SIGINT",  # the fast shutdown; SIGTERM would wait for every client
            *labels,
            *storage,
            *([f"--publish=127.0.0.1::{PORT}"] if self.publish else []),
            image.database_image(),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        )

    def _has_database(self) -> bool:
        return self.database in self.sql("SELECT datname FROM pg_database;", database="postgres").splitlines()


def reachable(host: str, port: int, seconds: float = 2) -> bool:
    """Whether this machine can open a TCP connection there."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
