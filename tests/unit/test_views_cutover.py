"""`make cutover` from a sample written by hand."""

from __future__ import annotations

from tests.unit.stacks import settings
from views.cutover import as_text
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
)

EXPECTED = """\
SERVICE  LANE         TRANS  SESSION  PAST  BACKENDS  WAITING  LONGEST
web      transaction  2      0        1     1         1        1.2 s
cron     direct       0      0        0     0         0        0.0 s
grafana  session      0      1        0     1         0        0.0 s

Past the pooler:
ROLE  APPLICATION  ADDRESS   CONNECTIONS
app   psql         10.0.0.9  1
app   web          10.0.0.5  1

Warnings:
  web: bypassing its lane: 1; redeploy with its DSN
  app: 1 from 10.0.0.9 with application_name psql belong to no service by name

Next:
web      bypassing its lane: 1; redeploy with its DSN
cron     no connection seen
grafana  nothing: it has moved"""


def test_the_table_names_lane_connections_and_next_step() -> None:
    assert as_text(SETTINGS, SAMPLE) == EXPECTED


def test_a_superuser_is_warned_about_with_the_grants_that_would_do() -> None:
    text = as_text(SETTINGS, Sample(1, (), (), frozenset({"app"})))
    assert "app is a superuser, used by web, cron;" in text
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA schema TO role;" in text


def test_no_line_is_longer_than_80_columns() -> None:
    text = as_text(SETTINGS, Sample(1, SAMPLE.clients, SAMPLE.backends, frozenset({"app"})))
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_a_user_of_one_service_is_that_service_whatever_it_calls_itself() -> None:
    assert owner(SETTINGS, "grafana_ro", "Grafana 11") == "grafana"
