"""The alert rules, judged by promtool on series that make each of them fire, and on series just below."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.settings import Settings
from monitoring import rules
from monitoring.panels import panels
from monitoring.series import Series
from tests.unit.stacks import settings
from toolchain import prometheus

SERIES = Series("pooler", "server")
POOL = 'job="pooler", database="app", user="web"'
OWN_POOL = 'job="pooler", database="reports", user="reports"'
LOOKUPS = 'job="pooler", database="pgbouncer_auth", user="pgbouncer_auth_a"'
BACKEND = 'job="server", backend_type="client backend", datname="app"'
CONNECTIONS = "pg_stat_activity_count"
WAITING = "pgbouncer_pools_client_waiting_connections"
CLIENTS = "pgbouncer_pools_client_active_connections"
LONGEST = "pgbouncer_pools_client_maxwait_seconds"
BUSY = "pgbouncer_pools_server_active_connections"
IDLE = "pgbouncer_pools_server_idle_connections"
LOGIN = "pgbouncer_pools_server_login_connections"


def stack() -> Settings:
    """21 backends for services: 14 shared, 3 for sessions, 4 for reports; 97 connections for clients of the server."""
    return settings(
        services={
            "web": {"route": "transaction"},
            "reports": {"route": "transaction", "pool_size": 4, "query_wait_timeout": 6},
            "etl": {"route": "direct", "direct_connections": 4},
        }
    )


@dataclass(frozen=True)
class Case:
    """Series (of one value each minute) that make an alert fire at `after`, and series that do not."""

    alert: str
    after: str
    firing: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: Mapping[str, str]
    summary: str
    description: str


def pools(name: str, labels: str, value: str) -> dict[str, str]:
    return {f"{name}{{{labels}}}": value}


CASES = [
    Case(
        "PgBouncerClientsWaiting", "2m",
        pools(WAITING, OWN_POOL, "4x10"),
        pools(WAITING, OWN_POOL, "3x10"),
        {"severity": "warning", "entry": "reports"},
        "clients queue for entry reports",
        "4 clients wait for a backend of reports, as many as it has backends (4)",
    ),
    Case(
        "PgBouncerLongestWait", "1m",
        pools(LONGEST, OWN_POOL, "3x10"),
        pools(LONGEST, OWN_POOL, "2.9x10"),
        {"severity": "warning", "entry": "reports"},
        "a client of entry reports waits long",
        "a client waited 3 s for a backend; half of its time (6 s) is up",
    ),
    Case(
        "PgBouncerLongestWait", "1m",
        pools(LONGEST, POOL, "10x10"),
        pools(LONGEST, POOL, "9.9x10"),
        {"severity": "warning", "entry": "app"},
        "a client of entry app waits long",
        "a client waited 10 s for a backend; half of its time (20 s) is up",
    ),
    Case(
        "PgBouncerEntrySaturated", "6m",
        pools(BUSY, POOL, "13x10"),
        pools(BUSY, POOL, "12x10"),
        {"severity": "warning", "entry": "app"},
        "entry app is nearly full",
        "13 of its 14 backends work at the same time",
    ),
    Case(
        "PgBouncerCapSaturated", "6m",
        pools(BUSY, POOL, "10x10") | pools(BUSY, OWN_POOL, "9x10"),
        pools(BUSY, POOL, "10x10") | pools(BUSY, OWN_POOL, "8x10"),
        {"severity": "warning"},
        "the pooler's backends are nearly all at work",
        "19 of the 21 backends that services can have (max_backends 25) work at the same time",
    ),
    Case(
        "PgBouncerCapExceeded", "2m",
        pools(BUSY, POOL, "10x10") | pools(IDLE, POOL, "15x10") | pools(LOGIN, OWN_POOL, "1x10"),
        pools(BUSY, POOL, "10x10") | pools(IDLE, POOL, "15x10"),
        {"severity": "critical"},
        "the pooler holds more backends than its cap",
        "26 backends, max_backends is 25; the budget does not hold any more",
    ),
    Case(
        "PgBouncerLoginsWait", "2m",
        pools(WAITING, LOOKUPS, "1x10"),
        pools(WAITING, POOL, "1x10"),
        {"severity": "critical"},
        "logins wait for the lookup of their password",
        "1 logins wait; established clients go on, nobody new gets in",
    ),
    Case(
        "PgBouncerNoBackend", "1m",
        pools(WAITING, POOL, "2x10") | pools(IDLE, POOL, "0x10") | pools(LOGIN, POOL, "1x10"),
        pools(WAITING, POOL, "2x10") | pools(BUSY, POOL, "1x10"),
        {"severity": "critical", "database": "app"},
        "the pooler cannot log in to Postgres",
        "2 clients of app wait and it has no backend at all",
    ),
    Case(
        "PgBouncerServiceGone", "25m",
        pools(CLIENTS, OWN_POOL, "5x9 0x30"),
        pools(CLIENTS, OWN_POOL, "5x9 1x30"),
        {"severity": "info", "entry": "reports", "user": "reports"},
        "reports: nobody is connected any more",
        "had up to 5 clients within six hours and has none now; its logins may be refused",
    ),
    Case(
        "PostgresNearMaxConnections", "3m",
        pools(CONNECTIONS, BACKEND + ', usename="web"', "50x10")
        | pools(CONNECTIONS, 'job="server", backend_type="client backend", datname="other", usename="x"', "38x10"),
        pools(CONNECTIONS, BACKEND + ', usename="web"', "87x10")
        | pools(CONNECTIONS, 'job="server", backend_type="walwriter", datname="", usename=""', "38x10"),
        {"severity": "critical"},
        "the server is nearly full",
        "88 connections of the 97 that max_connections (100) leaves to clients; beyond them logins fail with "
        "`too many clients already`",
    ),
    Case(
        "PgBouncerBypassed", "6m",
        pools(CONNECTIONS, BACKEND + ', usename="web"', "4x10") | pools(IDLE, POOL, "3x10"),
        pools(CONNECTIONS, BACKEND + ', usename="web"', "3x10") | pools(IDLE, POOL, "3x10"),
        {"severity": "warning", "user": "web"},
        "web opens more connections past the pooler than declared",
        "1 connections of web reach Postgres past the pooler; declared are 0",
    ),
    Case(
        "DirectConnectionsOverBudget", "6m",
        pools(CONNECTIONS, BACKEND + ', usename="etl"', "5x10"),
        pools(CONNECTIONS, BACKEND + ', usename="etl"', "4x10"),
        {"severity": "warning", "user": "etl"},
        "etl opens more connections past the pooler than declared",
        "5 connections of etl reach Postgres past the pooler; declared are 4",
    ),
    Case(
        "PgBouncerExporterDown", "3m",
        pools("pgbouncer_up", 'job="pooler"', "0x10"),
        pools("pgbouncer_up", 'job="pooler"', "1x10"),
        {"severity": "critical", "job": "pooler"},
        "no statistics of PgBouncer",
        "the exporter does not answer, or PgBouncer does not answer it; the other rules are blind",
    ),
    Case(
        "PgBouncerExporterDown", "3m",
        pools("pgbouncer_up", 'job="of another stack"', "1x10"),
        pools("pgbouncer_up", 'job="pooler"', "1x10"),
        {"severity": "critical", "job": "pooler"},
        "no statistics of PgBouncer",
        "the exporter does not answer, or PgBouncer does not answer it; the other rules are blind",
    ),
    Case(
        "PostgresExporterDown", "3m",
        pools("pg_up", 'job="server"', "0x10"),
        pools("pg_up", 'job="server"', "1x10"),
        {"severity": "critical", "job": "server"},
        "no statistics of Postgres",
        "the exporter does not answer, or Postgres does not answer it; the other rules are blind",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def rule_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rules.yml as the stack renders it, which promtool accepts."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(rules.render(stack(), "prod", SERIES), encoding="utf-8")
    run(folder, "check", "rules", "rules.yml")
    return folder


def run(folder: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [str(prometheus.ensure().promtool), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


def judge(folder: Path, series: Mapping[str, str], **expected: object) -> None:
    """Let promtool play `series` and compare; the file is JSON, which is YAML too."""
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                **expected,
            }
        ],
    }
    (folder / "test.yml").write_text(json.dumps(document), encoding="utf-8")
    run(folder, "test", "rules", "test.yml")


def ids(case: Case) -> str:
    return f"{case.alert} {case.labels.get('entry', '')}".strip()


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_alert_fires_at_its_threshold(rule_folder: Path, case: Case) -> None:
    annotations = {
        "summary": case.summary,
        "description": case.description,
        "runbook": f"docs/metrics.md#{case.alert.lower()}",
    }
    fires = {"exp_labels": case.labels, "exp_annotations": annotations}
    judge(
        rule_folder,
        case.firing,
        alert_rule_test=[{"eval_time": case.after, "alertname": case.alert, "exp_alerts": [fires]}],
    )


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_alert_is_quiet_below_its_threshold(rule_folder: Path, case: Case) -> None:
    judge(
        rule_folder,
        case.quiet,
        alert_rule_test=[{"eval_time": case.after, "alertname": case.alert, "exp_alerts": []}],
    )


@pytest.mark.parametrize(
    ("case", "too_early"),
    [(case, early) for case in CASES for alert, early in [
        ("PgBouncerClientsWaiting", "45s"), ("PgBouncerEntrySaturated", "4m"), ("PgBouncerCapSaturated", "4m"),
        ("PgBouncerServiceGone", "15m"), ("PgBouncerBypassed", "4m"), ("PgBouncerExporterDown", "1m"),
    ] if alert == case.alert],
    ids=lambda value: ids(value) if isinstance(value, Case) else value,
)  # fmt: skip
def test_the_alert_gives_a_short_peak_its_time(rule_folder: Path, case: Case, too_early: str) -> None:
    judge(
        rule_folder,
        case.firing,
        alert_rule_test=[{"eval_time": too_early, "alertname": case.alert, "exp_alerts": []}],
    )


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {alert.name for alert in rules.alerts(stack(), SERIES)}


@pytest.mark.parametrize(
    "name", ["pgbouncer_stats_transactions_total", "pgbouncer_stats_totals_sql_transactions_pooled_total"]
)
def test_transactions_are_counted_with_the_names_of_either_exporter(rule_folder: Path, name: str) -> None:
    panel = next(one for one in panels(stack(), SERIES) if one.title == "Transactions per service")
    expr = next(query.expr for query in panel.queries if query.legend == "reports")
    judge(
        rule_folder,
        pools(name, 'job="pooler", database="reports"', "0+15x100"),
        promql_expr_test=[{"expr": expr.replace("[1m]", "[5m]"), "eval_time": "10m",
                           "exp_samples": [{"labels": "{}", "value": 0.25}]}],
    )  # fmt: skip
