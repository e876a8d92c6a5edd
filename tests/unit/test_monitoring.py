"""Rules, dashboard and scrape configuration against text that is kept by hand."""

from __future__ import annotations

import json

import pytest
import yaml

from components.settings import Settings
from monitoring import dashboard, rules, scrape
from monitoring.panels import panels
from monitoring.pools import Pool, allowed_past_the_pooler, pools
from monitoring.series import Series, one_of, quoted
from tests.unit.stacks import ROOT, settings

SERIES = Series("pooler", "server")


def stack(**changes: object) -> Settings:
    """21 backends for services: 14 shared by two users, 3 for sessions, 4 for reports."""
    values: dict[str, object] = {
        "services": {
            "web": {"route": "transaction"},
            "admin": {"user": "web", "route": "transaction"},
            "reports": {"user": "web", "route": "transaction", "pool_size": 4, "query_wait_timeout": 6},
            "cron": {"route": "session"},
            "etl": {"user": "web", "route": "direct", "direct_connections": 4},
        }
    }
    return settings(**values | changes)


def expr(name: str, chosen: Settings | None = None, **labels: str) -> str:
    found = [
        alert.expr
        for alert in rules.alerts(chosen or stack(), SERIES)
        if alert.name == name and labels.items() <= dict(alert.labels).items()
    ]
    assert len(found) == 1
    return found[0]


# --- pools


def test_services_that_share_user_and_entry_are_one_pool() -> None:
    assert pools(stack()) == (
        Pool("app", "web", ("web", "admin")),
        Pool("reports", "web", ("reports",)),
        Pool("app_session", "cron", ("cron",)),
    )


def test_a_user_may_go_past_the_pooler_as_its_direct_services_declare() -> None:
    assert allowed_past_the_pooler(stack(), "web") == 4


def test_the_admin_may_also_go_past_the_pooler_during_an_update() -> None:
    assert allowed_past_the_pooler(stack(admin_user="web", deployment_connections="3"), "web") == 7


# --- rules


def test_the_threshold_of_a_queue_is_the_size_of_its_entry() -> None:
    assert expr("PgBouncerClientsWaiting", entry="reports") == (
        'sum(pgbouncer_pools_client_waiting_connections{job="pooler", database="reports"}) >= 4'
    )


@pytest.mark.parametrize(
    ("changes", "entry", "threshold"),
    [
        ({}, "app", "10"),
        ({}, "reports", "3"),
        ({"settings": {"query_wait_timeout": 5}}, "app", "2.5"),
        ({"settings": {"query_wait_timeout": 0}}, "app", "10"),
    ],
    ids=["default", "of the entry", "of the stack", "switched off"],
)
def test_the_threshold_of_a_wait_is_half_its_timeout(
    changes: dict[str, object], entry: str, threshold: str
) -> None:
    assert expr("PgBouncerLongestWait", stack(**changes), entry=entry).endswith(f">= {threshold}")


@pytest.mark.parametrize(("entry", "threshold"), [("app", 13), ("app_session", 3), ("reports", 4)])
def test_an_entry_is_saturated_at_nine_tenths_of_its_backends(entry: str, threshold: int) -> None:
    assert expr("PgBouncerEntrySaturated", entry=entry) == (
        f'sum(pgbouncer_pools_server_active_connections{{job="pooler", database="{entry}"}}) >= {threshold}'
    )


def test_the_cap_is_saturated_at_nine_tenths_of_what_services_can_have() -> None:
    assert expr("PgBouncerCapSaturated") == (
        'sum(pgbouncer_pools_server_active_connections{job="pooler"}) >= 19'
    )


def test_the_cap_is_exceeded_beyond_max_backends() -> None:
    assert expr("PgBouncerCapExceeded", stack(max_backends="30")).endswith("> 30")


@pytest.mark.parametrize(
    ("changes", "threshold"),
    [({}, 88), ({"reserved_connections": "10"}, 81), ({"max_connections": "200"}, 178)],
    ids=["default", "more reserved", "larger server"],
)
def test_the_server_is_nearly_full_at_nine_tenths_of_what_it_leaves_to_clients(
    changes: dict[str, object], threshold: int
) -> None:
    assert expr("PostgresNearMaxConnections", stack(**changes)) == (
        f'sum(pg_stat_activity_count{{job="server", backend_type="client backend"}}) >= {threshold}'
    )


def test_a_user_bypasses_the_pooler_with_more_than_its_direct_services_declare() -> None:
    assert expr("PgBouncerBypassed", user="web") == (
        'sum(pg_stat_activity_count{job="server", backend_type="client backend", usename="web", datname=~"app"}) - '
        '(sum({__name__=~"pgbouncer_pools_server_(active|idle|used|testing|being_canceled|login)_connections", '
        'job="pooler", user="web"}) or vector(0)) > 4'
    )


def test_the_rules_are_one_group_named_after_the_stack() -> None:
    (group,) = yaml.safe_load(rules.render(stack(), "prod", SERIES))["groups"]
    assert group["name"] == "pgbouncer-prod"


def test_an_odd_user_is_a_string_in_the_query_and_no_template_in_the_text() -> None:
    odd = stack(services={"web": {"user": 'a"b{{c\\', "route": "transaction"}})
    found = next(alert for alert in rules.alerts(odd, SERIES) if alert.name == "PgBouncerBypassed")
    assert 'usename="a\\"b{{c\\\\"' in found.expr
    assert dict(found.labels)["user"] == 'a"b{{ "{{" }}c\\'


def test_every_rule_is_explained_in_the_documentation() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = {
        alert.name for alert in rules.alerts(stack(services={"web": {}, "api": {"route": "session"}}), SERIES)
    }
    assert sorted(name for name in names if f"\n#### {name}\n" not in text) == []


# --- PromQL


def test_a_string_of_promql_keeps_its_letters() -> None:
    assert quoted("ü\\\"'") == '"ü\\\\\\"\'"'


def test_literal_names_in_a_regular_expression_are_escaped() -> None:
    assert one_of("datname", ("a.b", "c")) == 'datname=~"a\\\\.b|c"'


# --- dashboard


def test_the_dashboard_shows_these_panels() -> None:
    assert [panel.title for panel in panels(stack(), SERIES)] == [
        "Clients per service",
        "Backends per service",
        "Waiting clients per service",
        "Longest wait per service",
        "Transactions per service",
        "Connections of the server",
        "Connections past the pooler, per user",
        "Connections of the server, per application_name",
    ]


def test_backends_are_shown_by_service_beside_the_cap() -> None:
    panel = panels(stack(), SERIES)[1]
    assert [(query.legend, query.limit) for query in panel.queries] == [
        ("web, admin", False),
        ("reports", False),
        ("cron", False),
        ("all, lookups included", False),
        ("cap: max_backends 25", True),
    ]


def test_the_cap_line_is_the_declared_cap() -> None:
    assert panels(stack(max_backends="30"), SERIES)[1].queries[-1].expr == "vector(30)"


def test_transactions_are_shown_by_entry_with_the_services_on_it() -> None:
    assert [query.legend for query in panels(stack(), SERIES)[4].queries] == ["web, admin", "cron", "reports"]


def rendered() -> dict[str, object]:
    found: dict[str, object] = json.loads(dashboard.render(stack(), "prod", SERIES))
    return found


def test_the_dashboard_asks_what_the_panels_ask() -> None:
    shown = [
        [target["expr"] for target in panel["targets"]]
        for panel in rendered()["panels"]  # type: ignore[attr-defined] # JSON
    ]
    assert shown == [[query.expr for query in panel.queries] for panel in panels(stack(), SERIES)]


def test_the_cap_is_a_dashed_red_line() -> None:
    backends = rendered()["panels"][1]  # type: ignore[index] # JSON
    assert backends["fieldConfig"]["overrides"] == [
        {
            "matcher": {"id": "byFrameRefID", "options": "q4"},
            "properties": [
                {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
                {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
            ],
        }
    ]


def test_the_dashboard_lets_the_reader_choose_the_prometheus() -> None:
    (variable,) = rendered()["templating"]["list"]  # type: ignore[index] # JSON
    assert (variable["type"], variable["query"], variable["name"]) == (
        "datasource",
        "prometheus",
        "datasource",
    )


def test_same_settings_same_bytes() -> None:
    assert dashboard.render(stack(), "prod", SERIES) == dashboard.render(stack(), "prod", SERIES)


# --- scrape configuration


@pytest.mark.parametrize(
    ("images", "targets"),
    [
        ({"image": "e:1"}, ["pgbouncer-exporter:9127"]),
        (
            {"image": "e:1", "postgres_image": "e:1"},
            ["pgbouncer-exporter:9127", "pgbouncer-postgres-exporter:9187"],
        ),
    ],
    ids=["one", "both"],
)
def test_prometheus_scrapes_the_exporters_that_there_are(images: dict[str, str], targets: list[str]) -> None:
    assert yaml.safe_load(scrape.render(stack(metrics=images), "pgbouncer-prod")) == [
        {
            "job_name": "pgbouncer-prod",
            "scrape_interval": "15s",
            "static_configs": [{"targets": targets}],
        }
    ]
