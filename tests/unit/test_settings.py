"""What the loader accepts, and the exact text with which it refuses the rest."""

from __future__ import annotations

import json
import traceback

import pytest
import yaml

from components.settings import Lane, Limits, Settings, SettingsError, load
from tests.unit.stacks import ROOT, config, production, refusal, refusal_of, settings

LONG = "x" * 64


# --- keys


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    assert refusal(max_backend="25") == (
        "max_backend: is not a known key; known are network, database, database_host, database_port, "
        "max_connections, reserved_connections, admin_host, admin_port, admin_user, admin_password, admin_sslmode, "
        "deployment_connections, image, docker_host, name, alias, adopts, port, ports, run_as, limits, max_backends, "
        "session_backends, rotation, destroy_grace_seconds, drain_seconds, budget, settings, databases, services, "
        "superusers, passwords, managed_passwords"
    )


def test_the_value_of_an_unknown_key_is_not_shown() -> None:
    assert "tr0ub4dor" not in refusal(admin_pasword="tr0ub4dor")


def test_an_unknown_key_of_a_service_is_refused_with_the_known_ones() -> None:
    assert refusal(services={"web": {"rout": "direct"}}) == (
        "services.web.rout: is not a known key; known are user, route, database, driver, needs, pool_size, "
        "direct_connections, query_wait_timeout, max_clients, statement_timeout, idle_transaction_timeout, read_only"
    )


def test_an_unknown_limit_is_refused_with_the_known_ones() -> None:
    assert refusal(limits={"memory": 64}) == (
        "limits.memory: is not a known key; known are memory_mb, nofile, max_client_conn, cpus"
    )


def test_a_missing_admin_password_is_asked_for_as_a_secret() -> None:
    assert refusal(admin_password=None) == (
        "admin_password: is not set; run `pulumi config set --secret admin_password …`"
    )


def test_a_missing_network_is_asked_for() -> None:
    assert refusal(network=None) == "network: is not set; run `pulumi config set network …`"


@pytest.mark.parametrize("key", ["network", "database", "admin_user"])
def test_an_empty_name_is_refused(key: str) -> None:
    assert refusal(**{key: ""}) == f"{key}: is empty; give it a value"


def test_all_findings_come_at_once_in_the_order_of_the_keys() -> None:
    assert refusal(network=None, max_backends="0", budget="maybe").splitlines() == [
        "network: is not set; run `pulumi config set network …`",
        'max_backends: "0" is too small; use 1 or more',
        'budget: "maybe" is not known; use warn or strict',
    ]


def test_the_defaults_of_the_project_file_are_those_of_the_program() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    assert {
        key: Settings.model_fields[key].get_default() for key in declared if "default" in declared[key]
    } == {
        key: {"ports": (), "superusers": (), "managed_passwords": (), "limits": Limits()}.get(
            key, entry["default"]
        )
        for key, entry in declared.items()
        if "default" in entry
    }


def test_the_project_file_declares_the_keys_of_the_program() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    assert set(declared) == set(Settings.model_fields)


def test_the_smallest_stack_is_one_service_with_its_own_name_as_its_user() -> None:
    assert settings().users() == ("web",)


def test_a_service_without_a_body_is_one_with_defaults() -> None:
    assert settings(services={"web": None}).services["web"].route is Lane.DIRECT


def test_a_user_of_two_services_is_counted_once() -> None:
    two = {"web": {"user": "app"}, "worker": {"user": "app"}}
    assert settings(services=two).users() == ("app",)


def test_the_production_stack_has_nine_services() -> None:
    assert len(load(production()).services) == 9


# --- duplicates


def test_a_service_that_is_there_twice_is_refused() -> None:
    assert refusal(services='{"web": {}, "web": {"route": "session"}}') == (
        "services.web: is there twice; keep one of them"
    )


def test_a_password_that_is_there_twice_is_refused_without_being_shown() -> None:
    assert refusal(passwords='{"web": "tr0ub4dor", "web": "horse"}') == (
        "passwords.web: is there twice; keep one of them"
    )


# --- shapes


@pytest.mark.parametrize("key", ["services", "settings", "limits", "ports", "superusers"])
def test_text_where_an_object_belongs_is_refused(key: str) -> None:
    assert refusal(**{key: "{web"}) == f"{key}: is not valid JSON; set it with `pulumi config set --path`"


def test_passwords_that_are_no_json_are_not_shown() -> None:
    assert (
        refusal(passwords="tr0ub4dor")
        == "passwords: is not valid JSON; set it with `pulumi config set --path`"
    )


@pytest.mark.parametrize("value", [12345, True, None, {"tr0ub4dor": 1}, ["tr0ub4dor"]])
def test_a_password_that_is_no_text_is_refused_without_being_shown(value: object) -> None:
    assert refusal(passwords={"web": value}) == (
        "passwords.web: the value does not fit (Input should be a valid string); see the table of keys in README.md"
    )


def test_a_list_of_passwords_is_refused_without_being_shown() -> None:
    assert refusal(passwords=["tr0ub4dor"]) == (
        "passwords: the value does not fit (Input should be a valid dictionary); see the table of keys in README.md"
    )


def test_a_stack_without_services_is_refused() -> None:
    assert refusal(services={}) == "services: is empty; name at least one service"


def test_a_setting_that_is_a_list_is_refused() -> None:
    assert refusal(settings={"query_timeout": [5]}) == (
        "settings.query_timeout: [5] does not fit (Input should be a valid string); see the table of keys in README.md"
    )


def test_a_number_among_the_settings_is_its_text() -> None:
    assert settings(settings={"query_timeout": 5}).settings == {"query_timeout": "5"}


def test_a_fraction_among_the_settings_is_its_text() -> None:
    assert settings(settings={"server_login_retry": 0.5}).settings == {"server_login_retry": "0.5"}


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, "0")])
def test_a_boolean_among_the_settings_is_what_pgbouncer_shows(value: bool, text: str) -> None:
    assert settings(settings={"log_connections": value}).settings == {"log_connections": text}


# --- sizes


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5, "1.5"),
        (1.0, "1.0"),
        (True, "true"),
        (False, "false"),
        ("two", '"two"'),
        ("", '""'),
        ("1e3", '"1e3"'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_a_pool_size_that_is_no_whole_number_is_refused(value: object, shown: str) -> None:
    assert refusal(services={"web": {"pool_size": value}}) == (
        f"services.web.pool_size: {shown} is not a whole number; give one, like 10"
    )


@pytest.mark.parametrize("value", [0, -1])
def test_a_pool_size_below_one_is_refused(value: int) -> None:
    assert refusal(services={"web": {"pool_size": value}}) == (
        f"services.web.pool_size: {value} is too small; use 1 or more"
    )


@pytest.mark.parametrize(
    "key",
    [
        "max_connections",
        "deployment_connections",
        "max_backends",
        "session_backends",
        "rotation",
        "destroy_grace_seconds",
        "drain_seconds",
    ],
)
@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_size_below_one_is_refused(key: str, value: str) -> None:
    assert refusal(**{key: value}) == f'{key}: "{value}" is too small; use 1 or more'


@pytest.mark.parametrize(
    "key", ["max_connections", "max_backends", "rotation", "port", "reserved_connections"]
)
@pytest.mark.parametrize("value", ["1.5", "true", "two", ""])
def test_a_size_that_is_no_whole_number_is_refused(key: str, value: str) -> None:
    assert refusal(**{key: value}) == f'{key}: "{value}" is not a whole number; give one, like 10'


def test_reserved_connections_may_be_zero() -> None:
    assert settings(reserved_connections="0").reserved_connections == 0


def test_reserved_connections_below_zero_are_refused() -> None:
    assert refusal(reserved_connections="-1") == 'reserved_connections: "-1" is too small; use 0 or more'


def test_direct_connections_may_be_zero() -> None:
    assert settings(services={"web": {"direct_connections": 0}}).services["web"].direct_connections == 0


def test_direct_connections_below_zero_are_refused() -> None:
    assert refusal(services={"web": {"direct_connections": -1}}) == (
        "services.web.direct_connections: -1 is too small; use 0 or more"
    )


def test_direct_connections_that_are_a_boolean_are_refused() -> None:
    assert refusal(services={"web": {"direct_connections": True}}) == (
        "services.web.direct_connections: true is not a whole number; give one, like 10"
    )


@pytest.mark.parametrize("key", ["memory_mb", "nofile", "max_client_conn"])
@pytest.mark.parametrize("value", [0, -5])
def test_a_limit_below_one_is_refused(key: str, value: int) -> None:
    assert refusal(limits={key: value}) == f"limits.{key}: {value} is too small; use 1 or more"


def test_a_limit_that_is_a_boolean_is_refused() -> None:
    assert (
        refusal(limits={"memory_mb": True})
        == "limits.memory_mb: true is not a whole number; give one, like 10"
    )


@pytest.mark.parametrize("value", [0, -0.5])
def test_a_share_of_no_cpu_is_refused(value: float) -> None:
    assert refusal(limits={"cpus": value}) == f"limits.cpus: {value} is too small; use more than 0.0"


def test_half_a_cpu_is_a_limit() -> None:
    assert settings(limits={"cpus": 0.5}).limits.cpus == 0.5


# --- ports, addresses, image, user


@pytest.mark.parametrize("key", ["port", "database_port", "admin_port"])
def test_a_port_above_65535_is_refused(key: str) -> None:
    assert refusal(**{key: "65536"}) == f'{key}: "65536" is too large; use 65535 or less'


@pytest.mark.parametrize("key", ["port", "database_port", "admin_port"])
def test_port_zero_is_refused(key: str) -> None:
    assert refusal(**{key: "0"}) == f'{key}: "0" is too small; use 1 or more'


def test_the_highest_port_is_accepted() -> None:
    assert settings(port="65535").port == 65535


@pytest.mark.parametrize(
    "address",
    [
        "6432",
        ":6432",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "256.0.0.1:6432",
        "127.0.0.1:6432/udp",
        "localhost:6432",
        "127.0.0.1:6432:6432",
    ],
)
def test_a_published_port_without_an_address_and_a_port_is_refused(address: str) -> None:
    assert refusal(ports=[address]) == (
        f'ports.0: "{address}" is not a host address and port; write it like 127.0.0.1:6432'
    )


def test_a_published_port_that_is_a_number_is_refused() -> None:
    assert refusal(ports=[6432]) == (
        "ports.0: 6432 does not fit (Input should be a valid string); see the table of keys in README.md"
    )


@pytest.mark.parametrize("key", ["database_host", "admin_host", "alias"])
@pytest.mark.parametrize("value", ["", "a b", "a,b", "/var/run/postgresql", "-a", "a'b", "a;b", "ü"])
def test_what_is_no_host_name_is_refused(key: str, value: str) -> None:
    assert refusal(**{key: value}) == (
        f"{key}: {json.dumps(value)} is not a host name or address; give one, like timescale_db or 10.0.0.5"
    )


def test_an_ipv6_address_of_the_database_is_accepted() -> None:
    assert settings(database_host="fd00::5").database_host == "fd00::5"


@pytest.mark.parametrize(
    "image",
    [
        "team/pgbouncer",
        "team/pgbouncer:latest",
        "registry:5000/team/pgbouncer",
        "registry:1.26.1/team/pgbouncer",
        "team/pgbouncer@sha256:0123",
        "team/pgbouncer:stable",
        "",
    ],
)
def test_an_image_without_a_version_in_its_tag_is_refused(image: str) -> None:
    assert refusal(image=image) == (
        f'image: "{image}" has no tag with a PgBouncer version; name one, like pgbouncer-stack/pgbouncer:1.26.1'
    )


@pytest.mark.parametrize(
    "image",
    [
        "team/pgbouncer:1.26.0",
        "team/pgbouncer:1.26",
        "team/pgbouncer:1.25.2-alpine",
        "team/pgbouncer:0.99.9",
        "registry:5000/team/pgbouncer:1.24.1@sha256:0123",
    ],
)
def test_an_image_below_the_floor_is_refused(image: str) -> None:
    assert refusal(image=image) == (
        f'image: "{image}" is below 1.26.1, where CVE-2026-107350 and others are fixed; use 1.26.1 or later'
    )


@pytest.mark.parametrize(
    "image",
    ["team/pgbouncer:1.26.1", "registry:5000/pgbouncer:v1.27@sha256:0123", "pgbouncer:1.26.1-2-debian"],
)
def test_an_image_of_the_floor_or_later_is_accepted(image: str) -> None:
    assert settings(image=image).image == image


@pytest.mark.parametrize(
    "user", ["0", "0:0", "0:65532", "65532:0", "65532", "root", "root:root", "-1:-1", "01:01"]
)
def test_a_user_that_is_root_or_no_number_is_refused(user: str) -> None:
    assert (
        refusal(run_as=user)
        == f'run_as: "{user}" is not a numeric non-root uid:gid; write it like 65532:65532'
    )


@pytest.mark.parametrize(
    "name", ["", "PgBouncer", "pg-bouncer", "9pool", "pg_pool", "_pool", "pool'", "x" * 41]
)
def test_a_deployment_name_that_cannot_be_a_prefix_is_refused(name: str) -> None:
    assert refusal(name=name) == (
        f'name: "{name}" cannot prefix role and container names; use up to 40 of a-z, 0-9 and _, not pg_…'
    )


def test_a_docker_host_without_a_scheme_is_refused() -> None:
    assert refusal(docker_host="build-host:2375") == (
        'docker_host: "build-host:2375" has no scheme; use unix://, tcp:// or ssh://'
    )


@pytest.mark.parametrize("host", ["unix:///run/docker.sock", "tcp://10.0.0.5:2376", "ssh://deploy@db1"])
def test_a_docker_host_with_a_scheme_is_accepted(host: str) -> None:
    assert settings(docker_host=host).docker_host == host


# --- choices


@pytest.mark.parametrize(
    ("value", "shown"), [("Direct", '"Direct"'), (None, "null"), (1, "1"), (["direct"], '["direct"]')]
)
def test_an_unknown_route_is_refused(value: object, shown: str) -> None:
    assert refusal(services={"web": {"route": value}}) == (
        f"services.web.route: {shown} is not known; use direct, transaction or session"
    )


def test_an_unknown_sslmode_is_refused() -> None:
    assert refusal(admin_sslmode="prefer") == (
        'admin_sslmode: "prefer" is not known; use disable, require, verify-ca or verify-full'
    )


def test_an_unknown_budget_is_refused() -> None:
    assert refusal(budget="loose") == 'budget: "loose" is not known; use warn or strict'


# --- names of entries


def test_a_service_named_like_the_console_is_refused() -> None:
    assert refusal(services={"pgbouncer": {"user": "web"}}) == (
        'services.pgbouncer: "pgbouncer" is the name of the admin console; choose another'
    )


def test_a_service_named_like_the_database_is_refused() -> None:
    assert refusal(services={"app": {"user": "web"}}) == (
        'services.app: "app" is already the name of the transaction lane; choose another'
    )


def test_a_service_named_like_the_session_entry_is_refused() -> None:
    assert refusal(services={"app_session": {"user": "web"}}) == (
        'services.app_session: "app_session" is already the name of the session lane; choose another'
    )


def test_a_service_named_like_the_lookup_entry_is_refused() -> None:
    assert refusal(services={"pgbouncer_auth": {"user": "web"}}) == (
        'services.pgbouncer_auth: "pgbouncer_auth" is already the name of the entry for lookups; choose another'
    )


def test_the_lookup_entry_follows_the_name_of_the_deployment() -> None:
    assert refusal(name="pool", services={"pool_auth": {"user": "web"}}) == (
        'services.pool_auth: "pool_auth" is already the name of the entry for lookups; choose another'
    )


@pytest.mark.parametrize(
    "name", ["*", "a b", "ü", "a;b", "a#b", "a=b", "a'b", 'a"b', "%include x", "[users]", "a:b"]
)
def test_a_service_that_pgbouncer_cannot_write_as_a_key_is_refused(name: str) -> None:
    assert refusal(services={name: {"user": "web"}}) == (
        f"services.{name}: {json.dumps(name)} has characters that PgBouncer cannot write as a key; "
        "use A-Z, a-z, 0-9, _, . and - only"
    )


def test_a_service_with_too_long_a_name_is_refused() -> None:
    assert refusal(services={LONG: {"user": "web"}}) == (
        f'services.{LONG}: "{LONG}" is longer than 63 bytes; shorten it'
    )


def test_a_database_named_like_the_console_is_refused() -> None:
    assert refusal(database="pgbouncer") == (
        'database: "pgbouncer" is the name of the admin console; choose another'
    )


def test_a_database_named_like_the_lookup_entry_is_refused() -> None:
    assert refusal(database="pgbouncer_auth") == (
        'database: "pgbouncer_auth" is already the name of the entry for lookups; choose another'
    )


@pytest.mark.parametrize("name", ["*", "a b", "ü", "a;b", "a'b", "%include x", "a = host=evil"])
def test_a_database_that_pgbouncer_cannot_write_as_a_key_is_refused(name: str) -> None:
    assert refusal(database=name) == (
        f"database: {json.dumps(name)} has characters that PgBouncer cannot write as a key; "
        "use A-Z, a-z, 0-9, _, . and - only"
    )


# --- names of users


@pytest.mark.parametrize(
    "role", ["pgbouncer_auth_a", "pgbouncer_auth_b", "pgbouncer_services", "pgbouncer_superusers"]
)
def test_a_user_that_is_a_role_of_the_deployment_is_refused(role: str) -> None:
    assert refusal(services={"web": {"user": role}}) == (
        f'services.web.user: "{role}" is a role of this deployment; choose another'
    )


@pytest.mark.parametrize(
    "role", ["public", "none", "current_user", "current_role", "session_user", "pg_monitor"]
)
def test_a_user_that_postgres_reserves_is_refused(role: str) -> None:
    assert refusal(services={"web": {"user": role}}) == (
        f'services.web.user: "{role}" is reserved by Postgres; choose another role'
    )


def test_a_user_named_like_the_user_of_the_console_is_refused() -> None:
    assert refusal(services={"web": {"user": "pgbouncer"}}) == (
        'services.web.user: "pgbouncer" is the user of the admin console; choose another role'
    )


def test_an_empty_user_is_refused() -> None:
    assert refusal(services={"web": {"user": ""}}) == "services.web.user: is empty; name a role"


def test_the_length_of_a_user_is_counted_in_bytes() -> None:
    shown = r"\u00fc" * 32
    assert refusal(services={"web": {"user": "ü" * 32}}) == (
        f'services.web.user: "{shown}" is longer than 63 bytes; shorten it'
    )


@pytest.mark.parametrize("user", ["ü", "a b", "a'b", 'a"b', "a;b", "%include /etc/passwd", "x" * 63])
def test_a_user_may_be_any_role_that_postgres_can_have(user: str) -> None:
    assert settings(services={"web": {"user": user}}).users() == (user,)


# --- line breaks and control characters


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\n", r"\n"),
        ("\r", r"\r"),
        ("\t", r"\t"),
        ("\x00", r"\u0000"),
        ("\x0b", r"\u000b"),
        ("\x1b", r"\u001b"),
        ("\x7f", r"\u007f"),
        ("\x85", r"\u0085"),
        ("\u2028", r"\u2028"),
        ("\u2029", r"\u2029"),
    ],
)
def test_a_control_character_or_line_break_in_a_setting_is_refused_and_shown_escaped(
    character: str, shown: str
) -> None:
    assert refusal(settings={"query_timeout": f"5{character}auth_type=any"}) == (
        f'settings.query_timeout: "5{shown}auth_type=any" has a line break or control character; remove it'
    )


def test_a_line_break_in_the_name_of_a_setting_is_refused() -> None:
    assert refusal(settings={"query_timeout\nauth_type": "any"}) == (
        r'settings.query_timeout\nauth_type: "query_timeout\nauth_type" '
        "has a line break or control character; remove it"
    )


def test_a_line_break_in_a_service_name_is_refused() -> None:
    assert refusal(services={"web\nx": {}}) == (
        r'services.web\nx: "web\nx" has a line break or control character; remove it'
    )


def test_a_line_break_in_a_user_is_refused() -> None:
    assert refusal(services={"web": {"user": "a\u2028b"}}) == (
        r'services.web.user: "a\u2028b" has a line break or control character; remove it'
    )


def test_a_line_break_in_a_list_is_refused() -> None:
    assert refusal(superusers=["web", "a\nb"]) == (
        r'superusers[1]: "a\nb" has a line break or control character; remove it'
    )


@pytest.mark.parametrize(
    "key", ["network", "database", "image", "docker_host", "admin_host", "name", "run_as"]
)
def test_a_line_break_in_a_plain_value_is_refused(key: str) -> None:
    assert refusal(**{key: "x\n"}) == rf'{key}: "x\n" has a line break or control character; remove it'


def test_a_line_break_in_a_key_is_refused() -> None:
    assert refusal(**{"a\nb": "x"}) == r'a\nb: "a\nb" has a line break or control character; remove it'


def test_a_line_break_in_the_admin_password_is_refused_without_showing_it() -> None:
    assert refusal(admin_password="tr0ub4dor\n") == (
        "admin_password: the value has a line break or control character; remove it"
    )


def test_a_line_break_in_a_password_is_refused_without_showing_it() -> None:
    assert refusal(passwords={"web": "tr0ub4\u2028dor"}) == (
        "passwords.web: the value has a line break or control character; remove it"
    )


# --- what has to agree


def test_a_password_of_an_unknown_user_is_refused_without_showing_it() -> None:
    services = {"web": {"user": "app"}, "bi": {"user": "report"}}
    assert refusal(services=services, passwords={"web": "tr0ub4dor"}) == (
        "passwords.web: is no user of any service; users are app, report"
    )


def test_a_superuser_that_no_service_uses_is_refused() -> None:
    assert refusal(superusers=["postgres"]) == 'superusers: "postgres" is no user of any service; remove it'


@pytest.mark.parametrize("drain", ["30", "31"])
def test_a_drain_that_fills_the_grace_is_refused(drain: str) -> None:
    assert refusal(drain_seconds=drain) == (
        f"drain_seconds: {drain} leaves running transactions no time; use less than destroy_grace_seconds (30)"
    )


def test_a_drain_one_second_shorter_than_the_grace_is_accepted() -> None:
    assert settings(drain_seconds="29").drain_seconds == 29


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("auth_type", "trust", "authentication is built by the stack"),
        ("auth_query", "SELECT 1", "authentication is built by the stack"),
        ("auth_file", "/x", "authentication is built by the stack"),
        ("admin_users", "web", "the console is reached through the container: make console"),
        ("stats_users", "web", "use the console"),
        ("default_pool_size", "50", "use max_backends, session_backends and services.*.pool_size"),
        ("max_db_connections", "50", "use max_backends, session_backends and services.*.pool_size"),
        ("reserve_pool_size", "5", "use max_backends, session_backends and services.*.pool_size"),
        ("max_client_conn", "50", "use limits.max_client_conn"),
        ("pool_mode", "statement", "use services.*.route"),
        ("listen_addr", "*", "the pooler listens inside its network only; use ports to publish it"),
        ("listen_port", "5432", "use port"),
        ("server_reset_query", "", "it puts back the setting that keeps the backend cap"),
        ("unix_socket_dir", "/tmp", "sockets and slots are chosen by the start script"),
        ("logfile", "/x", "the container logs to stdout"),
        ("user", "root", "use run_as"),
    ],
)
def test_a_setting_of_the_stack_itself_is_refused(key: str, value: str, instead: str) -> None:
    assert refusal(settings={key: value}) == (
        f'settings.{key}: "{value}" would replace what this stack sets itself; {instead}'
    )


@pytest.mark.parametrize("key", ["%include /x", "Query_Timeout", "a;b", "a b", "[users]", "", "1a", "ü"])
def test_what_is_no_name_of_a_setting_is_refused(key: str) -> None:
    shown = json.dumps(key)[1:-1]
    assert refusal(settings={key: "x"}) == (
        f"settings.{shown}: is not a PgBouncer setting; use its name from pgbouncer.ini(5)"
    )


# --- secrets


def test_the_text_of_the_settings_shows_no_secret() -> None:
    text = repr(settings(admin_password="tr0ub4dor", passwords={"web": "battery-staple"}))
    assert not [secret for secret in ("tr0ub4dor", "battery-staple") if secret in text]


def test_the_error_of_a_secret_leads_to_no_other_error_that_shows_it() -> None:
    values = config(passwords={"web": ["tr0ub4dor"]})
    with pytest.raises(SettingsError) as refused:
        load(values)
    assert "tr0ub4dor" not in "".join(traceback.format_exception(refused.value))


def test_a_refused_configuration_shows_no_secret_of_its_other_keys() -> None:
    text = refusal_of(config(admin_password="tr0ub4dor", passwords={"web": "battery-staple"}, port="x"))
    assert text == 'port: "x" is not a whole number; give one, like 10'


def test_a_container_to_adopt_has_a_name_that_docker_allows() -> None:
    assert (
        refusal(adopts="old pooler")
        == 'adopts: "old pooler" is not a container\'s name; `docker ps` shows it'
    )


def test_a_managed_password_has_to_be_known() -> None:
    assert refusal(managed_passwords=["web"]) == (
        'managed_passwords: the stack knows no password of "web"; '
        "set it with `pulumi config set --secret --path 'passwords.USER'`, or remove the user here"
    )


def test_the_password_of_the_admin_is_not_managed() -> None:
    values = {"services": {"web": {"user": "postgres"}}, "passwords": {"postgres": "tr0ub4dor"}}
    assert refusal(**values, managed_passwords=["postgres"]) == (
        'managed_passwords: "postgres" is the admin_user; change its password by hand '
        "and set admin_password, or the next update could not log in"
    )


def test_a_new_project_is_asked_for_every_plain_key_without_a_default() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    without = {
        key
        for key, entry in project["config"].items()
        if "default" not in entry and entry["type"] == "string"
    }
    assert set(project["template"]["config"]) == without


def test_a_new_project_keeps_the_password_of_the_admin_as_a_secret() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["template"]["config"]["admin_password"]["secret"] is True


# --- routes and databases

BILLING = {"billing": {"backends": 4}}


def test_a_database_that_is_not_declared_is_refused() -> None:
    assert refusal(databases=BILLING, services={"web": {"database": "biling"}}) == (
        'services.web.database: "biling" is not in databases (known are billing); '
        "add it there, or leave the key out for the stack's own database"
    )


def test_a_database_without_any_declared_is_refused() -> None:
    assert refusal(services={"web": {"database": "billing"}}) == (
        'services.web.database: "billing" is not in databases (there are none); '
        "add it there, or leave the key out for the stack's own database"
    )


def test_a_session_lane_of_a_database_that_has_none_is_refused() -> None:
    assert refusal(databases=BILLING, services={"web": {"database": "billing", "route": "session"}}) == (
        "services.web.route: database billing has no session lane; "
        "set databases.billing.session_backends, or use direct or transaction"
    )


@pytest.mark.parametrize("key", ["host", "port"])
def test_a_database_on_another_server_is_refused(key: str) -> None:
    assert refusal(databases={"billing": {"backends": 4, key: "other"}}) == (
        f'databases.billing.{key}: "other" would be another server, whose roles the lookup does not know; '
        "all databases are on database_host, give another server a stack of its own"
    )


def test_an_unknown_key_of_a_database_is_refused_with_the_known_ones() -> None:
    assert refusal(databases={"billing": {"backend": 4, "backends": 4}}) == (
        "databases.billing.backend: is not a known key; known are dbname, backends, session_backends"
    )


def test_a_database_without_backends_is_asked_for_them() -> None:
    assert refusal(databases={"billing": None}) == (
        "databases.billing.backends: is not set; run `pulumi config set databases.billing.backends …`"
    )


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("app", "the transaction lane"),
        ("app_session", "the session lane"),
        ("pgbouncer_auth", "the entry for lookups"),
    ],
)
def test_a_database_named_like_another_entry_is_refused(name: str, purpose: str) -> None:
    assert refusal(databases={name: {"dbname": "other", "backends": 4}}) == (
        f'databases.{name}: "{name}" is already the name of {purpose}; choose another'
    )


def test_a_service_named_like_a_further_database_is_refused() -> None:
    assert refusal(databases=BILLING, services={"billing": {"user": "web"}}) == (
        'services.billing: "billing" is already the name of the transaction lane of databases.billing; choose another'
    )


def test_a_service_named_like_the_session_lane_of_a_further_database_is_refused() -> None:
    databases = {"billing": {"backends": 4, "session_backends": 1}}
    assert refusal(databases=databases, services={"billing_session": {"user": "web"}}) == (
        'services.billing_session: "billing_session" is already the name of the session lane of databases.billing; '
        "choose another"
    )


def test_two_entries_for_one_database_are_refused() -> None:
    assert refusal(databases={"other": {"dbname": "app", "backends": 4}}) == (
        'databases.other.dbname: "app" is that of database already; remove one'
    )


def test_a_database_with_an_empty_name_is_refused() -> None:
    assert refusal(databases={"other": {"dbname": "", "backends": 4}}) == (
        "databases.other.dbname: is empty; give it a value"
    )


@pytest.mark.parametrize("key", ["query_wait_timeout", "max_clients"])
def test_a_limit_of_a_service_without_an_entry_of_its_own_is_refused(key: str) -> None:
    assert refusal(services={"web": {key: 5}}) == (
        f"services.web.{key}: 5 belongs to an entry of its own; set services.web.pool_size too"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [("read_only", True, "true"), ("statement_timeout", 30, "30"), ("idle_transaction_timeout", 60, "60")],
)
def test_a_default_of_a_role_that_others_share_is_refused(key: str, value: object, shown: str) -> None:
    services = {"web": {"user": "x", key: value}, "worker": {"user": "x"}}
    assert refusal(services=services) == (
        f'services.web.{key}: {shown} would hold for worker too, which log in as "x"; '
        "give the service a user of its own, or all the same value"
    )


def test_a_default_of_a_role_may_differ_between_databases() -> None:
    services = {"web": {"user": "x", "read_only": True}, "worker": {"user": "x", "database": "billing"}}
    assert settings(databases=BILLING, services=services).services["worker"].read_only is None


@pytest.mark.parametrize("key", ["statement_timeout", "idle_transaction_timeout"])
def test_a_default_of_a_role_below_zero_is_refused(key: str) -> None:
    assert refusal(services={"web": {key: -1}}) == f"services.web.{key}: -1 is too small; use 0 or more"
