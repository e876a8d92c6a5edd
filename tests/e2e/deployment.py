"""One stack of the real program on the real engine, in a folder and with a state of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from toolchain import pooler_console, pulumi_cli
from toolchain.dev_database import DevDatabase
from toolchain.engine import docker
from toolchain.problem import Problem

PROJECT = Path(__file__).parent.parent.parent
PART_OF_A_PROJECT = ("Pulumi.yaml", "__main__.py", "components", "sql", ".venv")
POOLER_PURPOSE = "PgBouncer, the pooler that services connect to"


@dataclass
class Deployment:
    """A stack and its throwaway database. `config` is written before every command."""

    stack: str
    folder: Path
    database: DevDatabase
    config: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)
    """Config path → plaintext, set once with `pulumi config set --secret`."""

    def init(self) -> None:
        """Lay out the folder, create the stack and store the secrets."""
        for name in PART_OF_A_PROJECT:
            (self.folder / name).symlink_to(PROJECT / name)
        (self.folder / "state").mkdir()
        (self.folder / "passphrase").write_text("of a test", encoding="utf-8")
        self.pulumi("stack", "init", self.stack)
        for path, value in self.secrets.items():
            self.pulumi("config", "set", "--secret", "--path", path, stdin=value)

    def environment(self) -> dict[str, str]:
        """Variables for `pulumi`."""
        return pulumi_cli.environment(
            stack=self.stack,
            backend=f"file://{self.folder / 'state'}",
            passphrase_file=self.folder / "passphrase",
        ) | {"CI": "true", "NO_COLOR": "1"}

    def pulumi(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`; stdout and stderr together in `stdout`."""
        ended = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment(),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if check and ended.returncode:
            raise AssertionError(f"pulumi {arguments[0]} failed:\n{ended.stdout}")
        return ended

    def write_config(self, changes: Mapping[str, Any] | None = None) -> None:
        """Put `config` with `changes` into the stack's file, beside the secrets that are there."""
        self.config = {**self.config, **(changes or {})}
        path = self.folder / f"Pulumi.{self.stack}.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in document["config"].items() if key.split(":")[1] in _SECRET_KEYS}
        document["config"] = kept | {f"pgbouncer:{key}": value for key, value in self.config.items()}
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    def up(
        self, changes: Mapping[str, Any] | None = None, *, check: bool = True, arguments: Sequence[str] = ()
    ) -> str:
        """`pulumi up` with `changes` to the configuration; its output."""
        self.write_config(changes)
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, check=check).stdout

    def failed_up(self, changes: Mapping[str, Any] | None = None) -> str:
        """Output of an `up` that must fail."""
        self.write_config(changes)
        ended = self.pulumi("up", "--yes", "--skip-preview", check=False)
        assert ended.returncode != 0, f"this update should have failed:\n{ended.stdout}"
        return ended.stdout

    def outputs(self) -> dict[str, Any]:
        """Stack outputs, secrets in clear."""
        shown = self.pulumi("stack", "output", "--json", "--show-secrets").stdout
        found: dict[str, Any] = json.loads(shown)
        return found

    def state(self) -> list[dict[str, Any]]:
        """Resources in state as they are stored."""
        found: list[dict[str, Any]] = json.loads(self.pulumi("stack", "export").stdout)["deployment"][
            "resources"
        ]
        return found

    def poolers(self) -> list[str]:
        """Ids of this stack's running pooler containers."""
        return docker(
            "ps",
            "--quiet",
            "--no-trunc",
            f"--filter=label=pgbouncer-stack.stack={self.stack}",
            f"--filter=label=pgbouncer-stack.purpose={POOLER_PURPOSE}",
        ).split()

    def containers(self) -> list[str]:
        """Ids of all containers of this stack but its database, ended jobs included."""
        listed = docker(
            "ps", "--all", "--quiet", "--no-trunc", f"--filter=label=pgbouncer-stack.stack={self.stack}"
        ).split()
        database = docker("container", "inspect", "--format={{.Id}}", self.database.name).strip()
        return [identifier for identifier in listed if identifier != database]

    def address(self, container: str) -> str:
        """Address of a container on the database's network."""
        found = json.loads(docker("container", "inspect", container))[0]["NetworkSettings"]["Networks"]
        return str(found[self.database.network]["IPAddress"])

    def pooler_addresses(self) -> list[str]:
        """What Docker's DNS gives for the alias at this moment."""
        found = []
        for container in self.poolers():
            try:
                found.append(self.address(container))
            except Problem:  # it has gone since it was listed
                continue
        return found

    def reachable(self, dsn: str) -> str:
        """The same DSN with the address behind its host name, which only Docker's network resolves."""
        parts: dict[str, Any] = conninfo_to_dict(dsn)
        inside = parts["host"] == self.database.alias
        parts["hostaddr"] = self.database.address()[0] if inside else self.address(self.poolers()[0])
        return make_conninfo(**parts)

    def console(self, command: str) -> list[dict[str, str]]:
        """Rows that the console of the one running pooler answers."""
        return pooler_console.ask(self.poolers()[0], command)

    def lane(self, service: str, lane: str) -> str:
        """Connection string of a service by one of its lanes, usable from this machine."""
        return self.reachable(self.outputs()["lanes"][service][lane])

    def remove(self) -> None:
        """Remove what a test may have left: containers and volumes by label, database and network."""
        label = f"--filter=label=pgbouncer-stack.stack={self.stack}"
        for identifier in docker("ps", "--all", "--quiet", label).split():
            docker("rm", "--force", "--volumes", identifier)
        for volume in docker("volume", "ls", "--quiet", label).split():
            docker("volume", "rm", volume)
        self.database.remove()


_SECRET_KEYS = ("admin_password", "passwords")
