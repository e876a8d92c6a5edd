"""A whole stack with metrics: both exporters on the database's network, scraped by a real Prometheus."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from checks import drift, verification
from checks.verdict import Outcome, Verdict
from components.metrics import POOLER_PURPOSE, POSTGRES_PURPOSE
from components.settings import Settings, load
from monitoring import rules, scrape
from monitoring.panels import panels
from monitoring.prometheus import Prometheus
from monitoring.series import Series
from tests import prometheus_server
from tests.e2e.conftest import PASSWORDS
from tests.e2e.deployment import Deployment
from tests.unit.stacks import as_text
from toolchain import exporter_image
from toolchain.engine import docker
from toolchain.processes import attempt
from toolchain.stack import Stack

SERIES = Series("pgbouncer-test-metrics", "pgbouncer-test-metrics")
EXPORTERS = [POOLER_PURPOSE, POSTGRES_PURPOSE]
WAIT_SECONDS = 60


@dataclass(frozen=True)
class Watched:
    """The deployment after its first update, and the Prometheus that scrapes it."""

    deployment: Deployment
    prometheus: Prometheus
    settings: Settings
    passwords: dict[str, str] = field(repr=False)
    """Of the statistics user and of the role, by user."""

    def value(self, expr: str) -> float | None:
        """Value of an expression that has one series now; None without one."""
        lines = self.prometheus.now(expr)
        return lines[0].points[0][1] if lines else None

    def alert(self, name: str, **labels: str) -> str:
        """The expression of a rule that is in force in Prometheus."""
        found = [
            alert.expr
            for alert in rules.alerts(self.settings, SERIES)
            if alert.name == name and labels.items() <= dict(alert.labels).items()
        ]
        assert len(found) == 1, f"{name} {labels}: {len(found)} rules"
        return found[0]

    def console(self, user: str, password: str, database: str = "pgbouncer") -> psycopg.Connection[Any]:
        """A login at the pooler from the network."""
        address = self.deployment.pooler_addresses()[0]
        return psycopg.connect(
            host=address,
            port=6432,
            user=user,
            password=password,
            dbname=database,
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,  # the console knows the simple protocol only
        )


@pytest.fixture(scope="module")
def up(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Both exporters run, and Prometheus has scraped them."""
    image = exporter_image.reference()
    # a client waits for as long as a slow machine needs to see it
    settings = {"query_wait_timeout": 90}
    deployment.up({"metrics": {"image": image, "postgres_image": image}, "settings": settings})
    declared = settings_of(deployment)
    addresses = {
        "pgbouncer-exporter": deployment.address(exporter(deployment, POOLER_PURPOSE)),
        "pgbouncer-postgres-exporter": deployment.address(exporter(deployment, POSTGRES_PURPOSE)),
    }
    with prometheus_server.running(
        tmp_path_factory.mktemp("prometheus"),
        scrape.render(declared, SERIES.job),
        rules.render(declared, "test-metrics", SERIES),
        addresses,
    ) as prometheus:
        watched = Watched(deployment, prometheus, declared, passwords(deployment))
        becomes(lambda: (watched.value(SERIES.pooler_up()), watched.value(SERIES.postgres_up())), (1.0, 1.0))
        yield watched


def settings_of(deployment: Deployment) -> Settings:
    """What the stack declares, its secrets left out."""
    return load(
        {key: as_text(value) for key, value in deployment.config.items()} | {"admin_password": "not needed"}
    )


def exporter(deployment: Deployment, purpose: str) -> str:
    """Id of the one running exporter of that kind."""
    (found,) = exporters(deployment, purpose)
    return found


def exporters(deployment: Deployment, purpose: str) -> list[str]:
    stack = f"--filter=label=pgbouncer-stack.stack={deployment.stack}"
    return docker(
        "ps", "--quiet", "--no-trunc", stack, f"--filter=label=pgbouncer-stack.purpose={purpose}"
    ).split()


def passwords(deployment: Deployment) -> dict[str, str]:
    state = json.loads(deployment.pulumi("stack", "export", "--show-secrets").stdout)
    by_name = {item["urn"].rsplit("::", 1)[-1]: item for item in state["deployment"]["resources"]}
    found = {}
    for user in ("stats", "monitor"):
        result = by_name[f"pgbouncer-{user}-password"]["outputs"]["result"]
        found[user] = str(json.loads(result["plaintext"]))
    return found


def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.3)


def becomes(found: Callable[[], object], expected: object, seconds: float = WAIT_SECONDS) -> None:
    """Like `until`; says what was there instead."""
    end = time.monotonic() + seconds
    while (last := found()) != expected and time.monotonic() < end:
        time.sleep(0.3)
    assert last == expected


@contextmanager
def clients(dsn: str, number: int) -> Iterator[list[psycopg.Connection[Any]]]:
    with ExitStack() as stack:
        # closed, not left: leaving would commit what is still running
        yield [stack.enter_context(closing(psycopg.connect(dsn, autocommit=True))) for _ in range(number)]


def metrics_text(up: Watched, purpose: str, port: int) -> str:
    address = up.deployment.address(exporter(up.deployment, purpose))
    with urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def test_a_second_preview_is_empty(up: Watched) -> None:
    up.deployment.pulumi("preview", "--expect-no-changes")


@pytest.fixture(scope="module")
def drifted(up: Watched) -> Verdict:
    """What `make drift` says before any test has changed something."""
    deployment = up.deployment
    return drift.drift(Stack(deployment.stack, deployment.environment(), deployment.folder))


def test_a_stack_with_metrics_has_not_drifted(drifted: Verdict) -> None:
    assert drifted.outcome == Outcome.AS_DECLARED, drifted.text


def test_what_drift_says_holds_no_password(up: Watched, drifted: Verdict) -> None:
    known = {**up.passwords, **PASSWORDS}
    assert [user for user, password in known.items() if password in drifted.text] == []


# --- what Prometheus sees


def test_every_query_of_every_panel_returns_data(up: Watched) -> None:
    def missing() -> list[tuple[str, str]]:
        return [
            (panel.title, query.expr)
            for panel in panels(up.settings, SERIES)
            for query in panel.queries
            if not up.prometheus.now(query.expr)
        ]

    with clients(up.deployment.lane("service_1", "transaction"), 1) as (client,):
        client.execute("SELECT 1")
        until(lambda: (up.value(f"sum({SERIES.clients(user='user_1')})") or 0) >= 1)
        becomes(missing, [])


@pytest.mark.parametrize(
    ("title", "least"),
    [("Clients per service", 2), ("Backends per service", 1), ("Transactions per service", 0.01)],
)
def test_the_line_of_a_service_follows_what_it_does(up: Watched, title: str, least: float) -> None:
    panel = next(one for one in panels(up.settings, SERIES) if one.title == title)
    expr = next(query.expr for query in panel.queries if "reporter" in query.legend)
    with clients(up.deployment.lane("reporter", "transaction"), 2) as connections:

        def works() -> bool:
            for connection in connections:
                connection.execute("SELECT 1")
            return (up.value(expr) or 0) >= least

        until(works)


def test_a_client_without_a_backend_is_seen_waiting(up: Watched) -> None:
    dsn = up.deployment.lane("reporter", "transaction")  # has two backends
    with clients(dsn, 3) as (first, second, third):
        for holder in (first, second):
            holder.execute("BEGIN")
            holder.execute("SELECT 1")
        third.pgconn.send_query(b"SELECT 1")
        becomes(lambda: up.value(f"sum({SERIES.waiting(database='reporter')})"), 1)
        until(lambda: (up.value(f"max({SERIES.longest_wait(database='reporter')})") or 0) > 0)
        becomes(lambda: up.value(up.alert("PgBouncerEntrySaturated", entry="reporter")), 2)


def test_a_connection_past_the_pooler_is_seen(up: Watched) -> None:
    expr = up.alert("PgBouncerBypassed", user="user_2")
    becomes(lambda: up.value(expr), None)
    with clients(up.deployment.lane("service_2", "direct"), 1):
        becomes(lambda: up.value(expr), 1)


def test_connections_through_the_pooler_are_none_past_it(up: Watched) -> None:
    expr = rules.past_the_pooler(up.settings, SERIES, "user_3")
    with clients(up.deployment.lane("service_3", "transaction"), 1) as (client,):
        client.execute("SELECT 1")
        backends = f"sum({SERIES.backends(user='user_3')})"
        connections = f"sum({SERIES.connections(usename='user_3')})"
        becomes(lambda: (up.value(backends), up.value(connections), up.value(expr)), (1, 1, 0))


def test_prometheus_evaluates_every_rule_without_an_error(up: Watched) -> None:
    def judged() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{up.prometheus.url}/api/v1/rules", timeout=20) as answer:  # noqa: S310 loopback
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in judged()))
    assert [(rule["name"], rule.get("lastError")) for rule in judged() if rule["health"] != "ok"] == []


@pytest.mark.parametrize(
    ("purpose", "alert"),
    [(POOLER_PURPOSE, "PgBouncerExporterDown"), (POSTGRES_PURPOSE, "PostgresExporterDown")],
)
def test_an_exporter_that_does_not_answer_is_noticed(up: Watched, purpose: str, alert: str) -> None:
    """Not stopped: a started one may get another address, which this Prometheus would not find."""
    expr, container = up.alert(alert), exporter(up.deployment, purpose)
    becomes(lambda: up.value(expr), None)
    docker("pause", container)
    try:
        until(lambda: up.value(expr) is not None)
    finally:
        docker("unpause", container)
    becomes(lambda: up.value(expr), None)


# --- who may do what


def test_the_statistics_user_may_look(up: Watched) -> None:
    with up.console("pgbouncer_stats", up.passwords["stats"]) as console:
        assert console.execute("SHOW STATS").fetchall()


@pytest.mark.parametrize(
    "command", ["RELOAD", "PAUSE", "SHUTDOWN", "KILL tracksolid_db", "DISABLE tracksolid_db", "SET verbose=1"]
)
def test_the_statistics_user_may_do_nothing_else(up: Watched, command: str) -> None:
    with up.console("pgbouncer_stats", up.passwords["stats"]) as console:  # noqa: SIM117 the login is no part of it
        with pytest.raises(psycopg.Error, match="admin access needed"):
            console.execute(command)


@pytest.mark.parametrize("entry", ["tracksolid_db", "tracksolid_db_session", "pgbouncer_auth", "reporter"])
def test_the_statistics_user_gets_into_no_entry(up: Watched, entry: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="login rejected"):
        up.console("pgbouncer_stats", up.passwords["stats"], entry)


def test_a_service_does_not_get_into_the_console(up: Watched) -> None:
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        up.console("user_1", "user-sentinel-10")


def test_the_exporter_of_postgres_needs_no_more_connections_than_the_budget_says(up: Watched) -> None:
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'pgbouncer_monitor';"
    assert up.deployment.database.sql(limit).strip() == "2"
    becomes(lambda: up.value(f"max_over_time(pg_exporter_last_scrape_error{{job='{SERIES.job}'}}[30s])"), 0)


@pytest.mark.parametrize(
    ("seed", "undo", "caught"),
    [
        (
            "ALTER ROLE pgbouncer_monitor CONNECTION LIMIT 50;",
            "ALTER ROLE pgbouncer_monitor CONNECTION LIMIT 2;",
            "MISS        roles: pgbouncer_monitor",
        ),
        (
            "REVOKE pg_monitor FROM pgbouncer_monitor;",
            "GRANT pg_monitor TO pgbouncer_monitor;",
            "MISS        roles: pgbouncer_monitor in pg_monitor",
        ),
    ],
    ids=["more connections", "no rights"],
)
def test_a_changed_role_of_the_exporter_is_named_by_the_verification_alone(
    up: Watched, seed: str, undo: str, caught: str
) -> None:
    deployment = up.deployment
    deployment.database.sql(seed)
    try:
        said = verification.verify(Stack(deployment.stack, deployment.environment(), deployment.folder)).text
    finally:
        deployment.database.sql(undo)
    assert [line for line in said.splitlines() if line.startswith("MISS")] == [caught]


# --- secrets and hardening


def test_no_password_is_in_what_docker_shows(up: Watched) -> None:
    shown = ""
    for one in up.deployment.containers():
        logs = attempt(["docker", "logs", one])
        shown += docker("container", "inspect", one) + logs.stdout + logs.stderr
    assert "Exporter listening" in shown  # the exporters' own logs are among it
    assert [user for user, password in up.passwords.items() if password in shown] == []


@pytest.mark.parametrize(("purpose", "port"), [(POOLER_PURPOSE, 9127), (POSTGRES_PURPOSE, 9187)])
def test_no_password_is_in_the_metrics(up: Watched, purpose: str, port: int) -> None:
    text = metrics_text(up, purpose, port)
    assert "_up 1" in text
    assert [user for user, password in up.passwords.items() if password in text] == []


@pytest.mark.parametrize("purpose", EXPORTERS)
def test_the_passwords_are_readable_by_the_exporters_alone(up: Watched, purpose: str) -> None:
    shell = ["sh", "-c", "stat -c '%a %u %g' /secrets /secrets/*"]
    said = docker("exec", exporter(up.deployment, purpose), *shell)
    assert said.splitlines() == ["500 65532 65532", "400 65532 65532", "400 65532 65532"]


@pytest.mark.parametrize("purpose", EXPORTERS)
def test_an_exporter_runs_with_no_rights_and_no_published_port(up: Watched, purpose: str) -> None:
    found = json.loads(docker("container", "inspect", exporter(up.deployment, purpose)))[0]
    host = found["HostConfig"]
    published = bool(host["PortBindings"]) or host["PublishAllPorts"]
    assert (found["Config"]["User"], host["ReadonlyRootfs"], host["CapDrop"], published) == (
        "65532:65532", True, ["ALL"], False,
    )  # fmt: skip


# --- changes; these come last, each leaves the stack as the next one finds it


def test_a_rotation_gives_both_a_new_password_and_scraping_goes_on(up: Watched) -> None:
    said = up.deployment.up({"rotation": 2})
    found = passwords(up.deployment)
    assert set(found.values()) & set(up.passwords.values()) == set()
    assert [password for password in found.values() if password in said] == []

    def scraped() -> bool:
        try:
            text = metrics_text(up, POOLER_PURPOSE, 9127) + metrics_text(up, POSTGRES_PURPOSE, 9187)
        except OSError:  # it has just been started
            return False
        return "pgbouncer_up 1.0" in text and "pg_up 1" in text

    until(scraped)
    still = "SELECT pg_has_role('pgbouncer_monitor', 'pg_monitor', 'USAGE');"
    assert up.deployment.database.sql(still).strip() == "t"


def test_without_metrics_nothing_of_it_is_left(up: Watched) -> None:
    known = passwords(up.deployment)["stats"]
    up.deployment.up({"metrics": {}})
    assert [purpose for purpose in EXPORTERS if exporters(up.deployment, purpose)] == []
    assert (
        up.deployment.database.sql(
            "SELECT rolname FROM pg_roles WHERE rolname = 'pgbouncer_monitor';"
        ).strip()
        == ""
    )
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        up.console("pgbouncer_stats", known)
    up.deployment.pulumi("preview", "--expect-no-changes")
