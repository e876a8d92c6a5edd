"""What a statement needs of its lane, from its text as Postgres gives it."""

from __future__ import annotations

import pytest

from views.statements import findings
from views.table_use import uses
from views.wording import printable


def kinds(text: str) -> list[tuple[str, str]]:
    found = findings(text)
    assert found is not None
    return [(one.kind.name, one.shown) for one in found]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("LISTEN orders", "LISTEN orders"),
        ("/* hello */ listen\n Orders -- there", "LISTEN orders"),
        ("SET statement_timeout = $1", "SET statement_timeout"),
        ("SET SESSION work_mem TO '1MB'", "SET work_mem"),
        ("SET search_path TO app, public", "SET search_path"),
        ("SET ROLE reader", "SET role"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS"),
        ("SELECT set_config('work_mem', '1MB', false)", "set_config work_mem"),
        ("PREPARE plan AS SELECT $1", "PREPARE plan"),
        ("EXECUTE plan(1)", "EXECUTE plan"),
        ("CREATE TEMP TABLE scratch (a int)", "CREATE TEMP TABLE scratch"),
        ("CREATE TABLE pg_temp.scratch (a int)", "CREATE TEMP TABLE scratch"),
        ("CREATE TEMPORARY TABLE scratch AS SELECT $1", "CREATE TEMP TABLE scratch"),
        ("SELECT * INTO TEMP scratch FROM orders", "CREATE TEMP TABLE scratch"),
        ("CREATE TEMP VIEW seen AS SELECT 1", "CREATE TEMP VIEW seen"),
        ("CREATE TEMP SEQUENCE numbers", "CREATE TEMP SEQUENCE numbers"),
        ("DECLARE rows SCROLL CURSOR WITH HOLD FOR SELECT 1", "DECLARE rows WITH HOLD"),
        ("SELECT pg_catalog.pg_advisory_lock($1)", "pg_advisory_lock"),
        ("SELECT 1 WHERE pg_try_advisory_lock_shared(1, 2)", "pg_try_advisory_lock_shared"),
        ("LOAD 'auto_explain'", "LOAD"),
        ("SELECT lastval()", "lastval"),
        ("SELECT pg_catalog.currval('orders_id_seq'::regclass)", "currval"),
        ("INSERT INTO lines (of_order) VALUES (currval($1))", "currval"),
        ("SELECT dblink_connect('other', $1)", "dblink_connect"),
        ("SELECT app.dblink_connect_u($1, $2)", "dblink_connect_u"),
    ],
)
def test_what_outlives_a_transaction_needs_the_session_lane(text: str, shown: str) -> None:
    assert kinds(text) == [("SESSION", shown)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'LISTEN orders'",
        "SELECT 1 -- SET work_mem = '1MB'",
        "SET LOCAL work_mem = '1MB'",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET TimeZone TO 'UTC'",
        "SET TIME ZONE 'UTC'",
        "SET application_name = 'x'",
        "SET default_transaction_read_only = on",
        "RESET ALL",
        "SELECT set_config('search_path', '', true)",
        "DECLARE rows CURSOR FOR SELECT 1",
        "SELECT pg_advisory_xact_lock($1)",
        "NOTIFY orders",
        "SELECT nextval('orders_id_seq')",
        "SELECT setval('orders_id_seq', 1)",
        "SELECT * FROM dblink('dbname=other', 'SELECT 1') AS found (a int)",
        "BEGIN",
        "DEALLOCATE ALL",
        "",
    ],
)
def test_what_ends_with_its_transaction_needs_nothing(text: str) -> None:
    assert kinds(text) == []


def test_a_set_clause_of_a_role_or_function_is_no_set_of_the_session() -> None:
    assert kinds("ALTER ROLE app SET work_mem = '1MB'") == [("DDL", "ALTER ROLE SET")]


def test_a_temporary_table_that_goes_with_its_transaction_needs_no_session_lane() -> None:
    assert ("SESSION", "CREATE TEMP TABLE scratch") not in kinds(
        "CREATE TEMP TABLE scratch (a int) ON COMMIT DROP"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CREATE INDEX CONCURRENTLY ON orders (id)", "CREATE INDEX"),
        ("ALTER TABLE orders ADD note text", "ALTER TABLE"),
        ("VACUUM orders", "VACUUM"),
        ("ALTER ROLE app PASSWORD $1", "ALTER ROLE"),
        ("REFRESH MATERIALIZED VIEW totals", "REFRESH MATERIALIZED VIEW"),
    ],
)
def test_changes_of_the_schema_are_told_apart(text: str, shown: str) -> None:
    assert kinds(text) == [("DDL", shown)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DO $$BEGIN END$$", "DO"),
        ("CALL settle(1)", "CALL settle"),
        ("SELECT set_config($1, $2, $3)", "set_config"),
    ],
)
def test_what_cannot_be_looked_into_is_said_to_be_so(text: str, shown: str) -> None:
    assert kinds(text) == [("OPAQUE", shown)]


def test_each_statement_of_a_text_counts() -> None:
    assert kinds("BEGIN; LISTEN a; LISTEN b; COMMIT") == [("SESSION", "LISTEN a"), ("SESSION", "LISTEN b")]


def test_a_text_that_was_cut_off_is_not_judged() -> None:
    assert findings("SELECT * FROM orders WHERE note = 'half of a no") is None


def test_a_password_in_a_statement_stays_in_it() -> None:
    assert "hunter2" not in repr(findings("ALTER ROLE app PASSWORD 'hunter2'; SET app.token = 'hunter2'"))


def test_names_cannot_move_the_cursor_of_a_terminal() -> None:
    assert printable("LISTEN \x1b[2Jorders") == "LISTEN ?[2Jorders"


def test_what_the_pooler_itself_runs_on_a_backend_is_no_reason() -> None:
    assert kinds("SET client_connection_check_interval = 20 /* role settings 0a1b2c3d */") == []


def test_what_resets_a_session_is_no_reason() -> None:
    assert (
        kinds(
            "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
            "SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES"
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM app.orders", {("SELECT", "app", "orders")}),
        ("INSERT INTO a SELECT * FROM b", {("INSERT", "", "a"), ("SELECT", "", "b")}),
        ("UPDATE a SET x = $1", {("UPDATE", "", "a"), ("SELECT", "", "a")}),
        ("DELETE FROM a USING b", {("DELETE", "", "a"), ("SELECT", "", "a"), ("SELECT", "", "b")}),
        ("SELECT * FROM a AS x FOR UPDATE OF x", {("SELECT", "", "a"), ("UPDATE", "", "a")}),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x", {("SELECT", "", "a")}),
        ("COPY a FROM STDIN", {("INSERT", "", "a")}),
        ("COPY a TO STDOUT", {("SELECT", "", "a")}),
        ("TRUNCATE a", {("TRUNCATE", "", "a")}),
        ("SELECT * FROM pg_class, information_schema.tables", set()),
        ("CREATE TABLE a (x int)", set()),
        ("SELECT 'half", set()),
    ],
)
def test_the_rights_that_a_statement_uses(text: str, expected: set[tuple[str, str, str]]) -> None:
    assert uses(text) == expected
