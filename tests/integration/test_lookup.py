"""user_lookup() on a real server. Each test works in one transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.integration.server import (
    NAMES,
    Connection,
    Row,
    Server,
    create_role,
    grant_membership,
)

pytestmark = pytest.mark.timeout(120)

VERIFIER = (
    "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$RzBHk7LzwHmIQpiRQ+gzmVcEbWc/fOYpiUU5L6yAXDg=:"
    "Vi3GB8sdjcjYJbhtfh+05XMMlPFNXzXtsLpyqsGJI8M="
)


@pytest.fixture
def trial(server: Server) -> Iterator[Connection]:
    """A superuser's connection whose work never happened."""
    with server.admin() as connection, connection.transaction(force_rollback=True):
        yield connection


def looked_up(connection: Connection, user: str) -> list[Row]:
    """What PgBouncer's auth_query returns: run as the auth role, with the caller's own search_path."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(NAMES.auth_role(1))))
    rows = connection.execute("SELECT uname, phash FROM pgbouncer.user_lookup(%s)", [user]).fetchall()
    connection.execute("RESET ROLE")
    return rows


def add(connection: Connection, user: str, options: str = "LOGIN") -> None:
    """A member of the services group with a known verifier, in place of one that another test made."""
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(user)))
    create_role(connection, user, VERIFIER, options)
    grant_membership(connection, NAMES.services_group, user)


def test_a_declared_service_gets_its_verifier(trial: Connection) -> None:
    add(trial, "webhook")
    assert looked_up(trial, "webhook") == [("webhook", VERIFIER)]


def test_an_unknown_name_gets_no_row(trial: Connection) -> None:
    assert looked_up(trial, "nobody_of_that_name") == []


def test_a_role_outside_the_group_gets_no_row(trial: Connection) -> None:
    create_role(trial, "outsider", VERIFIER)
    assert looked_up(trial, "outsider") == []


def test_a_role_that_may_not_log_in_gets_no_row(trial: Connection) -> None:
    add(trial, "retired", "NOLOGIN")
    assert looked_up(trial, "retired") == []


def test_an_expired_password_is_null(trial: Connection) -> None:
    add(trial, "expired", "LOGIN VALID UNTIL '2001-01-01'")
    assert looked_up(trial, "expired") == [("expired", None)]


def test_a_password_with_an_end_in_the_future_is_valid(trial: Connection) -> None:
    add(trial, "temporary", "LOGIN VALID UNTIL '2099-01-01'")
    assert looked_up(trial, "temporary") == [("temporary", VERIFIER)]


def test_a_password_valid_until_infinity_is_valid(trial: Connection) -> None:
    add(trial, "forever", "LOGIN VALID UNTIL 'infinity'")
    assert looked_up(trial, "forever") == [("forever", VERIFIER)]


def test_a_superuser_that_the_stack_does_not_name_gets_no_row(trial: Connection) -> None:
    add(trial, "mighty", "LOGIN SUPERUSER")
    assert looked_up(trial, "mighty") == []


def test_a_superuser_that_the_stack_names_gets_its_verifier(trial: Connection) -> None:
    add(trial, "mighty", "LOGIN SUPERUSER")
    grant_membership(trial, NAMES.superusers_group, "mighty")
    assert looked_up(trial, "mighty") == [("mighty", VERIFIER)]


def test_a_superuser_in_the_superusers_group_alone_gets_no_row(trial: Connection) -> None:
    create_role(trial, "mighty", VERIFIER, "LOGIN SUPERUSER")
    grant_membership(trial, NAMES.superusers_group, "mighty")
    assert looked_up(trial, "mighty") == []


def test_a_member_of_a_member_gets_no_row(trial: Connection) -> None:
    add(trial, "team", "NOLOGIN")
    create_role(trial, "teammate", VERIFIER)
    grant_membership(trial, "team", "teammate")
    assert looked_up(trial, "teammate") == []


def test_the_auth_role_itself_gets_no_row(trial: Connection) -> None:
    assert looked_up(trial, "pgbouncer_auth_a") == []


@pytest.mark.parametrize("user", ["webhook", "outsider"])
def test_public_may_not_execute_it(trial: Connection, user: str) -> None:
    add(trial, "webhook")
    create_role(trial, "outsider")
    trial.execute("GRANT USAGE ON SCHEMA pgbouncer TO PUBLIC")
    trial.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(user)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        trial.execute("SELECT * FROM pgbouncer.user_lookup('webhook')")
    assert refused.value.diag.message_primary == "permission denied for function user_lookup"


def test_a_role_without_a_grant_does_not_reach_the_schema(trial: Connection) -> None:
    create_role(trial, "outsider")
    trial.execute("SET ROLE outsider")
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        trial.execute("SELECT * FROM pgbouncer.user_lookup('webhook')")
    assert refused.value.diag.message_primary == "permission denied for schema pgbouncer"


HOSTILE = """
    CREATE SCHEMA hostile;
    GRANT USAGE ON SCHEMA hostile TO PUBLIC;
    CREATE FUNCTION hostile.always(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION hostile.always(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION hostile.always(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION hostile.never(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR hostile.= (LEFTARG = name, RIGHTARG = text, FUNCTION = hostile.always);
    CREATE OPERATOR hostile.= (LEFTARG = name, RIGHTARG = name, FUNCTION = hostile.always);
    CREATE OPERATOR hostile.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = hostile.always);
    CREATE OPERATOR hostile.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = hostile.never);
    CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT '1970-01-01'::timestamptz$$;
    CREATE VIEW hostile.pg_authid AS
        SELECT 1::oid AS oid, 'intruder'::name AS rolname, true AS rolcanlogin, false AS rolsuper,
               'stolen'::text AS rolpassword, NULL::timestamptz AS rolvaliduntil;
    CREATE VIEW hostile.pg_auth_members AS SELECT 1::oid AS member, 1::oid AS roleid;
    GRANT SELECT ON ALL TABLES IN SCHEMA hostile TO PUBLIC;
    SET LOCAL search_path = hostile, pg_catalog;
"""


def test_the_shadows_would_answer_an_unqualified_query(trial: Connection) -> None:
    trial.execute(HOSTILE)
    row = trial.execute("SELECT rolname, 'a'::name = 'b'::text, now() FROM pg_authid").fetchone()
    assert row is not None
    assert row[:2] == ("intruder", True)


@pytest.mark.parametrize(
    ("user", "rows"),
    [
        ("webhook", [("webhook", VERIFIER)]),
        ("intruder", []),
        ("outsider", []),
        ("expired", [("expired", None)]),
    ],
)
def test_shadows_in_the_callers_search_path_change_nothing(
    trial: Connection, user: str, rows: list[Row]
) -> None:
    add(trial, "webhook")
    add(trial, "expired", "LOGIN VALID UNTIL '2001-01-01'")
    create_role(trial, "outsider", VERIFIER)
    trial.execute(HOSTILE)
    assert looked_up(trial, user) == rows


@pytest.mark.parametrize(
    "user",
    ["we@ird:/?#%'\"\\ ü", "Upper Case", "semi;colon--", "$1", "%s", "{services_group}", "x" * 63, "名前"],
)
def test_a_nasty_name_is_found_as_it_is(trial: Connection, user: str) -> None:
    add(trial, user)
    assert looked_up(trial, user) == [(user, VERIFIER)]


@pytest.mark.parametrize("user", ["' OR true --", "webhook' --", "WEBHOOK", "webhook ", "web%", ""])
def test_a_name_is_compared_and_never_interpreted(trial: Connection, user: str) -> None:
    add(trial, "webhook")
    assert looked_up(trial, user) == []
