"""`make ready` from evidence written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.settings import Settings
from tests.unit.stacks import settings
from views import grants, ready
from views.change import Change, line_of, of_route
from views.collect import how_to_record
from views.evidence import Evidence, Recorded, Role, Session, Statement, Table
from views.judgement import Verdict, backends_needed, judge
from views.statements import Finding, Kind

SETTINGS = settings(
    database="app",
    services={
        "grafana": {"user": "grafana_ro", "route": "direct"},
        "mailer": {"user": "grafana_ro", "route": "direct"},
        "billing_job": {"user": "admin", "route": "direct"},
    },
)
ROLE = Role(
    superuser=False,
    replication=False,
    createdb=False,
    createrole=False,
    connection_limit=-1,
    may_connect=True,
    member_of=("pg_read_all_data",),
    temporary_tables=0,
)
IDLE = Session(11, "grafana", "10.0.0.7", False, "idle", 10800, None, 0, (), False, "grafana")
PLAIN = Recorded("pg_stat_statements", (Statement(90, 0.2, 45.0, (), frozenset()),), 900, ())
SEEN = Evidence(
    service="grafana",
    user="grafana_ro",
    database="app",
    shared_with=(),
    looks=5,
    sessions=(IDLE, replace(IDLE, pid=12, state_seconds=4)),
    most_busy=1,
    recorded=(PLAIN,),
    missing=(),
    role=ROLE,
    tables=(Table("public", "orders", False, ("SELECT",)), Table("public", "users", False, ("SELECT",))),
)
LISTEN = Finding(Kind.SESSION, "LISTEN orders")


def verdict(**changes: object) -> Verdict:
    return judge(SETTINGS, replace(SEEN, **changes))  # type: ignore[arg-type] # names of fields


def recorded(*statements: Statement) -> tuple[Recorded, ...]:
    return (replace(PLAIN, statements=statements),)


def told(**changes: object) -> tuple[str, tuple[str, ...]]:
    found = verdict(**changes)
    return found.lane.value, found.reasons


# --- judging -------------------------------------------------------------------------------------------------


def test_nothing_that_outlives_a_transaction_is_the_transaction_lane() -> None:
    assert told() == (
        "transaction",
        ("nothing that was seen needs a backend for longer than a transaction",),
    )


def test_a_recorded_listen_is_the_session_lane() -> None:
    assert told(recorded=recorded(Statement(7, 0.1, 0.7, (LISTEN,), frozenset()))) == (
        "session",
        ("LISTEN orders (7 times, pg_stat_statements)",),
    )


def test_a_listen_in_a_live_session_is_the_session_lane() -> None:
    assert told(sessions=(replace(IDLE, findings=(LISTEN,)),)) == (
        "session",
        ("LISTEN orders (its last statement, pid 11)",),
    )


def test_a_session_that_names_no_service_is_said_to() -> None:
    assert told(sessions=(replace(IDLE, findings=(LISTEN,), owner=None),))[1] == (
        "LISTEN orders (its last statement, pid 11, whose application_name names no service)",
    )


def test_a_lock_held_between_transactions_is_the_session_lane() -> None:
    assert told(sessions=(replace(IDLE, advisory_locks=2),)) == (
        "session",
        ("holds 2 advisory locks outside of a transaction (pid 11)",),
    )


def test_a_temporary_table_is_the_session_lane() -> None:
    assert told(role=replace(ROLE, temporary_tables=1)) == (
        "session",
        ("1 temporary table exists now, owned by grafana_ro",),
    )


def test_a_long_transaction_stays_direct() -> None:
    session = replace(IDLE, state="active", transaction_seconds=75)
    assert told(sessions=(session,)) == (
        "direct",
        ("a transaction has been open for 75 s (pid 11, active)",),
    )


def test_a_long_idle_transaction_stays_direct_and_says_what_it_may_be() -> None:
    session = replace(IDLE, state="idle in transaction", transaction_seconds=600)
    assert told(sessions=(session,))[1] == (
        "a transaction has been open for 10 min (pid 11, idle in it: an open cursor, or a commit that never comes)",
    )


def test_a_transaction_of_59_seconds_is_a_note_only() -> None:
    found = verdict(sessions=(replace(IDLE, state="idle in transaction", transaction_seconds=59),))
    assert (found.lane.value, found.notes[0]) == (
        "transaction",
        "pid 11 idles in a transaction since 59 s; it would hold a backend all the time",
    )


def test_long_maintenance_stays_direct() -> None:
    index = Statement(1, 300, 300, (Finding(Kind.DDL, "CREATE INDEX"),), frozenset())
    assert told(recorded=recorded(index)) == (
        "direct",
        ("1 statement took up to 5 min, 1 of them schema changes or maintenance (pg_stat_statements)",),
    )


def test_short_changes_of_the_schema_are_a_note_only() -> None:
    found = verdict(recorded=recorded(Statement(1, 1, 1, (Finding(Kind.DDL, "CREATE INDEX"),), frozenset())))
    assert (found.lane.value, found.notes) == (
        "transaction",
        ("changes schema or rights (CREATE INDEX); short ones work on every lane",),
    )


def test_replication_stays_direct_whatever_else_there_is() -> None:
    found = told(sessions=(replace(IDLE, replication=True), replace(IDLE, findings=(LISTEN,))))
    assert found == ("direct", ("a replication connection (pid 11)",))


@pytest.mark.parametrize(("need", "lane"), [("listen", "session"), ("startup_options", "direct")])
def test_a_declared_need_counts_though_it_was_not_seen(need: str, lane: str) -> None:
    used = settings(services={"grafana": {"user": "grafana_ro", "needs": [need]}})
    found = judge(used, SEEN)
    assert (found.lane.value, found.reasons) == (lane, (f"services.grafana.needs names {need}",))


def test_without_any_evidence_it_stays_direct() -> None:
    assert told(sessions=(), recorded=())[0] == "direct"


@pytest.mark.parametrize("route", ["transaction", "session"])
def test_a_pooled_service_of_which_nothing_is_seen_is_not_told_to_move(route: str) -> None:
    pooled = settings(database="app", services={"grafana": {"user": "grafana_ro", "route": route}})
    found = judge(pooled, replace(SEEN, sessions=(), recorded=()))
    assert (found.lane.value, found.reasons) == (
        route,
        ("nothing of it was seen, and nothing can be told from that; run this while it works",),
    )


def test_without_recorded_statements_the_verdict_says_how_little_it_saw() -> None:
    found = verdict(recorded=(), missing=(("pg_stat_statements", "not in this database"),))
    assert found.unknown[:2] == (
        "pg_stat_statements: not in this database",
        "of each session only the last statement is known",
    )


def test_a_shared_role_is_said_to_be_one() -> None:
    assert verdict(shared_with=("mailer",)).unknown[0] == (
        "grafana_ro is also the role of mailer: what is recorded, and sessions without the service's "
        "application_name, may be theirs; a role of its own would tell"
    )


def test_statements_that_could_not_be_read_are_counted() -> None:
    found = verdict(sessions=(replace(IDLE, findings=None),))
    assert "1 statement that cannot be read as SQL (cut off, or no SQL)" in found.unknown


def test_more_connections_than_the_session_lane_has_backends_are_noted() -> None:
    found = verdict(sessions=tuple(replace(IDLE, pid=pid, findings=(LISTEN,)) for pid in range(4)))
    assert (
        "the session lane has 3 backends, and each of its 4 connections holds one while it is open; "
        "raise session_backends or stay direct"
    ) in found.notes


# --- what make up would refuse -------------------------------------------------------------------------------


def refused(lane: str, **changes: object) -> list[str]:
    """Notes of the verdict on web that say what `make up` would refuse, when its evidence asks for `lane`."""
    sessions = (replace(IDLE, findings=(LISTEN,) if lane == "session" else ()),)
    found = judge(settings(**changes), replace(SEEN, service="web", sessions=sessions))
    assert found.lane.value == lane
    return [note for note in found.notes if "make up" in note]


def test_a_database_without_a_session_lane_is_said_to_be_refused() -> None:
    found = refused(
        "session", services={"web": {"database": "billing"}}, databases={"billing": {"backends": 3}}
    )
    assert found == [
        "`make up` would refuse this: services.web.route: database billing has no session lane; "
        "set databases.billing.session_backends, or use direct or transaction"
    ]


ASYNCPG = {"web": {"driver": "asyncpg", "route": "direct"}}


def test_a_driver_that_the_transaction_lane_would_not_follow_is_said_to_be_refused() -> None:
    assert refused("transaction", services=ASYNCPG, settings={"max_prepared_statements": 0}) == [
        "`make up` would refuse this: services.web.route: asyncpg prepares statements by name, which transaction "
        "cannot give while settings.max_prepared_statements is 0; remove that setting, or use session or direct"
    ]


def test_a_driver_that_the_transaction_lane_follows_is_not_said_to_be_refused() -> None:
    assert refused("transaction", services=ASYNCPG) == []


BILLING = {
    "web": {"database": "billing", "route": "direct"},
    "invoices": {"database": "billing", "route": "transaction"},
}


def test_entries_with_no_room_for_one_user_more_are_said_to_be_refused() -> None:
    assert refused("transaction", services=BILLING, databases={"billing": {"backends": 1}}) == [
        "`make up` would refuse this: databases.billing.backends: 1 is less than one for each of the 2 users on its "
        "transaction lane; raise it to 2"
    ]


def test_entries_with_room_for_one_user_more_are_not_said_to_be_refused() -> None:
    assert refused("transaction", services=BILLING, databases={"billing": {"backends": 2}}) == []


def test_a_lane_that_it_is_on_already_is_not_said_to_be_refused() -> None:
    services = {"web": {"route": "transaction"}}
    assert refused("transaction", services=services, max_connections=20, max_backends=24) == []


def test_a_strict_budget_with_no_room_for_direct_connections_is_said_to_be_refused() -> None:
    used = settings(
        services={"web": {"route": "transaction", "direct_connections": 50}},
        budget="strict",
        max_connections=100,
    )
    found = judge(used, replace(SEEN, service="web", sessions=(replace(IDLE, replication=True),)))
    assert (found.lane.value, found.notes) == (
        "direct",
        (
            "`make up` would refuse this: budget: strict, and declared connections cross max_connections by 7 "
            "(107 of 100); the largest step down is services.web.route: transaction (-50)",
        ),
    )


def test_what_would_be_refused_is_printed_before_the_line_to_change() -> None:
    used = settings(
        database="app",
        services={"grafana": {"user": "grafana_ro", "driver": "asyncpg"}},
        settings={"max_prepared_statements": 0},
    )
    assert (
        "\n\nNote:\n"
        "  `make up` would refuse this: services.grafana.route: asyncpg prepares\n"
        "    statements by name, which transaction cannot give while\n"
        "    settings.max_prepared_statements is 0; remove that setting, or use session\n"
        "    or direct\n\nChange:\n"
    ) in ready.as_text(report(used=used))


def test_the_backends_that_would_do_are_twice_the_average_or_the_most_seen() -> None:
    busy = replace(SEEN, recorded=(replace(PLAIN, statements=(Statement(1, 1, 2700, (), frozenset()),)),))
    assert (backends_needed(SEEN), backends_needed(busy)) == ((1, 0.05), (6, 3.0))


# --- pg_stat_statements --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "loaded", "expected"),
    [
        (True, ["pg_stat_statements"], None),
        (False, ["pg_stat_statements"], "not in this database; run CREATE EXTENSION pg_stat_statements"),
        (
            False,
            ["timescaledb"],
            "not loaded; run ALTER SYSTEM SET shared_preload_libraries = 'timescaledb', 'pg_stat_statements', "
            "restart the server, then CREATE EXTENSION pg_stat_statements",
        ),
        (
            True,
            [],
            "not loaded; run ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements', restart the server",
        ),
    ],
)
def test_how_to_have_statements_recorded(installed: bool, loaded: list[str], expected: str | None) -> None:
    assert how_to_record(installed, loaded) == expected


# --- the line to change --------------------------------------------------------------------------------------

FILE = """\
config:
  pgbouncer:services:
    # a comment
    grafana: {user: grafana_ro, route: direct}
    mailer:
      user: grafana_ro
      route: direct
    cron: {}
    quiet:
"""


@pytest.mark.parametrize(
    ("service", "line"), [("grafana", 4), ("mailer", 7), ("cron", 8), ("quiet", 9), ("nobody", None)]
)
def test_the_line_is_that_of_the_route_or_of_the_service(
    tmp_path: Path, service: str, line: int | None
) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert line_of(file, service) == line


def test_the_change_names_file_line_key_and_both_routes(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert str(of_route(file, "grafana", "direct", "transaction")) == (
        "Pulumi.prod.yaml, line 4: services.grafana.route: direct → transaction"
    )


def test_a_route_that_fits_needs_no_change(tmp_path: Path) -> None:
    assert of_route(tmp_path / "Pulumi.prod.yaml", "grafana", "session", "session") is None


# --- text and JSON -------------------------------------------------------------------------------------------

CHANGE = Change("Pulumi.prod.yaml", 17, "services.grafana.route", "direct", "transaction")
EXPECTED = """\
grafana: transaction

Why:
  nothing that was seen needs a backend for longer than a transaction

Evidence:
  sessions: 2 of grafana_ro in app, 2 idle (the longest 3 h)
    2 from 10.0.0.7 as grafana, past the pooler
  locks: none that is advisory
  pg_stat_statements: 1 statement of grafana_ro in 15 min
  backends: 1 at most in 5 looks, 0.05 on average were at work; 1 would do
  role: member of pg_read_all_data; SELECT on 2 of 2 tables, 0 owned

Not seen:
  what functions do inside, and options= at connect, which the pooler drops

Change:
  Pulumi.prod.yaml, line 17: services.grafana.route: direct → transaction
  then `make up STACK=prod`, and redeploy grafana with its new DSN"""


def report(
    evidence: Evidence = SEEN, used: Settings = SETTINGS, change: Change | None = CHANGE
) -> ready.Report:
    return ready.Report("prod", used, evidence, judge(used, evidence), change)


def test_the_text_ends_with_the_line_to_change() -> None:
    assert ready.as_text(report()) == EXPECTED


def test_the_text_says_when_nothing_needs_to_change() -> None:
    assert ready.as_text(report(change=None)).endswith(
        "\n\nChange:\n  none: the route of grafana is transaction already"
    )


SUPERUSER = replace(
    SEEN,
    service="billing_job",
    user="admin",
    role=replace(ROLE, superuser=True),
    recorded=recorded(
        Statement(1, 0.1, 0.1, (), frozenset({("INSERT", "", "orders"), ("SELECT", "public", "users")}))
    ),
)


def test_a_superuser_is_shown_the_role_that_would_do() -> None:
    assert ready.least_privilege(report(SUPERUSER)) == [
        "CREATE ROLE billing_job LOGIN;  -- then \\password billing_job",
        "GRANT CONNECT ON DATABASE app TO billing_job;",
        "GRANT USAGE ON SCHEMA public TO billing_job;",
        "GRANT INSERT ON public.orders TO billing_job;",
        "GRANT SELECT ON public.users TO billing_job;",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO billing_job;",
    ]


def test_a_superuser_that_the_pooler_would_refuse_is_told_so() -> None:
    text = " ".join(ready.as_text(report(SUPERUSER)).split())
    assert (
        "services.billing_job.user: admin → billing_job, the role above: a superuser would not get in" in text
    )


def test_a_superuser_of_whom_nothing_is_recorded_gets_all_tables_of_the_schemas() -> None:
    assert ready.least_privilege(report(replace(SUPERUSER, recorded=())))[3] == (
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO billing_job;"
    )


@pytest.mark.parametrize(
    ("name", "expected"), [("web", "web"), ("web-2", '"web-2"'), ("user", '"user"'), ('a"b', '"a""b"')]
)
def test_names_in_grants_are_quoted_where_they_must_be(name: str, expected: str) -> None:
    assert grants.identifier(name) == expected


def test_no_line_is_longer_than_80_columns() -> None:
    long = replace(
        SUPERUSER,
        shared_with=(
            "webhook_receiver_europe",
            "dashboard_api_europe",
            "ingest_worker_europe",
            "gateway_europe",
        ),
        sessions=tuple(
            replace(IDLE, pid=4_000_000 + n, findings=(LISTEN,), application="webhook_receiver_europe_west_1")
            for n in range(5)
        ),
        missing=(("pg_stat_statements", str(how_to_record(False, ["timescaledb"]))),),
    )
    text = ready.as_text(report(long))
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_scripts_get_verdict_reasons_and_change() -> None:
    found = json.loads(ready.as_json(report()))
    assert (found["verdict"], found["reasons"], found["change"]) == (
        "transaction",
        ["nothing that was seen needs a backend for longer than a transaction"],
        {
            "file": "Pulumi.prod.yaml",
            "line": 17,
            "key": "services.grafana.route",
            "before": "direct",
            "after": "transaction",
        },
    )
