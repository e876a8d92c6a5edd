"""`make ready`, `make cutover` and `make watch` on one stack, as a user types them: superuser, bypass, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.deployment import Deployment
from tests.e2e.test_two_commands import Checkout, make_checkout, remove
from toolchain import image
from toolchain.dev_database import DevDatabase

STACK = "test-views"
PASSWORD = "sentinel-of-a-view"
CONFIG = """\
config:
  pgbouncer:network: {network}
  pgbouncer:database: tracksolid_db
  pgbouncer:admin_host: {host}
  pgbouncer:image: {image}
  pgbouncer:superusers: [postgres]
  pgbouncer:services:
    grafana: {{user: grafana_ro, route: transaction}}
    notifier: {{user: notifier, route: direct}}
    worker: {{user: postgres, route: direct}}
    cron: {{user: postgres, route: direct}}
"""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Running:
    """The stack after its `make up`."""

    checkout: Checkout
    database: DevDatabase
    lanes: dict[str, dict[str, str]]

    @contextmanager
    def client(self, service: str, lane: str) -> Iterator[Connection]:
        """A connection of a service by one of its lanes."""
        on_engine = Deployment(STACK, self.checkout.folder, self.database, {}, {})
        dsn = make_conninfo(on_engine.reachable(self.lanes[service][lane]), password=PASSWORD)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection

    def make(self, target: str, **variables: str) -> str:
        said = self.checkout.make(target, STACK, fails=False, **variables)
        assert PASSWORD not in said
        return said

    def json(self, target: str, **variables: str) -> dict[str, Any]:
        said = self.make(target, json="1", **variables)
        found: dict[str, Any] = json.loads(said[said.index("{\n") :])
        return found

    def refused(self, target: str, **variables: str) -> list[str]:
        """The one line of an error, and how make names the exit code of the command."""
        said = self.checkout.make(target, STACK, fails=True, **variables)
        lines = [line for line in said.splitlines() if line.startswith(("error:", "make: ***"))]
        return [line.rpartition("] ")[2] if line.startswith("make") else line for line in lines]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database = DevDatabase(
        f"{STACK}-db",
        f"{STACK}-net",
        stack=STACK,
        settings={"fsync": "off", "shared_preload_libraries": "pg_stat_statements"},
    )
    remove(STACK, database)
    checkout = make_checkout(
        tmp_path_factory.mktemp("views") / "checkout", tmp_path_factory.mktemp("views-cache")
    )
    try:
        database.start()
        database.sql(
            f"ALTER ROLE postgres PASSWORD '{PASSWORD}'; CREATE ROLE grafana_ro LOGIN PASSWORD '{PASSWORD}';"
            f"CREATE ROLE notifier LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}';"
            "CREATE EXTENSION pg_stat_statements; CREATE TABLE orders (id serial);"
        )
        config = CONFIG.format(
            network=database.network, host=database.address()[0], image=image.pooler_image()
        )
        (checkout.folder / f"Pulumi.{STACK}.yaml").write_text(config, encoding="utf-8")
        checkout.pulumi("stack init", STACK)
        checkout.pulumi("config set --secret admin_password", STACK, stdin=PASSWORD)
        checkout.make("up", STACK)
        yield Running(checkout, database, checkout.outputs(STACK)["lanes"])
    finally:
        remove(STACK, database)


# --- ready ---------------------------------------------------------------------------------------------------


def test_ready_puts_a_service_that_listens_on_the_session_lane_and_names_the_line(running: Running) -> None:
    with running.client("notifier", "direct") as client:
        client.execute("LISTEN orders")
        said = running.make("ready", service="notifier")
    number = line_of(running, "    notifier:")
    assert said.splitlines()[0] == "notifier: session"
    assert f"\n  Pulumi.{STACK}.yaml, line {number}: services.notifier.route: direct → session\n" in said


def line_of(running: Running, start: str) -> int:
    lines = (running.checkout.folder / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_ready_has_nothing_to_change_for_a_service_on_its_lane(running: Running) -> None:
    with running.client("grafana", "transaction") as client:
        client.execute("SELECT 1")
        found = running.json("ready", service="grafana")
    sessions = [(one["application"], one["pooled"]) for one in found["evidence"]["sessions"]]
    assert (found["verdict"], found["change"], sessions) == ("transaction", None, [("grafana", True)])


def test_ready_shows_what_would_do_in_place_of_a_superuser(running: Running) -> None:
    with running.client("worker", "direct") as client:
        client.execute("SELECT count(*) FROM orders")
        found = running.json("ready", service="worker")
    assert (found["evidence"]["role"]["superuser"], found["evidence"]["shared_with"]) == (True, ["cron"])
    assert "GRANT SELECT ON public.orders TO worker;" in found["least_privilege"]


def test_ready_for_an_unknown_service_is_asked_wrongly(running: Running) -> None:
    assert running.refused("ready", service="grafna") == [
        "error: SERVICE=grafna: stack test-views has no such service; it has cron, grafana, notifier, worker",
        "Error 2",
    ]


def test_ready_without_a_service_is_asked_wrongly(running: Running) -> None:
    assert running.refused("ready") == [
        "error: SERVICE: is empty; name a service, like SERVICE=grafana",
        "Error 2",
    ]


def test_ready_without_rights_on_the_statistics_cannot_be_answered(running: Running) -> None:
    file = running.checkout.folder / f"Pulumi.{STACK}.yaml"
    kept = file.with_suffix(".kept")
    shutil.copy(file, kept)
    try:
        text = file.read_text(encoding="utf-8")
        changed = text.replace("config:\n", "config:\n  pgbouncer:admin_user: plain\n", 1)
        file.write_text(changed, encoding="utf-8")
        refused = running.refused("ready", service="grafana")
    finally:
        kept.replace(file)
    assert refused == [
        "error: admin_user plain may not see other sessions; as a superuser run GRANT pg_monitor TO plain",
        "Error 1",
    ]


# --- cutover -------------------------------------------------------------------------------------------------


def test_cutover_names_a_bypass_by_role_application_and_address(running: Running) -> None:
    with running.client("grafana", "direct"), running.client("grafana", "transaction") as client:
        client.execute("SELECT 1")
        found = running.json("cutover")
    ways = [(one["way"], one["role"], one["application"], one["connections"]) for one in found["connections"]]
    assert ways == [("past", "grafana_ro", "grafana", 1), ("transaction", "grafana_ro", "grafana", 1)]
    assert all(one["address"] for one in found["connections"])
    assert "grafana: bypassing its lane: 1; redeploy with its DSN" in found["warnings"]


def test_cutover_warns_of_a_superuser_and_shows_the_roles_that_would_do(running: Running) -> None:
    said = running.make("cutover")
    assert "  postgres is a superuser, used by cron, worker; a role of its own for each" in said
    assert "  CREATE ROLE worker LOGIN;  -- then \\password worker\n" in said


def test_cutover_again_and_again_for_scripts_is_asked_wrongly(running: Running) -> None:
    assert running.refused("cutover", watch="1", json="1") == [
        "error: WATCH=1 and JSON=1 do not go together; call JSON=1 again and again",
        "Error 2",
    ]


# --- watch ---------------------------------------------------------------------------------------------------


def test_watch_shows_who_holds_a_backend(running: Running) -> None:
    with running.client("grafana", "transaction") as client:
        client.execute("BEGIN")
        client.execute("SELECT 1")
        found = running.json("watch", once="1")
    [pooler] = found["poolers"]
    held = {entry["name"]: entry["holder"] for entry in pooler["entries"] if entry["holder"]}
    assert {name: (one["user"], one["application"], one["state"]) for name, one in held.items()} == {
        "tracksolid_db": ("grafana_ro", "grafana", "idle in transaction")
    }


def test_watch_once_fits_80_columns(running: Running) -> None:
    said = running.make("watch", once="1")
    shown = said[said.index("stack test-views ") :].splitlines()
    assert ([line for line in shown if len(line) > 80], shown[1]) == (
        [],
        "ok: nobody waits, no limit is near",
    )


@pytest.mark.parametrize(
    ("asked", "first"),
    [(["watch"], b"stack test-views "), (["cutover", "--watch"], b"SERVICE   LANE ")],
    ids=["watch", "cutover --watch"],
)
def test_a_view_is_drawn_again_on_a_terminal_until_ctrl_c(
    running: Running, asked: list[str], first: bytes
) -> None:
    """Through a terminal of 80 columns, as a user has it."""
    main, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (40, 80))
    process = subprocess.Popen(
        # a script in the background ignores ^C, and what it starts inherits that
        ["env", "--default-signal=INT", ".venv/bin/python", "-m", "views", *asked, "--stack", STACK],
        cwd=running.checkout.folder,
        env=running.checkout.environment(STACK) | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    try:
        while seen.count(first) < 2:  # the test's own timeout bounds it
            seen += os.read(main, 65536)
        process.send_signal(signal.SIGINT)
        drain(main)
        assert process.wait(60) == 130
    finally:
        process.kill()
        os.close(main)


def drain(terminal: int) -> None:
    """Reads until nobody writes any more: a terminal that nobody reads holds its program at its last words."""
    with suppress(OSError):  # EIO, when the last program has closed it
        while os.read(terminal, 65536):
            pass


def test_watch_of_a_stack_that_is_not_there_is_asked_wrongly(running: Running) -> None:
    said = running.checkout.make("watch", "nowhere", once="1", fails=True)
    assert "error: STACK=nowhere: Pulumi.nowhere.yaml does not exist; " in said
    assert said.rstrip().endswith("Error 2")


def test_watch_without_the_database_shows_the_pooler_and_says_that_it_was_not_all(running: Running) -> None:
    """The last test: the database is stopped."""
    running.database.stop()
    said = running.checkout.make("watch", STACK, once="1", fails=True)
    assert "! admin_host, admin_port: no Postgres reached at " in said
    assert (" of 25 backends" in said, said.rstrip().endswith("Error 1")) == (True, True)
