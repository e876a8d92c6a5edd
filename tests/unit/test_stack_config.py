"""Reading Pulumi's configuration, and the warnings an engineer gets about what can be deployed."""

from __future__ import annotations

import pulumi
import pytest

from components import preflight, stack_config
from components import warnings as of_components
from components.budget import prove
from components.settings import Settings, load
from tests.unit.engine import Engine, run
from tests.unit.stacks import config, production, settings


def read(
    engine: Engine, values: dict[str, str], secret: tuple[str, ...] = ("pgbouncer:admin_password",)
) -> Settings:
    """What the program reads in a preview when the CLI hands over these keys, prefix included."""
    found: list[Settings] = []

    def program() -> None:
        pulumi.runtime.set_all_config(values, list(secret))
        found.append(stack_config.read()[0])

    run(engine, program, preview=True)
    return found[0]


def prefixed(**changes: object) -> dict[str, str]:
    return {f"pgbouncer:{key}": text for key, text in config(**changes).items()}


def warnings(found: Settings) -> list[str]:
    return of_components.warnings(found, prove(found))


def test_the_keys_of_the_project_are_read(engine: Engine) -> None:
    assert read(engine, prefixed(max_backends="20")).max_backends == 20


def test_keys_of_other_projects_and_providers_are_left_alone(engine: Engine) -> None:
    assert read(engine, {**prefixed(), "docker:host": "x", "aws:region": "x"}).network == "app_net"


def test_an_unknown_key_is_seen_in_the_whole_map(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match=r"\nsession_backend: is not a known key"):
        read(engine, prefixed(session_backend="4"))


def test_configuration_from_the_environment_is_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", '{"pgbouncer:max_backends": "21"}')
    assert read(engine, prefixed()).max_backends == 21


def test_a_password_stored_in_clear_is_refused_without_repeating_it(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        read(engine, prefixed(passwords={"web": "tr0ub4dor"}))
    assert str(refused.value).splitlines() == [
        "the stack's configuration cannot be deployed:",
        "passwords: is stored in clear in Pulumi.prod.yaml; remove it there, change the password, "
        "and set it with `pulumi config set --secret --path 'passwords.USER'`",
    ]


def test_secret_passwords_are_read(engine: Engine) -> None:
    keys = ("pgbouncer:admin_password", "pgbouncer:passwords")
    assert "web" in read(engine, prefixed(passwords={"web": "tr0ub4dor"}), keys).passwords


def test_the_empty_default_of_the_passwords_is_no_secret(engine: Engine) -> None:
    assert read(engine, prefixed(passwords={})).passwords == {}


def test_every_finding_of_the_settings_is_in_one_error(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        read(engine, prefixed(port="0", budget="x"))
    assert str(refused.value).splitlines() == [
        "the stack's configuration cannot be deployed:",
        'port: "0" is too small; use 1 or more',
        'budget: "x" is not known; use warn or strict',
    ]


def test_pools_over_the_cap_are_refused_in_a_preview(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="max_backends: 25 is less than the pools need"):
        read(engine, prefixed(services={"web": {"pool_size": 20}}))


def test_a_cap_over_the_server_is_refused_in_a_preview(engine: Engine) -> None:
    with pytest.raises(pulumi.RunError, match="max_backends: 60 does not fit into max_connections"):
        read(engine, prefixed(max_backends="60"))


def test_a_refused_configuration_never_comes_to_the_preflight(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_settings: Settings, _stack: str) -> None:
        raise AssertionError("the servers were asked about a configuration that cannot be deployed")

    monkeypatch.setattr(preflight, "check", check)

    def program() -> None:
        pulumi.runtime.set_all_config(prefixed(port="0"), ["pgbouncer:admin_password"])
        stack_config.read()

    with pytest.raises(pulumi.RunError, match='port: "0" is too small'):
        run(engine, program)


def test_an_update_hands_the_name_of_the_stack_to_the_preflight(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[str] = []
    monkeypatch.setattr(preflight, "check", lambda _settings, stack: stacks.append(stack))

    def program() -> None:
        pulumi.runtime.set_all_config(prefixed(), ["pgbouncer:admin_password"])
        stack_config.read()

    run(engine, program)
    assert stacks == ["prod"]


# --- warnings


def test_a_stack_without_a_reason_is_not_warned_about() -> None:
    assert warnings(settings()) == []


def test_the_production_stack_is_warned_about_its_budget() -> None:
    assert warnings(load(production())) == [
        "budget: declared connections cross max_connections by 44 (144 of 100); "
        "the largest step down is services.webhook_receiver.route: transaction (-15)"
    ]


def test_superusers_behind_the_pooler_are_warned_about_by_service() -> None:
    found = settings(
        superusers=["postgres"],
        services={
            "web": {"user": "postgres", "route": "transaction"},
            "worker": {"user": "postgres", "route": "session"},
            "cron": {"user": "postgres", "route": "direct"},
        },
    )
    assert warnings(found) == [
        "superusers: web, worker log in as the superuser postgres; a role with rights on their tables only would do"
    ]


def test_a_superuser_on_the_direct_lane_is_not_warned_about() -> None:
    assert warnings(settings(superusers=["web"])) == []


def test_what_a_url_of_django_cannot_carry_is_warned_about_where_it_breaks() -> None:
    services = {"web": {"driver": "django", "route": "transaction"}}
    assert warnings(settings(services=services)) == [
        "services.web: django on the transaction lane needs "
        "`dj_database_url.config(disable_server_side_cursors=True)`, which its DSN cannot carry: outside a "
        "transaction `.iterator()` opens a cursor WITH HOLD, which stays with its backend"
    ]


@pytest.mark.parametrize(
    "service", [{"driver": "django", "route": "session"}, {"driver": "sqlx", "route": "transaction"}]
)
def test_what_a_driver_can_do_without_is_not_warned_about(service: dict[str, object]) -> None:
    assert warnings(settings(services={"web": service})) == []


def test_published_ports_are_warned_about() -> None:
    assert warnings(settings(ports=["127.0.0.1:6432", "10.0.0.5:6432"])) == [
        "ports: 127.0.0.1:6432, 10.0.0.5:6432 can be held by one container only, so an image upgrade cannot overlap: "
        "clients are cut off until the new pooler answers"
    ]


def test_a_transaction_timeout_longer_than_the_grace_is_warned_about() -> None:
    assert warnings(settings(settings={"transaction_timeout": 31})) == [
        "destroy_grace_seconds: 30 is less than transaction_timeout (31); "
        "a stopping pooler would cut transactions that are still allowed to run"
    ]


def test_a_transaction_timeout_of_the_grace_is_not_warned_about() -> None:
    assert warnings(settings(settings={"transaction_timeout": 30})) == []


def test_an_unencrypted_connection_to_another_host_is_warned_about() -> None:
    assert warnings(settings(admin_host="db.example")) == [
        "admin_sslmode: the connection to db.example is not encrypted; use require unless it stays on this host"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_unencrypted_connection_to_this_host_is_not_warned_about(host: str) -> None:
    assert warnings(settings(admin_host=host)) == []


def test_an_encrypted_connection_to_another_host_is_not_warned_about() -> None:
    assert warnings(settings(admin_host="db.example", admin_sslmode="verify-full")) == []


def test_the_hook_looks_for_objects_that_are_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(preflight, "refuse_existing", lambda settings: asked.append(settings.name))

    def program() -> None:
        hook = stack_config.refusing_hook(settings(name="pool"))
        hook.callback(pulumi.ResourceHookArgs(urn="urn:x", id="x", name="x", type="x"))

    run(Engine(), program)
    assert asked == ["pool"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "172.18.0.2"])
def test_an_unencrypted_connection_that_stays_on_this_host_is_no_warning(host: str) -> None:
    assert warnings(settings(admin_host=host)) == []


def test_a_private_address_leaves_this_host_when_the_engine_is_elsewhere() -> None:
    found = settings(admin_host="172.18.0.2", docker_host="ssh://ops@db.example")
    assert warnings(found) == [
        "admin_sslmode: the connection to 172.18.0.2 is not encrypted; use require unless it stays on this host"
    ]


def test_an_adoption_says_that_the_backends_of_both_add_up() -> None:
    assert warnings(settings(adopts="old-pooler")) == [
        "adopts: container old-pooler and this pooler both answer to pgbouncer until the former is stopped; "
        "so long their backends add up"
    ]


def test_a_limit_that_the_session_lane_does_not_know_is_warned_about() -> None:
    services = {"web": {"route": "session", "pool_size": 2, "max_clients": 9}}
    assert warnings(settings(services=services)) == [
        "services.web: query_wait_timeout and max_clients hold on its own entry, the transaction lane, "
        "and its route is session"
    ]


def test_limits_of_a_service_on_the_transaction_lane_need_no_warning() -> None:
    services = {"web": {"route": "transaction", "pool_size": 2, "max_clients": 9}}
    assert warnings(settings(services=services)) == []
