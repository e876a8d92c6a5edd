"""The declared side of a verification, as text."""

from __future__ import annotations

import hashlib

import pytest

from components import expectations
from components.expectations import Login
from tests.unit.stacks import settings

SERVICES: dict[str, object] = {
    "web": {"user": "web_user", "route": "transaction"},
    "own": {"route": "transaction", "pool_size": 4},
    "held": {"route": "session", "read_only": True},
    "stays": {"route": "direct"},
    "silent": {"route": "transaction"},
}
PASSWORDS = {"web_user": "tr0ub4dor", "own": "c:o\\lon-secret", "held": "x", "stays": "y"}
STACK = settings(services=SERVICES, passwords=PASSWORDS, superusers=["own"], name="pool")


def rows(kind: str, *, during_update: bool = False) -> list[tuple[str, ...]]:
    text = expectations.render(STACK, "0123456789abcdef", during_update=during_update)
    split = [tuple(line.split("\t")) for line in text.splitlines()]
    return [row[1:] for row in split if row[0] == kind]


def test_every_fact_belongs_to_a_check_that_says_what_to_do() -> None:
    checks = {name for name, to_do in rows("check") if to_do}
    assert {check for check, _, _ in rows("fact")} - checks == set()


@pytest.mark.parametrize(
    "fact",
    [
        ("version", "PgBouncer", "at least 1.26.1"),
        ("files", "userlist.txt", "0123456789abcdef"),
        ("restart-only", "listen_addr", "*"),
        ("restart-only", "listen_port", "6432"),
        ("alias", "pgbouncer", "leads to the pooler"),
        ("backends", "in Postgres", "at most 25"),
        ("function", "user_lookup(i_username text) owner", "postgres"),
        ("function", "user_lookup(i_username text) security", "SECURITY DEFINER"),
        ("grants", "user_lookup(i_username text): pool_auth_a", "EXECUTE"),
        ("grants", "schema pool: pool_auth_a", "USAGE"),
        ("grants", "pool_auth_a elsewhere", "nothing"),
        ("roles", "pool_auth_a", "LOGIN"),
        ("roles", "pool_services", "NOLOGIN"),
        ("members", "web_user in pool_services", "member"),
        ("members", "own in pool_superusers", "member"),
        ("service roles", "web_user", "may log in, no superuser"),
        ("role defaults", "held in app: default_transaction_read_only", "on"),
        ("check interval", "app", "20"),
        ("server", "max_connections", "100"),
        ("server", "reserved connections", "3"),
        ("refusals", "pool_auth_a as a client", "login rejected"),
        ("logins", "web", "web_user, reads and writes as declared"),
        ("prepared", "own", "six times on two backends"),
        ("prepared", "held", "six times on one backend only"),
    ],
)
def test_this_is_expected(fact: tuple[str, str, str]) -> None:
    assert fact in rows("fact")


EXPORTER = {"image": "team/exporter:1"}


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            EXPORTER | {"postgres_image": "team/postgres-exporter:1"},
            [("pool_monitor", "LOGIN CONNECTION LIMIT 2"), ("pool_monitor in pg_monitor", "member")],
        ),
        (EXPORTER, []),
        ({}, []),
    ],
    ids=["of Postgres too", "of PgBouncer only", "none"],
)
def test_the_exporter_of_postgres_has_its_role(
    metrics: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    stack = settings(services=SERVICES, name="pool", metrics=metrics)
    text = expectations.render(stack, "0123456789abcdef", during_update=False)
    facts = [tuple(line.split("\t")[1:]) for line in text.splitlines() if line.startswith("fact\troles\t")]
    assert [(subject, value) for _, subject, value in facts if "monitor" in subject] == expected


@pytest.mark.parametrize("user", ["own", "stays"])
def test_a_direct_service_or_a_declared_superuser_may_be_one(user: str) -> None:
    assert user not in [subject for check, subject, _ in rows("fact") if check == "service roles"]


def test_nobody_but_owner_and_auth_role_is_granted_anything() -> None:
    assert [subject for check, subject, _ in rows("fact") if check == "grants"] == [
        "user_lookup(i_username text): postgres",
        "user_lookup(i_username text): pool_auth_a",
        "schema pool: postgres",
        "schema pool: pool_auth_a",
        "pool_auth_a elsewhere",
    ]


def test_a_service_logs_in_by_the_lane_of_its_route() -> None:
    assert expectations.logins(STACK) == [
        Login("web", "web_user", "pooler", 6432, "app", 2, None),
        Login("own", "own", "pooler", 6432, "own", 2, None),
        Login("held", "held", "pooler", 6432, "app_session", 1, True),
        Login("stays", "stays", "timescale_db", 5432, "app", 1, None),
    ]


def test_a_pool_of_one_backend_is_said_to_be_one() -> None:
    one = settings(services={"web": {"route": "transaction", "pool_size": 1}}, passwords={"web": "x"})
    assert [login.backends for login in expectations.logins(one)] == [1]


def test_a_service_whose_password_is_unknown_is_noted() -> None:
    assert rows("note") == [("logins", "silent", "the stack knows no password of silent")]


USERLIST = '"pool_auth_a" "the-auth-password"\n'


def test_an_update_tolerates_what_it_removes_last() -> None:
    later = set(rows("may", during_update=True)) - set(rows("may"))
    assert later == {
        ("roles", "pool_auth_b"),
        ("grants", "user_lookup(i_username text): pool_auth_b"),
        ("grants", "schema pool: pool_auth_b"),
        ("members", "*"),
        ("roles", "pool_monitor"),
        ("roles", "pool_monitor in pg_monitor"),
    }


@pytest.mark.parametrize("secret", ["correct horse", "tr0ub4dor", "lon-secret", "the-auth-password"])
def test_what_is_staged_in_clear_holds_no_secret(secret: str) -> None:
    declared = expectations.declared(STACK, USERLIST, during_update=True)
    staged = {"declared": declared, **expectations.staged(STACK)}
    held = [name for name, text in staged.items() if secret in text]
    assert held == []


def test_the_userlist_is_known_by_its_hash() -> None:
    declared = expectations.declared(STACK, USERLIST, during_update=True)
    expected = hashlib.sha256(b'"pool_auth_a" "the-auth-password"\n').hexdigest()[:16]
    assert f"fact\tfiles\tuserlist.txt\t{expected}\n" in declared


def test_passwords_are_in_two_files_so_that_the_admins_never_hides_a_wrong_one() -> None:
    assert expectations.secret_files(STACK) == {
        "admin.pgpass": "*:*:*:*:correct horse\n",
        "services.pgpass": "# passwords of services\n*:*:*:web_user:tr0ub4dor\n*:*:*:own:c\\:o\\\\lon-secret\n"
        "*:*:*:held:x\n*:*:*:stays:y\n",
    }


def test_the_arguments_name_roles_as_json_for_psql() -> None:
    assert expectations.arguments(STACK) == [
        "timescale_db", "5432", "app", "postgres", "pgbouncer", "6432", "app", "pool_auth",
        "web_user", "pgbouncer_stack_nobody", "schema=pool",
        'ours=["pool_auth_a", "pool_auth_b", "pool_services", "pool_superusers", "pool_monitor"]',
        'groups=["pool_services", "pool_superusers"]', "auth_role=pool_auth_a",
        'users=["web_user", "own", "held", "stays", "silent"]', 'pooled=["held", "silent", "web_user"]', "cap=25",
    ]  # fmt: skip


def test_before_the_first_cutover_no_service_can_try_the_lookup_entry() -> None:
    direct = settings(services={"web": {"route": "direct"}})
    assert "-" in expectations.arguments(direct)
    assert "on the entry" not in expectations.render(direct, "0123456789abcdef", during_update=False)
