"""Rendered files against text that is kept by hand in golden/."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import ini
from components.role_statements import role_statements
from components.settings import Settings, load
from tests.unit.stacks import production, settings

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def own_entries() -> Settings:
    """Own entries (odd user name, shared user, limits of their own), shared ones, and every kind of setting."""
    return settings(
        name="pool",
        database="shop.db",
        database_host="fd00::5",
        database_port="5433",
        port="6543",
        rotation="2",
        max_backends="30",
        session_backends="4",
        limits={"max_client_conn": 500},
        settings={
            "query_wait_timeout": 15,
            "log_connections": True,
            "transaction_timeout": 25,
            "listen_backlog": 512,
        },
        services={
            "web": {"route": "transaction", "pool_size": 5, "query_wait_timeout": 4, "max_clients": 40},
            "jobs": {"user": "worker", "route": "transaction", "pool_size": 4},
            "cron": {"user": "worker", "route": "session"},
            "bi": {"user": "report.ro", "route": "transaction"},
            "api": {"user": "ü", "route": "transaction", "pool_size": 3},
        },
    )


def test_the_production_ini_is_the_one_kept_by_hand() -> None:
    assert ini.render_ini(load(production())) == golden("production.ini")


def test_the_ini_with_entries_and_users_of_their_own_is_the_one_kept_by_hand() -> None:
    assert ini.render_ini(own_entries()) == golden("own_entries.ini")


def test_the_production_hba_is_the_one_kept_by_hand() -> None:
    assert ini.render_hba(load(production())) == golden("production.hba.conf")


def test_the_production_userlist_is_the_one_kept_by_hand() -> None:
    rendered = ini.render_userlist(load(production()), "correct-horse-battery-staple")
    assert rendered == golden("production.userlist.txt")


def test_the_hba_follows_the_name_of_the_deployment() -> None:
    assert ini.render_hba(own_entries()).splitlines()[4:8] == [
        "host pool_auth all all reject",
        "# the lookup roles are no clients",
        'host all "pool_auth_a" all reject',
        'host all "pool_auth_b" all reject',
    ]


@pytest.mark.parametrize(
    ("rotation", "role"), [("1", "pgbouncer_auth_a"), ("2", "pgbouncer_auth_b"), ("3", "pgbouncer_auth_a")]
)
def test_the_userlist_names_the_auth_role_of_the_rotation(rotation: str, role: str) -> None:
    assert ini.render_userlist(settings(rotation=rotation), "x") == f'"{role}" "x"\n'


def test_a_double_quote_in_the_auth_password_is_doubled() -> None:
    assert ini.render_userlist(settings(), 'a"b') == '"pgbouncer_auth_a" "a""b"\n'


def test_the_order_of_services_and_settings_changes_no_byte() -> None:
    services = {
        "web": {"user": "a", "route": "transaction", "pool_size": 2},
        "api": {"user": "b", "route": "transaction", "pool_size": 3},
        "job": {"user": "ü", "route": "transaction", "pool_size": 1},
    }
    values = {"query_timeout": 5, "client_idle_timeout": 60}
    forward = ini.render_ini(settings(services=services, settings=values))
    backward = ini.render_ini(
        settings(
            services=dict(reversed(services.items())),
            settings=dict(reversed(values.items())),
        )
    )
    assert forward == backward


def test_a_route_to_another_lane_changes_no_byte_when_it_has_its_own_size() -> None:
    direct, pooled = (
        ini.render_ini(settings(services={"web": {"route": route, "pool_size": 4}}))
        for route in ("direct", "transaction")
    )
    assert direct == pooled


def test_the_ini_has_one_pgbouncer_section() -> None:
    assert ini.render_ini(own_entries()).count("[pgbouncer]") == 1


def test_the_ini_has_no_entry_for_any_database() -> None:
    assert "\n* =" not in ini.render_ini(own_entries())


def test_the_files_end_with_one_line_break() -> None:
    texts = (
        ini.render_ini(own_entries()),
        ini.render_hba(own_entries()),
        ini.render_userlist(own_entries(), "x"),
    )
    assert [text[-2:].count("\n") for text in texts] == [1, 1, 1]


@pytest.mark.parametrize(
    "value", ["5 ; auth_type = any", "5 # x", "%include /etc/passwd", "[pgbouncer]", "'", '"', "ü"]
)
def test_a_setting_is_written_as_it_is_on_a_line_of_its_own(value: str) -> None:
    plain = set(ini.render_ini(settings()).splitlines())
    lines = ini.render_ini(settings(settings={"server_check_query": value})).splitlines()
    assert [line for line in lines if line not in plain] == [f"server_check_query = {value}"]


def test_a_setting_of_2000_characters_is_not_cut() -> None:
    value = "x" * 2000
    assert f"server_check_query = {value}\n" in ini.render_ini(
        settings(settings={"server_check_query": value})
    )


def test_a_setting_of_the_stack_replaces_the_default() -> None:
    assert ini.reloadable(settings(settings={"dns_max_ttl": 9}))["dns_max_ttl"] == "9"


@pytest.mark.parametrize(
    "key",
    [
        "disable_pqexec",
        "job_name",
        "listen_backlog",
        "pkt_buf",
        "resolv_conf",
        "service_name",
        "so_reuseport",
        "track_extra_parameters",
    ],
)
def test_a_setting_that_needs_a_new_process_is_not_in_the_reloadable_file(key: str) -> None:
    assert f"{key} =" not in ini.render_ini(settings(settings={key: "1"}))


def test_settings_that_need_a_new_process_are_lines_of_the_container() -> None:
    rendered = ini.render_restart_only(settings(port="6543", settings={"pkt_buf": 8192, "query_timeout": 5}))
    assert rendered == "listen_addr = *\nlisten_port = 6543\npkt_buf = 8192\n"


def test_a_reloadable_setting_leaves_the_container_alone() -> None:
    assert ini.restart_only(settings(settings={"query_timeout": 5})) == ini.restart_only(settings())


def test_the_reset_query_ends_with_the_check_interval_that_it_would_undo() -> None:
    assert ini.reloadable(settings())["server_reset_query"].endswith(
        "DISCARD SEQUENCES; SET client_connection_check_interval = 20"
    )


def test_no_password_of_a_service_is_in_any_file() -> None:
    known = settings(passwords={"web": "tr0ub4dor"})
    texts = ini.render_ini(known) + ini.render_hba(known) + ini.render_userlist(known, "generated")
    assert "tr0ub4dor" not in texts


def billing(**service: object) -> Settings:
    return settings(
        databases={"billing": {"dbname": "billing_db", "backends": 4, "session_backends": 1}},
        services={"web": {"database": "billing", **service}, "api": {}},
    )


def line(text: str, entry: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{entry} = "))


def test_a_further_database_has_an_entry_per_lane() -> None:
    rendered = ini.render_ini(billing())
    assert [line(rendered, entry) for entry in ("billing", "billing_session")] == [
        "billing = host=timescale_db port=5432 dbname=billing_db pool_mode=transaction pool_size=4 "
        "max_db_connections=4 connect_query='SET client_connection_check_interval = 20'",
        "billing_session = host=timescale_db port=5432 dbname=billing_db pool_mode=session pool_size=1 "
        "max_db_connections=1 connect_query='SET client_connection_check_interval = 20'",
    ]


@pytest.mark.parametrize(("entry", "marked"), [("billing", True), ("billing_session", True), ("app", False)])
def test_settings_of_roles_mark_the_entries_of_their_database(entry: str, marked: bool) -> None:
    rendered = ini.render_ini(billing(read_only=True))
    assert ("/* role settings " in line(rendered, entry)) is marked


def test_another_setting_of_a_role_is_another_mark() -> None:
    first, second = (ini.render_ini(billing(statement_timeout=n)) for n in (30, 31))
    assert line(first, "billing") != line(second, "billing")


def test_settings_of_roles_leave_the_lookups_alone() -> None:
    rendered = ini.render_ini(settings(services={"web": {"read_only": True}}))
    assert "role settings" not in line(rendered, "pgbouncer_auth")


def test_defaults_of_services_are_settings_of_their_roles_in_their_database() -> None:
    services = {
        "a": {"user": 'odd"; DROP', "read_only": True, "statement_timeout": 30},
        "b": {"read_only": False, "idle_transaction_timeout": 0},
    }
    assert role_statements(settings(services=services)).splitlines() == [
        """ALTER ROLE "b" IN DATABASE "app" SET "default_transaction_read_only" = 'off';""",
        """ALTER ROLE "b" IN DATABASE "app" SET "idle_in_transaction_session_timeout" = '0s';""",
        """ALTER ROLE "odd""; DROP" IN DATABASE "app" SET "default_transaction_read_only" = 'on';""",
        """ALTER ROLE "odd""; DROP" IN DATABASE "app" SET "statement_timeout" = '30s';""",
    ]


def test_without_defaults_there_is_nothing_to_set_on_roles() -> None:
    assert role_statements(settings()) == ""
