"""`make cutover` from a sample written by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.stacks import settings
from views.cutover import as_json, as_text, least_privilege, warnings
from views.placement import owner, place, places
from views.sample import Backend, Client, Sample

SETTINGS = settings(
    database="app",
    services={
        "web": {"user": "app", "route": "transaction"},
        "cron": {"user": "app", "route": "direct"},
        "grafana": {"user": "grafana_ro", "route": "session"},
    },
)
SAMPLE = Sample(
    1,
    (
        Client("app", "app", "web", "10.0.0.5", waiting=True, wait=1.25),
        Client("app", "app", "web", "10.0.0.5", waiting=False, wait=0),
        Client("grafana_ro", "app_session", "grafana", "10.0.0.7", waiting=False, wait=0),
    ),
    (
        Backend(1, "app", "web", "10.0.0.2", "active", pooled=True),
        Backend(2, "app", "web", "10.0.0.5", "idle", pooled=False),
        Backend(3, "app", "psql", "10.0.0.9", "idle", pooled=False),
        Backend(4, "grafana_ro", "grafana", "10.0.0.2", "idle", pooled=True),
    ),
    frozenset(),
    {},
)

EXPECTED = """\
SERVICE  LANE         TRANS  SESSION  PAST  BACKENDS  WAITING  LONGEST
web      transaction  2      0        1     1         1        1.2 s
cron     direct       0      0        0     0         0        0.0 s
grafana  session      0      1        0     1         0        0.0 s

Where connections are:
WAY          ROLE        APPLICATION  ADDRESS   CONNECTIONS
past         app         psql         10.0.0.9  1
past         app         web          10.0.0.5  1
session      grafana_ro  grafana      10.0.0.7  1
transaction  app         web          10.0.0.5  2

Warnings:
  web: bypassing its lane: 1; redeploy with its DSN
  app: 1 from 10.0.0.9 with application_name psql belong to no service by name

Next:
web      bypassing its lane: 1; redeploy with its DSN
cron     no connection seen
grafana  nothing: it has moved"""


def test_the_table_names_lane_connections_and_next_step() -> None:
    assert as_text(SETTINGS, SAMPLE) == EXPECTED


PRIVILEGED = replace(SAMPLE, superusers=frozenset({"app"}), schemas={"app": ("public", "Sales")})


def test_a_superuser_is_warned_about_with_the_services_that_use_it() -> None:
    assert "app is a superuser, used by web, cron; a role of its own for each would do" in warnings(
        SETTINGS, PRIVILEGED
    )


def test_a_superuser_is_shown_with_the_roles_that_would_do() -> None:
    assert least_privilege(SETTINGS, PRIVILEGED) == [
        "CREATE ROLE web LOGIN;  -- then \\password web",
        "CREATE ROLE cron LOGIN;  -- then \\password cron",
        "GRANT CONNECT ON DATABASE app TO web, cron;",
        "GRANT USAGE ON SCHEMA public TO web, cron;",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO web, cron;",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO web, cron;",
        'GRANT USAGE ON SCHEMA "Sales" TO web, cron;',
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "Sales" TO web, cron;',
        'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "Sales" TO web, cron;',
    ]


def test_without_a_superuser_no_role_is_proposed() -> None:
    assert least_privilege(SETTINGS, SAMPLE) == []


def test_no_line_is_longer_than_80_columns() -> None:
    assert [line for line in as_text(SETTINGS, PRIVILEGED).splitlines() if len(line) > 80] == []


def test_no_line_is_longer_than_80_columns_with_long_names() -> None:
    long = settings(
        database="app",
        services={
            name: {"user": f"{name}_role", "route": "transaction"}
            for name in ("webhook_receiver_of_the_european_region", "dashboard_api_of_the_european_region")
        },
    )
    names = list(long.services)
    sample = Sample(
        1,
        tuple(
            Client(f"{name}_role", "app", name, "10.100.100.100", waiting=True, wait=12.5) for name in names
        ),
        tuple(
            Backend(1, f"{name}_role", name, "2001:db8:85a3::8a2e:370:7334", "idle", pooled=False)
            for name in names
        ),
        frozenset(f"{name}_role" for name in names),
        {"app": ("public",)},
    )
    assert [line for line in as_text(long, sample).splitlines() if len(line) > 80] == []


def test_scripts_get_every_place_of_a_connection() -> None:
    assert json.loads(as_json(SETTINGS, SAMPLE))["connections"][1:3] == [
        {"way": "past", "role": "app", "application": "web", "address": "10.0.0.5", "connections": 1},
        {
            "way": "session",
            "role": "grafana_ro",
            "application": "grafana",
            "address": "10.0.0.7",
            "connections": 1,
        },
    ]


def test_a_user_of_one_service_is_that_service_whatever_it_calls_itself() -> None:
    assert owner(SETTINGS, "grafana_ro", "Grafana 11") == "grafana"


# --- entries -------------------------------------------------------------------------------------------------

ENTRIES = settings(
    database="app",
    databases={"billing": {"backends": 3, "session_backends": 2}},
    services={
        "web": {"user": "app", "route": "transaction", "pool_size": 4},
        "invoices": {"user": "invoices", "route": "transaction", "database": "billing"},
        "exports": {"user": "exports", "route": "session", "database": "billing"},
        "cron": {"user": "cron", "route": "direct", "pool_size": 2},
    },
)


def moved(service: str, *entries: str) -> tuple[tuple[int, int, int], str]:
    """Its clients on its transaction entry, its session entry and elsewhere, and the next step."""
    user = ENTRIES.services[service].user
    clients = tuple(Client(user, entry, service, "10.0.0.5", waiting=False, wait=0) for entry in entries)
    [found] = [
        one for one in place(ENTRIES, Sample(1, clients, (), frozenset(), {})) if one.service == service
    ]
    return (found.transaction_clients, found.session_clients, found.elsewhere_clients), found.next_step


def test_a_service_with_a_pool_of_its_own_has_moved_when_it_is_on_that_entry() -> None:
    assert moved("web", "web", "web") == ((2, 0, 0), "nothing: it has moved")


def test_a_service_with_a_pool_of_its_own_has_not_moved_while_it_is_on_the_shared_entry() -> None:
    assert moved("web", "web", "app") == ((1, 0, 1), "on another entry: 1; redeploy with its DSN")


def test_a_service_of_another_database_has_moved_when_it_is_on_the_entry_of_that_database() -> None:
    assert moved("invoices", "billing") == ((1, 0, 0), "nothing: it has moved")


@pytest.mark.parametrize("entry", ["app", "app_session", "web"])
def test_a_service_of_another_database_has_not_moved_while_it_is_on_entries_of_the_stacks_own(
    entry: str,
) -> None:
    assert moved("invoices", entry) == ((0, 0, 1), "on another entry: 1; redeploy with its DSN")


def test_a_service_on_the_session_entry_of_its_database_has_moved() -> None:
    assert moved("exports", "billing_session") == ((0, 1, 0), "nothing: it has moved")


def test_a_service_on_the_session_entry_of_another_database_has_not_moved() -> None:
    assert moved("exports", "app_session") == ((0, 0, 1), "on another entry: 1; redeploy with its DSN")


def test_the_other_lane_is_named_before_another_entry() -> None:
    assert moved("web", "app_session", "app") == ((0, 1, 1), "on the other lane: 1; redeploy with its DSN")


def test_a_direct_service_on_another_entry_is_still_on_the_pooler() -> None:
    assert moved("cron", "app", "cron") == (
        (1, 0, 1),
        "still on the pooler: 2; redeploy with the direct DSN",
    )


def test_a_service_on_another_entry_is_warned_about() -> None:
    sample = Sample(1, (Client("app", "app", "web", "10.0.0.5", waiting=False, wait=0),), (), frozenset(), {})
    assert warnings(ENTRIES, sample) == ["web: on another entry: 1; redeploy with its DSN"]


def test_scripts_get_the_clients_on_another_entry() -> None:
    sample = Sample(1, (Client("app", "app", "web", "10.0.0.5", waiting=False, wait=0),), (), frozenset(), {})
    [web] = [one for one in json.loads(as_json(ENTRIES, sample))["services"] if one["service"] == "web"]
    assert (web["elsewhere_clients"], web["bypasses"]) == (1, True)


def test_a_session_entry_is_the_session_lane_though_no_service_of_its_database_is_declared() -> None:
    only_billing = settings(
        database="app",
        databases={"billing": {"backends": 3}},
        services={"web": {"user": "app", "route": "transaction", "database": "billing"}},
    )
    clients = (Client("app", "app_session", "web", "10.0.0.5", waiting=False, wait=0),)
    assert [one.way for one in places(only_billing, Sample(1, clients, (), frozenset(), {}))] == ["session"]
