"""`make cutover` from a sample written by hand."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.unit.stacks import settings
from views.cutover import as_json, as_text, least_privilege, warnings
from views.placement import owner
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
