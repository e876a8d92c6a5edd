"""The psql jobs: the database's setting that keeps the cap, and passwords of services."""

from __future__ import annotations

import pulumi
import pytest

from components.cap import CapSetting, CapSettingArgs
from components.password_file import pgpass_line
from components.role_settings import RoleSettings, RoleSettingsArgs
from components.service_passwords import ServicePasswords, ServicePasswordsArgs, password_statements
from components.sql_job import DatabaseAccess
from tests.unit.engine import Engine, run

ACCESS = DatabaseAccess(
    image="pgbouncer-stack/pgbouncer:1.26.1",
    network="app_net",
    host="db",
    port=5433,
    database="app",
    user="admin",
    password="correct horse",
)
SALT = "AAECAwQFBgcICQoLDA0ODw=="


def cap(engine: Engine) -> None:
    def program() -> None:
        made = CapSetting(
            "p", CapSettingArgs(access=ACCESS, databases=("billing",), interval_ms=30, depends_on=[])
        )
        pulumi.export("set", pulumi.Output.all(*made.set).apply(len))

    run(engine, program)


def passwords(engine: Engine) -> None:
    def program() -> None:
        ServicePasswords(
            "p", ServicePasswordsArgs(access=ACCESS, passwords={"web": "tr0ub4dor"}, depends_on=[])
        )

    run(engine, program)


def test_the_setting_is_made_where_services_reach_the_database(engine: Engine) -> None:
    cap(engine)
    job = engine.registered["p-check-interval"].inputs
    assert job["command"] == ["db", "5433", "app", "admin", "interval_ms=30"]


def test_a_further_database_gets_the_setting_by_a_job_of_its_own(engine: Engine) -> None:
    cap(engine)
    job = engine.registered["p-check-interval-billing"].inputs
    assert job["command"] == ["db", "5433", "billing", "admin", "interval_ms=30"]


@pytest.mark.parametrize("job", ["p-check-interval", "p-check-interval-billing"])
def test_a_failed_setting_job_of_any_database_fails_the_update(engine: Engine, job: str) -> None:
    engine.exit_codes[job] = 3
    with pytest.raises(pulumi.RunError, match=rf"{job} failed \(exit code 3\)"):
        cap(engine)


def test_defaults_of_roles_are_set_in_one_transaction(engine: Engine) -> None:
    def program() -> None:
        made = RoleSettings(
            "p", RoleSettingsArgs(access=ACCESS, statements="ALTER ROLE a …;\n", depends_on=[])
        )
        pulumi.export("set", made.set.apply(len))

    run(engine, program)
    uploads = engine.registered["p-role-settings"].inputs["uploads"]
    assert [item["content"] for item in uploads if item["file"] == "/staged/statements.sql"] == [
        "BEGIN;\nALTER ROLE a …;\nCOMMIT;\n"
    ]


def test_the_job_is_on_the_network_of_the_database(engine: Engine) -> None:
    cap(engine)
    assert engine.registered["p-check-interval"].inputs["networksAdvanced"] == [{"name": "app_net"}]


def test_the_password_of_the_admin_is_staged_as_a_secret(engine: Engine) -> None:
    cap(engine)
    assert "uploads" in engine.registered["p-check-interval"].secret_inputs


def test_passwords_of_services_are_staged_as_a_secret(engine: Engine) -> None:
    passwords(engine)
    assert "uploads" in engine.registered["p-service-passwords"].secret_inputs


def test_passwords_of_services_are_staged_as_verifiers(engine: Engine) -> None:
    passwords(engine)
    assert "tr0ub4dor" not in str(engine.registered["p-service-passwords"].inputs)


def test_a_failed_password_job_fails_the_update(engine: Engine) -> None:
    engine.exit_codes["p-service-passwords"] = 3
    with pytest.raises(pulumi.RunError, match=r"p-service-passwords failed \(exit code 3\)"):
        passwords(engine)


def test_a_failed_setting_job_fails_what_depends_on_it(engine: Engine) -> None:
    engine.exit_codes["p-check-interval"] = 3
    with pytest.raises(pulumi.RunError, match=r"p-check-interval failed \(exit code 3\)"):
        cap(engine)


def test_roles_are_altered_in_one_transaction_that_the_log_does_not_see() -> None:
    lines = password_statements({"web": "a", 'odd"; DROP': "b"}, SALT).splitlines()
    assert [line.split("PASSWORD")[0] for line in lines] == [
        "BEGIN;",
        "SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1;",
        'ALTER ROLE "odd""; DROP" ',
        'ALTER ROLE "web" ',
        "COMMIT;",
    ]


def test_the_same_password_of_two_roles_does_not_show() -> None:
    _, _, first, second, _ = password_statements({"a": "same", "b": "same"}, SALT).splitlines()
    assert first.split("PASSWORD")[1] != second.split("PASSWORD")[1]


def test_the_same_passwords_give_the_same_statements() -> None:
    assert password_statements({"a": "x"}, SALT) == password_statements({"a": "x"}, SALT)


@pytest.mark.parametrize(
    ("password", "line"),
    [
        ("plain", "*:*:*:*:plain\n"),
        ("a:b", "*:*:*:*:a\\:b\n"),
        ("a\\b", "*:*:*:*:a\\\\b\n"),
    ],
)
def test_a_password_file_escapes_colons_and_backslashes(password: str, line: str) -> None:
    assert pgpass_line(password) == line
