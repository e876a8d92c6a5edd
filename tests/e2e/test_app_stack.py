"""The examples of consumers: an app stack that follows a route and back, and docker compose with an env file."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import compose
from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import PROJECT, Deployment
from toolchain import image
from toolchain.engine import docker

STACK = "test-app-stack"
SERVICE = "analytics_mcp"
SECRET = "sentinel"  # a part of every password that no encoding changes
WAIT_SECONDS = 60
APP_LABEL = f"--filter=label=app-stack.stack={STACK}"

Placement = dict[str, int]
"""How many connections of a service are backends past the pooler (`direct`), and how many are its `clients`."""
DIRECT, POOLED = {"direct": 1, "clients": 0}, {"direct": 0, "clients": 1}


@pytest.fixture(scope="module")
def pooler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The pooler's stack with two services; the one of the app stack, whose password is nasty, is direct."""
    made = make_deployment(STACK, tmp_path_factory.mktemp("pooler"))
    made.config["services"] = {
        SERVICE: {"user": "analytics_ro", "route": "direct", "direct_connections": 1},
        "grafana": {"user": "grafana_ro", "route": "transaction"},
    }
    made.config["superusers"] = []
    of_services = ('passwords["analytics_ro"]', 'passwords["grafana_ro"]')
    made.secrets = {path: made.secrets[path] for path in ("admin_password", *of_services)}
    for deployment in prepared(made):
        deployment.up()
        yield deployment


def to_routes(pooler: Deployment, **routes: str) -> None:
    services = pooler.config["services"]
    pooler.up({"services": services | {name: services[name] | {"route": to} for name, to in routes.items()}})


def placement(pooler: Deployment, service: str) -> Placement:
    """Where the connections of a service are at this moment, as Postgres and PgBouncer know them."""
    listed = pooler.database.sql(
        "SELECT application_name, pg_catalog.host(client_addr) FROM pg_stat_activity WHERE client_addr IS NOT NULL;"
    )
    backends = [line.split("|") for line in listed.splitlines()]
    through = pooler.pooler_addresses()
    direct = [address for name, address in backends if name == service and address not in through]
    clients = [row for row in pooler.console("SHOW CLIENTS") if row["application_name"] == service]
    return {"direct": len(direct), "clients": len(clients)}


def settled(pooler: Deployment, service: str, expected: Placement) -> Placement:
    """The placement once it is as expected, or what it is after a minute."""
    end = time.monotonic() + WAIT_SECONDS
    while (found := placement(pooler, service)) != expected and time.monotonic() < end:
        time.sleep(0.2)
    return found


# --- the app stack -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AppStack:
    """A copy of examples/app-stack with a stack in the backend of the pooler's stack."""

    folder: Path
    pooler: Deployment

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """What `pulumi` says, stdout and stderr together."""
        ended = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--stack", STACK],
            cwd=self.folder,
            env=self.pooler.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert (ended.returncode != 0) == fails, ended.stdout
        return ended.stdout

    def up(self) -> None:
        self.pulumi("up", "--yes", "--skip-preview")

    def container(self) -> str:
        """Id of its one container."""
        [found] = docker("ps", "--all", "--quiet", "--no-trunc", APP_LABEL).split()
        return found


def remove_app() -> None:
    for container in docker("ps", "--all", "--quiet", APP_LABEL).split():
        docker("rm", "--force", container)


@pytest.fixture(scope="module")
def app(pooler: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    """The app stack after its first update, while its service is on the direct lane."""
    examples = tmp_path_factory.mktemp("app") / "examples"
    shutil.copytree(PROJECT / "examples", examples)
    made = AppStack(examples / "app-stack", pooler)
    (made.folder / ".venv").symlink_to(PROJECT / ".venv")
    remove_app()
    made.pulumi("stack", "init", "--no-select")
    (made.folder / f"Pulumi.{STACK}.yaml").write_text(
        (made.folder / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8")
        + "config:\n"
        + f"  app-stack:pooler_stack: organization/pgbouncer/{STACK}\n"
        + f"  app-stack:service: {SERVICE}\n"
        + f"  app-stack:network: {pooler.database.network}\n"
        + f"  app-stack:image: {image.pooler_image()}\n",
        encoding="utf-8",
    )
    try:
        made.up()
        yield made
    finally:
        remove_app()


@pytest.fixture(scope="module")
def before(app: AppStack) -> Placement:
    return settled(app.pooler, SERVICE, DIRECT)


@dataclass(frozen=True)
class Moved:
    """After the cutover of its service, which an update of the app stack has followed."""

    app: AppStack
    with_old_dsn: Placement
    """After the pooler's update, before the app's."""
    previewed: str
    placement: Placement


@pytest.fixture(scope="module")
def moved(app: AppStack, before: Placement) -> Moved:  # noqa: ARG001 looked at before anything changes
    to_routes(app.pooler, analytics_mcp="transaction")
    with_old_dsn = settled(app.pooler, SERVICE, DIRECT)
    previewed = app.pulumi("preview", "--diff")
    app.up()
    return Moved(app, with_old_dsn, previewed, settled(app.pooler, SERVICE, POOLED))


def test_before_the_cutover_the_app_is_connected_past_the_pooler(before: Placement) -> None:
    assert before == {"direct": 1, "clients": 0}


def test_a_cutover_alone_leaves_the_running_app_where_it_is(moved: Moved) -> None:
    assert moved.with_old_dsn == {"direct": 1, "clients": 0}


def test_an_update_of_the_app_stack_moves_its_connection_to_the_pooler(moved: Moved) -> None:
    assert moved.placement == {"direct": 0, "clients": 1}


def test_the_preview_of_the_app_stack_names_the_new_lane(moved: Moved) -> None:
    assert 'lane: "direct" => "transaction"' in " ".join(moved.previewed.split())


def test_the_preview_of_the_app_stack_shows_no_password(moved: Moved) -> None:
    assert SECRET not in moved.previewed


def test_docker_inspect_of_the_app_shows_no_password(moved: Moved) -> None:
    shown = docker("container", "inspect", moved.app.container())
    assert (SECRET in shown, "DATABASE_URL_FILE=/run/secrets/database_url" in shown) == (False, True)


def test_no_process_of_the_app_has_the_password_in_its_arguments_or_environment(moved: Moved) -> None:
    script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    shown = docker("exec", moved.app.container(), "sh", "-c", script)
    assert (SECRET in shown, "postgresql://analytics_ro@pgbouncer:6432" in shown) == (False, True)


def test_the_app_writes_no_password_to_its_log(moved: Moved) -> None:
    shown = docker("logs", moved.app.container())
    assert (SECRET in shown, "connected to pgbouncer" in shown) == (False, True)


def test_the_state_of_the_app_stack_holds_no_password_in_clear(moved: Moved) -> None:
    assert SECRET not in moved.app.pulumi("stack", "export")


def test_the_file_in_the_container_is_for_its_owner_only(moved: Moved) -> None:
    found = docker("exec", moved.app.container(), "stat", "--format=%a %u", "/run/secrets/database_url")
    assert found == "400 0"


def test_a_second_preview_of_the_app_stack_is_empty(moved: Moved) -> None:
    moved.app.pulumi("preview", "--expect-no-changes")


def test_an_unknown_service_is_refused_with_the_known_ones(moved: Moved) -> None:
    path = moved.app.folder / f"Pulumi.{STACK}.yaml"
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept.replace(f"service: {SERVICE}", "service: grafna"), encoding="utf-8")
    try:
        said = moved.app.pulumi("preview", fails=True)
    finally:
        path.write_text(kept, encoding="utf-8")
    line = (
        f"service: grafna is not a service of organization/pgbouncer/{STACK}; it has analytics_mcp, grafana"
    )
    assert line in said


# --- docker compose ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compose:
    """Both services of examples/compose, with the env file of Grafana."""

    pooler: Deployment

    @property
    def env_file(self) -> Path:
        return PROJECT / f".env.{STACK}.grafana"

    def up(self) -> str:
        """Writes the env file and lets compose read it; what `make env` says."""
        said = self._run("make", "env", f"STACK={STACK}", "SERVICE=grafana", folder=PROJECT)
        self._compose("up", "--detach", "--force-recreate", "--timeout", "5")
        return said

    def down(self) -> None:
        if self.env_file.exists():
            self._compose("down", "--timeout", "5")
        self.env_file.unlink(missing_ok=True)

    def inspected(self, service: str) -> str:
        """All that `docker inspect` shows of one of the two containers."""
        of_project = f"--filter=label=com.docker.compose.project={STACK}"
        of_service = f"--filter=label=com.docker.compose.service={service}"
        [found] = docker("ps", "--quiet", of_project, of_service).split()
        return docker("container", "inspect", found)

    def _compose(self, *arguments: str) -> None:
        words = [*compose.command(), "--project-name", STACK, *arguments]
        self._run(*words, folder=PROJECT / "examples" / "compose")

    def _run(self, *words: str, folder: Path) -> str:
        inherited = {name: value for name, value in self.pooler.environment().items() if "MAKE" not in name}
        of_the_example = {
            "STACK": STACK,
            "SERVICE": "grafana",
            "NETWORK": self.pooler.database.network,
            "IMAGE": image.pooler_image(),
            "OWNER": str(os.geteuid()),
        }
        ended = subprocess.run(
            words,
            cwd=folder,
            env=inherited | of_the_example,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout


@dataclass(frozen=True)
class Composed:
    """Compose's two containers while Grafana is on the transaction lane."""

    consumers: Compose
    said: str
    placement: Placement


@pytest.fixture(scope="module")
def composed(pooler: Deployment) -> Iterator[Composed]:
    consumers = Compose(pooler)
    try:
        said = consumers.up()
        yield Composed(consumers, said, settled(pooler, "grafana", {"direct": 0, "clients": 2}))
    finally:
        consumers.down()


def test_the_env_file_is_for_its_owner_only(composed: Composed) -> None:
    assert stat.S_IMODE(composed.consumers.env_file.stat().st_mode) == 0o600


def test_make_env_prints_no_password(composed: Composed) -> None:
    assert (SECRET in composed.said, ".env.test-app-stack.grafana holds" in composed.said) == (False, True)


def test_both_consumers_of_docker_compose_are_clients_of_the_pooler(composed: Composed) -> None:
    assert composed.placement == {"direct": 0, "clients": 2}


@pytest.mark.parametrize(("service", "shown"), [("by-secret", False), ("by-environment", True)])
def test_docker_inspect_shows_the_password_of_the_environment_only(
    composed: Composed, service: str, shown: bool
) -> None:
    assert (SECRET in composed.consumers.inspected(service)) == shown


# --- back ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def back(moved: Moved, composed: Composed) -> Deployment:
    """After both services were put on the direct lane, and all consumers were updated."""
    to_routes(moved.app.pooler, analytics_mcp="direct", grafana="direct")
    moved.app.up()
    composed.consumers.up()
    return moved.app.pooler


def test_the_old_route_and_an_update_of_both_stacks_bring_the_app_back(back: Deployment) -> None:
    assert settled(back, SERVICE, DIRECT) == {"direct": 1, "clients": 0}


def test_a_new_env_file_and_new_containers_follow_the_route_too(back: Deployment) -> None:
    expected = {"direct": 2, "clients": 0}
    assert settled(back, "grafana", expected) == expected
