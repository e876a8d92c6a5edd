"""One deployment of the pooler on the Docker engine: what components/pooler.py declares, done step by step."""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from components import expectations, ini
from components.jobs import MEMORY_TMP, script
from components.password_file import pgpass_line
from components.pooler import READY_TIMEOUT_SECONDS
from components.settings import Settings
from tests.integration.server import PREFIX, STACK
from toolchain.dev_database import STACK_LABEL

SQL = Path(__file__).parent.parent.parent / "sql"
OTHER = """
mkdir -p /run/pgb/{slot} && hostname >/run/pgb/{slot}/container && echo /run/pgb/{slot} >/tmp/slot
cat >/tmp/p.ini <<end
[databases]
tracksolid_db = host=timescale_db
[pgbouncer]
listen_addr = *
listen_port = {port}
unix_socket_dir = /run/pgb/{slot}
auth_type = trust
auth_file = /dev/null
end
exec pgbouncer /tmp/p.ini
"""
LABELS = {STACK_LABEL: STACK}
JOB_SECONDS = 60


@dataclass(frozen=True)
class Files:
    """The three files of a configuration. Their hash names the folder on the volume."""

    ini: str
    hba: str
    userlist: str

    @property
    def digest(self) -> str:
        return hashlib.sha256((self.ini + self.hba + self.userlist).encode()).hexdigest()[:16]


def rendered(settings: Settings, auth_password: str) -> Files:
    """The files as the stack renders them."""
    return Files(
        ini.render_ini(settings), ini.render_hba(settings), ini.render_userlist(settings, auth_password)
    )


@dataclass(frozen=True)
class Ended:
    """A one-shot job after its end."""

    exit_code: int
    log: str
    container: Container

    def holds(self, path: str) -> bool:
        """Whether `docker cp` still gets this path out of the stopped container."""
        try:
            self.container.get_archive(path)
        except NotFound:
            return False
        return True


@dataclass(frozen=True)
class Process:
    """One pooler container."""

    container: Container
    port: int
    network: str

    @property
    def address(self) -> str:
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["Networks"][self.network]["IPAddress"])

    @property
    def state(self) -> Mapping[str, Any]:
        """Docker's own view: Status, ExitCode, Pid …"""
        self.container.reload()
        found: Mapping[str, Any] = self.container.attrs["State"]
        return found

    def was_restarted(self) -> bool:
        """By the restart policy, that is; `docker restart` does not count."""
        self.container.reload()
        return bool(self.container.attrs["RestartCount"])

    @property
    def log(self) -> str:
        return self.container.logs().decode(errors="replace")

    def run(self, command: str) -> str:
        """A shell command inside the container, as the container's own user."""
        status, output = self.container.exec_run(["/bin/sh", "-c", command])
        assert isinstance(output, bytes)  # an iterator for streams only
        text = output.decode().strip()
        assert status == 0, f"{command}: exit code {status}: {text}"
        return text

    def slot(self) -> str:
        return self.run("cat /tmp/slot").rpartition("/")[2]

    def console(self, command: str) -> list[dict[str, str]]:
        """Rows of a SHOW command over the socket inside the container."""
        lines = self.run(
            f'PGCONNECT_TIMEOUT=3 psql -XAq -P footer=off -h "$(cat /tmp/slot)" -p {self.port} -U pgbouncer '
            f"-d pgbouncer -c {shlex.quote(command)}"
        ).splitlines()
        columns = lines[0].split("|") if lines else []
        return [dict(zip(columns, line.split("|"), strict=True)) for line in lines[1:]]

    def pgbouncer_pid(self) -> int:
        """Process id inside the container; the shell that started it is 1."""
        return int(self.run("cat /proc/1/task/1/children"))

    def wait_until_it_answers(self, seconds: float = 15) -> float:
        """Seconds until the console answered."""
        began = time.monotonic()
        wait_until(self._answers, seconds)
        return time.monotonic() - began

    def _answers(self) -> bool:
        try:
            return bool(self.console("SHOW VERSION"))
        except (AssertionError, docker.errors.APIError):
            return False


class Bouncer:
    """Volumes, jobs and pooler containers of one deployment."""

    def __init__(
        self, client: docker.DockerClient, settings: Settings, auth_password: str, name: str
    ) -> None:
        self.settings = settings
        self.files = rendered(settings, auth_password)
        self._client = client
        self._auth_password = auth_password
        self._name = f"{PREFIX}{name}"
        self._count = 0
        self._containers: list[Container] = []
        self._volumes = [
            client.volumes.create(f"{self._name}-{part}", labels=LABELS) for part in ("config", "run")
        ]

    def up(self) -> Process:
        """A first update: every job passes."""
        process = self.overlap()
        assert_passed(self.reload(self.files, process))
        return process

    def overlap(self) -> Process:
        """A new container on the staged configuration; one that runs already stays."""
        assert_passed(self.hand_over_userlist(self.files))
        assert_passed(self.write(self.files))
        process = self.start()
        assert_passed(self.ready(process))
        return process

    def change(self, settings: Settings, process: Process) -> Ended:
        """An update of the configuration alone: the jobs run again, the container stays."""
        files = rendered(settings, self._auth_password)
        assert_passed(self.hand_over_userlist(files))
        assert_passed(self.write(files))
        return self.reload(files, process)

    def hand_over_userlist(self, files: Files) -> Ended:
        return self._job(
            "userlist",
            [self.settings.run_as],
            user="0",
            volumes=("config", "run"),
            uploads={"userlist.txt": (files.userlist, 0o400)},
            capabilities=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"],
        )

    def write(self, files: Files) -> Ended:
        return self._job(
            "write",
            [files.digest, str(self.settings.port)],
            user=self.settings.run_as,
            volumes=("config",),
            uploads={"pgbouncer.ini": (files.ini, 0o444), "pg_hba.conf": (files.hba, 0o444)},
        )

    def ready(self, process: Process, timeout_seconds: int = READY_TIMEOUT_SECONDS) -> Ended:
        arguments = [str(process.container.id), str(self.settings.port), str(timeout_seconds)]
        return self._job("ready", arguments, user=self.settings.run_as, volumes=("run",))

    def reload(self, files: Files, process: Process) -> Ended:
        arguments = [files.digest, str(process.container.id), str(self.settings.port)]
        return self._job("reload", arguments, user=self.settings.run_as, volumes=("config", "run"))

    def keep_check_interval(self, admin_password: str) -> Ended:
        """The job that makes the check interval a default of the database."""
        settings = self.settings
        return self._job(
            "sql",
            [
                settings.database_host,
                str(settings.database_port),
                settings.database,
                settings.admin_user,
                f"interval_ms={ini.CHECK_INTERVAL_MS}",
            ],
            user="0",
            network=settings.network,
            uploads={
                "pgpass": (pgpass_line(admin_password), 0o400),
                "statements.sql": ((SQL / "check_interval.sql").read_text(encoding="utf-8"), 0o444),
            },
        )

    def verify(self, process: Process, settings: Settings | None = None, left_out: str = "") -> Ended:
        """The job that compares what is declared, by `settings` or the deployment's own, with what is.

        `left_out`: a staged file that it does not find.
        """
        declared = settings or self.settings
        userlist = ini.render_userlist(declared, self._auth_password)
        texts = expectations.staged(declared)
        texts["declared"] = expectations.declared(declared, userlist, during_update=False)
        secrets = expectations.secret_files(declared)
        return self._job(
            "verify",
            [str(process.container.id), *expectations.arguments(declared)],
            user=self.settings.run_as,
            groups=["0"],
            network=self.settings.network,
            volumes=("config", "run"),
            uploads={name: (text, 0o444) for name, text in texts.items() if name != left_out}
            | {name: (text, 0o660) for name, text in secrets.items()},
            tmpfs={"/tmp": MEMORY_TMP},
            read_only=("config", "run"),
        )

    def start(self, before: str = "") -> Process:
        """The pooler container, without waiting for it; `before` is shell that runs ahead of the start script."""
        settings, memory = self.settings, self.settings.limits.memory_mb
        container = self._create(
            "pooler",
            entrypoint=["/bin/sh", "-c", before + script("start"), "pgbouncer"],
            command=[str(settings.port), str(settings.drain_seconds), ini.render_restart_only(settings)],
            user=settings.run_as,
            network=settings.network,
            networking_config={
                settings.network: self._client.api.create_endpoint_config(aliases=[settings.alias])
            },
            volumes=self._mounts("config", "run", read_only=("config",)),
            read_only=True,
            tmpfs={"/tmp": "mode=1777,noexec,nosuid,nodev,size=4m"},
            mem_limit=f"{memory}m",
            memswap_limit=f"{2 * memory}m",
            restart_policy={"Name": "unless-stopped"},
            log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
        )
        container.start()
        return Process(container, settings.port, settings.network)

    def start_other(self, program: bytes, slot: int) -> Process:
        """Another PgBouncer than the image's, on a configuration that the oldest one knows, in a slot of its own."""
        settings = self.settings
        container = self._create(
            "other",
            entrypoint=["/bin/sh", "-c", OTHER.format(slot=slot, port=settings.port)],
            user=settings.run_as,
            network=settings.network,
            volumes=self._mounts("config", "run", read_only=("config",)),
        )
        container.put_archive("/usr/sbin", _packed("pgbouncer", program, 0o755))
        container.start()
        return Process(container, settings.port, settings.network)

    def on_volumes(self, command: str) -> str:
        """What a shell as root sees on /config and /run/pgb."""
        container = self._create(
            "look",
            entrypoint=["/bin/sh", "-c", command],
            user="0",
            network_mode="none",
            cap_add=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"],
            volumes=self._mounts("config", "run"),
        )
        ended = _run_to_its_end(container)
        container.remove(force=True)
        self._containers.remove(container)
        assert ended.exit_code == 0, f"{command}: exit code {ended.exit_code}: {ended.log}"
        return ended.log.strip()

    def on_network(self, command: str) -> str:
        """Output of a shell command in a container beside the pooler, on the network of the database."""
        container = self._create(
            "beside", entrypoint=["/bin/sh", "-c", command], network=self.settings.network
        )
        ended = _run_to_its_end(container)
        container.remove(force=True)
        self._containers.remove(container)
        return ended.log.strip()

    def remove(self) -> None:
        """Everything of this deployment; volumes last."""
        for container in self._containers:
            try:
                container.remove(force=True)
            except NotFound:
                continue
        for volume in self._volumes:
            volume.remove(force=True)

    def _job(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        user: str,
        volumes: Sequence[str] = (),
        network: str | None = None,
        uploads: Mapping[str, tuple[str, int]] | None = None,
        capabilities: Sequence[str] = (),
        groups: Sequence[str] = (),
        tmpfs: Mapping[str, str] | None = None,
        read_only: Sequence[str] = (),
    ) -> Ended:
        container = self._create(
            name,
            entrypoint=["/bin/sh", "-c", script(name), name],
            command=list(arguments),
            user=user,
            network=network or "none",
            cap_add=list(capabilities),
            group_add=list(groups),
            tmpfs=dict(tmpfs or {}),
            volumes=self._mounts(*volumes, read_only=read_only),
        )
        if uploads:
            container.put_archive("/", _archive(uploads))
        return _run_to_its_end(container)

    def _create(self, purpose: str, **options: Any) -> Container:  # noqa: ANN401 docker-py's own keywords
        self._count += 1
        container = self._client.containers.create(
            self.settings.image,
            name=f"{self._name}-{purpose}-{self._count}",
            labels=LABELS,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            **options,
        )
        self._containers.append(container)
        return container

    def _mounts(self, *parts: str, read_only: Sequence[str] = ()) -> dict[str, dict[str, str]]:
        targets = {"config": "/config", "run": "/run/pgb"}
        return {
            f"{self._name}-{part}": {"bind": targets[part], "mode": "ro" if part in read_only else "rw"}
            for part in parts
        }


def assert_passed(ended: Ended) -> None:
    assert ended.exit_code == 0, ended.log


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.1) -> None:
    """Returns as soon as the condition holds; an AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(every)


def remove_leftovers(client: docker.DockerClient) -> None:
    """Containers, volumes and networks with the label of these tests, of this run or an earlier one."""
    chosen: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={STACK}"}
    for container in client.containers.list(all=True, filters=chosen):
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters=chosen):
        volume.remove(force=True)
    for network in client.networks.list(filters=chosen):
        network.remove()


def _run_to_its_end(container: Container) -> Ended:
    container.start()
    status = int(container.wait(timeout=JOB_SECONDS)["StatusCode"])
    return Ended(status, container.logs().decode(errors="replace"), container)


def _packed(name: str, content: bytes, mode: int) -> bytes:
    """A tar of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _archive(uploads: Mapping[str, tuple[str, int]]) -> bytes:
    """A tar of /staged with these files: name → (text, mode), all of them root's."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        folder = tarfile.TarInfo("staged")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, (text, mode) in uploads.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"staged/{name}")
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
