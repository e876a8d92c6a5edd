"""The exporters: what the stack may say of them, what PgBouncer's files let them do, and how they are run."""

from __future__ import annotations

from dataclasses import replace

import pulumi
import pytest

from components import ini, preflight
from components.budget import prove
from components.metrics import Metrics, MetricsArgs
from components.settings import Settings, SettingsError
from tests.unit.engine import GENERATED_PASSWORD, Engine, run
from tests.unit.stacks import production, refusal, settings
from tests.unit.test_main import deploy, preview

IMAGE, POSTGRES_IMAGE = "exporters:1", "exporters@sha256:" + "0" * 64
BOTH = {"image": IMAGE, "postgres_image": POSTGRES_IMAGE}

ARGS = MetricsArgs(
    image=IMAGE,
    postgres_image=POSTGRES_IMAGE,
    job_image="pgbouncer:1.26.1",
    user="65532:65532",
    network="app_net",
    alias="pgbouncer",
    console="postgresql://pgbouncer_stats@pgbouncer:6432/pgbouncer?sslmode=disable",
    database="timescale_db:5432/app?sslmode=disable",
    monitor_role="pgbouncer_monitor",
    stats_password="tr0ub4dor",
    monitor_password="battery-staple",
    depends_on=[],
)


@pytest.fixture(autouse=True)
def no_preflight(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no server to look at."""
    monkeypatch.setattr(preflight, "check", lambda _settings, _stack: None)


def watched(**images: str) -> Settings:
    return settings(metrics=images or BOTH)


def metrics(engine: Engine, args: MetricsArgs = ARGS) -> Engine:
    def program() -> None:
        Metrics("p", args)

    run(engine, program)
    return engine


# --- configuration


def test_there_are_no_exporters_by_default() -> None:
    assert settings().metrics is None


def test_an_empty_object_is_no_exporters() -> None:
    assert settings(metrics={}).metrics is None


def test_the_exporter_of_postgres_can_be_left_out() -> None:
    found = watched(image=IMAGE).metrics
    assert found is not None
    assert found.postgres_image is None


def test_metrics_without_the_exporter_of_pgbouncer_is_refused() -> None:
    assert refusal(metrics={"postgres_image": POSTGRES_IMAGE}) == (
        "metrics.image: is not set; run `pulumi config set metrics.image …`"
    )


def test_an_image_without_a_tag_or_digest_is_refused() -> None:
    assert refusal(metrics={"image": "exporters"}) == (
        'metrics.image: "exporters" has no tag and no digest; name one, like exporters:1.0'
    )


def test_an_unknown_key_of_metrics_is_refused_with_the_known_ones() -> None:
    assert refusal(metrics={"image": IMAGE, "port": 9127}) == (
        "metrics.port: is not a known key; known are image, postgres_image"
    )


@pytest.mark.parametrize("user", ["pgbouncer_stats", "pgbouncer_monitor"])
def test_a_service_cannot_log_in_as_an_exporter(user: str) -> None:
    assert refusal(services={"web": {"user": user}}) == (
        f'services.web.user: "{user}" is a role of this deployment; choose another'
    )


def test_stats_users_is_not_free() -> None:
    assert refusal(settings={"stats_users": "web"}) == (
        'settings.stats_users: "web" would replace what this stack sets itself; use metrics, or the console'
    )


# --- PgBouncer's files


def test_the_hba_lets_the_statistics_user_into_the_console_and_nowhere_else() -> None:
    assert ini.render_hba(watched()) == (
        "# Generated from the Pulumi stack.\n"
        "# the exporter reads statistics, as a user who may only SHOW\n"
        'host pgbouncer "pgbouncer_stats" all scram-sha-256\n'
        'host all "pgbouncer_stats" all reject\n'
        "# the console is for the socket inside the container only\n"
        "host pgbouncer all all reject\n"
        "# a service on the lookup entry could take its backends and stop all logins\n"
        "host pgbouncer_auth all all reject\n"
        "# the lookup roles are no clients\n"
        'host all "pgbouncer_auth_a" all reject\n'
        'host all "pgbouncer_auth_b" all reject\n'
        "# everybody else proves a password that the lookup knows\n"
        "host all all all scram-sha-256\n"
    )


def test_the_ini_names_the_statistics_user_with_metrics_only() -> None:
    line = "\nstats_users = pgbouncer_stats\n"
    assert (line in ini.render_ini(watched()), "stats_users" in ini.render_ini(settings())) == (True, False)


def test_the_userlist_holds_a_verifier_of_the_statistics_user() -> None:
    assert ini.render_userlist(watched(), "clear", "SCRAM-SHA-256$4096:salt$stored:server") == (
        '"pgbouncer_auth_a" "clear"\n"pgbouncer_stats" "SCRAM-SHA-256$4096:salt$stored:server"\n'
    )


# --- budget


def test_the_exporter_of_postgres_is_in_the_budget() -> None:
    assert prove(watched()).table().splitlines()[1].split() == ["exporter", "of", "Postgres", "2"]


def test_the_exporter_of_pgbouncer_alone_costs_no_connection() -> None:
    assert prove(watched(image=IMAGE)) == prove(settings())


def test_a_cap_that_fits_only_without_the_exporter_is_refused_with_the_one_that_fits() -> None:
    with pytest.raises(
        SettingsError, match=r"lower max_backends to 45, or raise max_connections of the server to 101"
    ):
        prove(settings(metrics=BOTH, max_backends="46"))


# --- the program


def test_without_metrics_the_program_makes_nothing_for_it(engine: Engine) -> None:
    preview(engine)
    assert [
        name for name in engine.registered if "exporter" in name or "stats" in name or "monitor" in name
    ] == []


def with_metrics() -> dict[str, str]:
    return production() | {"metrics": f'{{"image": "{IMAGE}", "postgres_image": "{POSTGRES_IMAGE}"}}'}


def test_the_exporters_start_after_the_pooler_has_its_configuration(engine: Engine) -> None:
    deploy(engine, with_metrics())
    waits_for = engine.registered["pgbouncer-exporter"].depends_on
    assert {"pgbouncer-reload", "pgbouncer-exporter-secrets"} <= waits_for


def test_the_exporters_reach_both_servers_inside_the_network(engine: Engine) -> None:
    deploy(engine, with_metrics())
    assert (
        engine.registered["pgbouncer-exporter"].inputs["envs"],
        engine.registered["pgbouncer-postgres-exporter"].inputs["envs"],
    ) == (
        [
            "PGBOUNCER_EXPORTER_CONNECTION_STRING="
            "postgresql://pgbouncer_stats@pgbouncer:6432/pgbouncer?sslmode=disable",
            "PGPASSFILE=/secrets/pgpass",
        ],
        [
            "DATA_SOURCE_URI=timescale_db:5432/tracksolid_db?sslmode=disable",
            "DATA_SOURCE_USER=pgbouncer_monitor",
            "DATA_SOURCE_PASS_FILE=/secrets/postgres",
        ],
    )


def test_the_role_of_the_exporter_may_read_statistics_with_two_connections(engine: Engine) -> None:
    deploy(engine, with_metrics())
    found = engine.registered["pgbouncer-monitor"].inputs
    assert (found["name"], found["roles"], found["connectionLimit"]) == (
        "pgbouncer_monitor",
        ["pg_monitor"],
        2,
    )


def test_the_password_of_the_role_is_secret_and_a_verifier(engine: Engine) -> None:
    deploy(engine, with_metrics())
    found = engine.registered["pgbouncer-monitor"]
    assert "password" in found.secret_inputs
    assert str(found.inputs["password"]).startswith("SCRAM-SHA-256$4096:")


def test_no_plain_input_of_the_exporters_shows_a_password(engine: Engine) -> None:
    deploy(engine, with_metrics())
    shown = [
        (name, key)
        for name, item in engine.registered.items()
        for key, value in item.inputs.items()
        if key not in item.secret_inputs and GENERATED_PASSWORD in repr(value)
    ]
    assert shown == []


# --- the component

EXPORTERS = ["p-exporter", "p-postgres-exporter"]


def test_only_the_job_sees_the_passwords(engine: Engine) -> None:
    places = [
        (name, key)
        for name, item in metrics(engine).registered.items()
        for key, value in item.inputs.items()
        if "tr0ub4dor" in repr(value) or "battery-staple" in repr(value)
    ]
    assert places == [("p-exporter-secrets", "uploads")]


def test_the_passwords_are_secret_files_of_mode_0400(engine: Engine) -> None:
    job = metrics(engine).registered["p-exporter-secrets"]
    assert job.secret_inputs == {"uploads"}
    assert [(item["file"], item["content"], item["permissions"]) for item in job.inputs["uploads"]] == [
        ("/staged/pgpass", "*:*:*:*:tr0ub4dor\n", "0400"),
        ("/staged/postgres", "battery-staple", "0400"),
    ]


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "65532:65532"),
        ("readOnly", True),
        ("capabilities", {"drops": ["ALL"]}),
        ("securityOpts", ["no-new-privileges:true"]),
        ("memory", 96),
        ("memorySwap", 192),
        ("restart", "unless-stopped"),
    ],
)
def test_an_exporter_is_defined_as_designed(engine: Engine, name: str, key: str, value: object) -> None:
    assert metrics(engine).registered[name].inputs[key] == value


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("key", ["ports", "command", "privileged", "uploads", "name"])
def test_an_exporter_leaves_this_unset(engine: Engine, name: str, key: str) -> None:
    assert key not in metrics(engine).registered[name].inputs


@pytest.mark.parametrize(
    ("name", "alias"),
    [("p-exporter", "pgbouncer-exporter"), ("p-postgres-exporter", "pgbouncer-postgres-exporter")],
)
def test_prometheus_finds_an_exporter_by_its_alias(engine: Engine, name: str, alias: str) -> None:
    found = metrics(engine).registered[name].inputs["networksAdvanced"]
    assert found == [{"name": "app_net", "aliases": [alias]}]


@pytest.mark.parametrize("name", EXPORTERS)
def test_an_exporter_is_never_there_twice(engine: Engine, name: str) -> None:
    assert metrics(engine).registered[name].delete_before_replace is True


def test_a_job_that_fails_stops_the_update_before_an_exporter_starts(engine: Engine) -> None:
    engine.exit_codes["p-exporter-secrets"] = 1
    with pytest.raises(pulumi.RunError, match="p-exporter-secrets failed"):
        metrics(engine)
    assert not set(EXPORTERS) & set(engine.registered)


def test_a_new_password_replaces_its_exporter_only() -> None:
    before, after = metrics(Engine()), metrics(Engine(), replace(ARGS, monitor_password="another"))
    changed = [name for name in EXPORTERS if before.registered[name].inputs != after.registered[name].inputs]
    assert changed == ["p-postgres-exporter"]
