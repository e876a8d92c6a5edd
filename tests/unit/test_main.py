"""The program as a whole, on the production stack."""

from __future__ import annotations

import json
import logging
import runpy
from collections.abc import Mapping

import pulumi
import pytest

from components import preflight
from components.settings import Settings, SettingsError
from tests.unit.engine import CONTAINER, GENERATED_PASSWORD, Engine, Exported, run
from tests.unit.stacks import ROOT, production

SERVICES = (
    "webhook_receiver",
    "ingest_worker",
    "dashboard_api",
    "worker",
    "cron",
    "gateway",
    "analytics_mcp",
    "grafana",
    "migrations",
)


def preview(engine: Engine, config: Mapping[str, str] | None = None) -> dict[str, Exported]:
    return deploy(engine, config, is_preview=True)


def deploy(
    engine: Engine, config: Mapping[str, str] | None = None, *, is_preview: bool = False
) -> dict[str, Exported]:
    values = production() if config is None else config

    def program() -> None:
        pulumi.runtime.set_all_config(
            {f"pgbouncer:{key}": text for key, text in values.items()},
            ["pgbouncer:admin_password", "pgbouncer:passwords"],
        )
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    return run(engine, program, preview=is_preview)


def routed(**routes: str) -> dict[str, str]:
    """The production stack with some services on another lane."""
    values = production()
    services = json.loads(values["services"])
    for name, route in routes.items():
        services[name]["route"] = route
    return {**values, "services": json.dumps(services)}


@pytest.fixture(autouse=True)
def touched(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> list[set[str]]:
    """Every call of the preflight, with what was registered at that moment."""
    calls: list[set[str]] = []

    def check(_settings: Settings, _stack: str) -> None:
        calls.append(set(engine.registered))

    monkeypatch.setattr(preflight, "check", check)
    return calls


def test_a_preview_never_comes_to_the_preflight(engine: Engine, touched: list[set[str]]) -> None:
    preview(engine)
    assert touched == []


def test_a_preview_opens_no_connection(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a preview reached out")

    monkeypatch.setattr("psycopg.connect", refuse)
    monkeypatch.setattr("docker.from_env", refuse)
    monkeypatch.setattr("docker.DockerClient", refuse)
    assert set(preview(engine)["routes"].value) == set(SERVICES)


def test_an_update_comes_to_the_preflight_once_before_anything_is_registered(
    engine: Engine, touched: list[set[str]]
) -> None:
    deploy(engine)
    assert touched == [set()]


def test_a_finding_of_the_preflight_stops_the_update_before_anything_is_registered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_settings: Settings, _stack: str) -> None:
        raise SettingsError("network: app_net does not exist")

    monkeypatch.setattr(preflight, "check", check)
    with pytest.raises(
        pulumi.RunError, match=r"^the stack's configuration cannot be deployed:\nnetwork: app_net"
    ):
        deploy(engine)
    assert engine.registered == {}


@pytest.mark.parametrize("service", SERVICES)
def test_the_dsn_of_every_service_is_secret(engine: Engine, service: str) -> None:
    assert preview(engine)[f"{service}_dsn"].secret


def test_the_production_stack_starts_on_the_direct_lane(engine: Engine) -> None:
    found = preview(engine)
    assert {found[f"{service}_dsn"].value.split("@")[1].split("/")[0] for service in SERVICES} == {
        "timescale_db:5432"
    }


@pytest.mark.parametrize(
    ("route", "target"),
    [
        ("direct", "timescale_db:5432/tracksolid_db"),
        ("transaction", "pgbouncer:6432/tracksolid_db"),
        ("session", "pgbouncer:6432/tracksolid_db_session"),
    ],
)
def test_the_dsn_of_a_service_follows_its_route(engine: Engine, route: str, target: str) -> None:
    found = preview(engine, routed(grafana=route))
    assert found["grafana_dsn"].value == (
        f"postgresql://grafana_ro@{target}?application_name=grafana&connect_timeout=5"
    )


def test_the_cutover_of_one_service_changes_its_dsn_only() -> None:
    before, after = preview(Engine()), preview(Engine(), routed(worker="transaction"))
    changed = {name for name in before if name.endswith("_dsn") and before[name] != after[name]}
    assert changed == {"worker_dsn"}


def test_all_lanes_of_a_service_are_there_on_every_route(engine: Engine) -> None:
    found = preview(engine, routed(worker="session"))["lanes"].value
    assert set(found["worker"]) == {"direct", "transaction", "session"}


def test_the_lanes_are_secret(engine: Engine) -> None:
    assert preview(engine)["lanes"].secret


@pytest.mark.parametrize(
    "name", ["routes", "budget", "pgbouncer_ini", "pg_hba", "reloadable", "restart_only"]
)
def test_what_a_reviewer_reads_is_plain(engine: Engine, name: str) -> None:
    assert not preview(engine)[name].secret


@pytest.mark.parametrize(
    ("output", "config", "said"),
    [
        ("reloadable", {}, "nobody"),
        (
            "restart_only",
            {"destroy_grace_seconds": "45"},
            "transaction lane: each client once, between two transactions; "
            "session lane: who has not left after 45 s",
        ),
        (
            "restart_only",
            {"ports": '["127.0.0.1:6432"]'},
            "everybody, and until the new container answers nobody gets in: a published port allows no overlap",
        ),
    ],
    ids=["reload", "overlap", "published port"],
)
def test_a_reviewer_reads_beside_the_settings_who_reconnects(
    engine: Engine, output: str, config: dict[str, str], said: str
) -> None:
    assert preview(engine, production() | config)[output].value["(who reconnects)"] == said


def test_there_is_no_output_beside_these(engine: Engine) -> None:
    assert set(preview(engine)) == {f"{service}_dsn" for service in SERVICES} | {
        "lanes",
        "routes",
        "masked_dsns",
        "users_without_password",
        "budget",
        "pgbouncer_ini",
        "pg_hba",
        "reloadable",
        "restart_only",
    }


def test_a_known_password_is_in_the_dsn_of_its_user(engine: Engine) -> None:
    found = preview(engine, {**production(), "passwords": '{"grafana_ro": "p@ss word"}'})
    assert found["grafana_dsn"].value.startswith("postgresql://grafana_ro:p%40ss%20word@timescale_db:5432/")


def with_passwords() -> dict[str, str]:
    services = json.loads(production()["services"])
    services["grafana"] |= {"driver": "libpq_keywords"}
    services["analytics_mcp"] |= {"driver": "npgsql", "route": "transaction"}
    passwords = json.dumps({"grafana_ro": "it's secret", "analytics_ro": "secret; too"})
    return {**production(), "services": json.dumps(services), "passwords": passwords}


def test_a_preview_shows_each_dsn_with_a_mask_for_its_password(engine: Engine) -> None:
    found = preview(engine, with_passwords())["masked_dsns"]
    assert not found.secret
    assert {name: found.value[name] for name in ("grafana", "analytics_mcp", "cron")} == {
        "grafana": "host=timescale_db port=5432 dbname=tracksolid_db user=grafana_ro password=**** "
        "application_name=grafana connect_timeout=5",
        "analytics_mcp": "Host=pgbouncer;Port=6432;Database=tracksolid_db;Username=analytics_ro;Password=****;"
        "Application Name=analytics_mcp;Timeout=5;No Reset On Close=true",
        "cron": "postgresql://postgres@timescale_db:5432/tracksolid_db?application_name=cron&connect_timeout=5",
    }


def test_users_whose_password_the_stack_does_not_know_are_named_once(engine: Engine) -> None:
    assert preview(engine, with_passwords())["users_without_password"].value == ["migrator", "postgres"]


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (
            {"driver": "psycopg4"},
            'services.worker.driver: "psycopg4" is not known; use libpq, libpq_keywords, psycopg2, psycopg, asyncpg, '
            "sqlalchemy_psycopg2, sqlalchemy_psycopg, sqlalchemy_asyncpg, django, node_postgres, postgres_js, "
            "prisma, jdbc, pgx, lib_pq, sqlx, tokio_postgres or npgsql",
        ),
        (
            {"route": "transaction", "needs": ["listen"]},
            "services.worker.route: transaction cannot give listen (a notification comes to the backend that ran "
            "LISTEN, not to the client); use session or direct",
        ),
    ],
)
def test_a_preview_refuses_a_driver_or_a_route_with_one_line(
    engine: Engine, service: dict[str, object], line: str
) -> None:
    services = json.loads(production()["services"])
    services["worker"] |= service
    with pytest.raises(pulumi.RunError) as refused:
        preview(engine, {**production(), "services": json.dumps(services)})
    assert str(refused.value) == f"the stack's configuration cannot be deployed:\n{line}"


@pytest.mark.parametrize("secret", ["tr0ub4dor", "battery-staple", GENERATED_PASSWORD])
def test_no_plain_output_shows_a_secret(engine: Engine, secret: str) -> None:
    found = preview(
        engine,
        {**production(), "admin_password": "tr0ub4dor", "passwords": '{"grafana_ro": "battery-staple"}'},
    )
    assert [
        name for name, output in found.items() if not output.secret and secret in repr(output.value)
    ] == []


@pytest.mark.parametrize("secret", ["tr0ub4dor", "battery-staple", GENERATED_PASSWORD])
def test_no_plain_input_shows_a_secret(engine: Engine, secret: str) -> None:
    deploy(
        engine,
        {**production(), "admin_password": "tr0ub4dor", "passwords": '{"grafana_ro": "battery-staple"}'},
    )
    shown = [
        (name, key)
        for name, item in engine.registered.items()
        for key, value in item.inputs.items()
        if key not in item.secret_inputs and secret in repr(value)
    ]
    assert shown == []


def test_the_userlist_carries_the_generated_password(engine: Engine) -> None:
    deploy(engine)
    uploads = engine.registered["pgbouncer-userlist"].inputs["uploads"]
    assert [item["content"] for item in uploads] == [f'"pgbouncer_auth_a" "{GENERATED_PASSWORD}"\n']


def test_the_database_is_reached_as_the_admin(engine: Engine) -> None:
    deploy(engine)
    found = engine.registered["database"].inputs
    assert (found["host"], found["port"], found["username"], found["database"]) == (
        "127.0.0.1",
        "5432",
        "postgres",
        "tracksolid_db",
    )


def test_the_admin_password_reaches_the_provider_as_a_secret(engine: Engine) -> None:
    deploy(engine)
    assert "password" in engine.registered["database"].secret_inputs


@pytest.mark.parametrize("part", ["pgbouncer-config", "pgbouncer-pooler", "pgbouncer-write"])
def test_what_runs_on_the_engine_is_made_by_the_engine_provider(engine: Engine, part: str) -> None:
    deploy(engine)
    assert engine.registered[part].provider == "engine"


@pytest.mark.parametrize("part", ["pgbouncer-services", "pgbouncer-lookup", "pgbouncer-execute-a"])
def test_what_is_in_the_database_is_made_by_the_database_provider(engine: Engine, part: str) -> None:
    deploy(engine)
    assert engine.registered[part].provider == "database"


def test_a_configured_engine_is_the_one_of_the_provider(engine: Engine) -> None:
    deploy(engine, {**production(), "docker_host": "ssh://deploy@db1"})
    assert engine.registered["engine"].inputs["host"] == "ssh://deploy@db1"


def test_without_a_configured_engine_the_plugin_chooses(engine: Engine) -> None:
    deploy(engine)
    assert "host" not in engine.registered["engine"].inputs


def test_another_name_moves_every_container(engine: Engine) -> None:
    deploy(engine, {**production(), "name": "pool"})
    assert {name.split("-")[0] for name in engine.of_type(CONTAINER)} == {"pool"}


def test_an_unknown_key_of_the_stack_is_refused_in_a_preview(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="max_backend: is not a known key"):
        preview(engine, {**production(), "max_backend": "25"})


def test_the_production_stack_is_warned_about_its_budget_only(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        preview(engine)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "budget: declared connections cross max_connections by 44 (144 of 100); "
        "the largest step down is services.webhook_receiver.route: transaction (-15)"
    ]
