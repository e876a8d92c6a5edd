"""What `make up` prints must never hold a password."""

from __future__ import annotations

import pytest

from toolchain.report import masked, next_steps, services, table, without_password


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://app:secret@pgbouncer:6432/db", "postgresql://app:****@pgbouncer:6432/db"),
        ("postgresql://app:p%40ss%2F%3A@h:1/db?a=b", "postgresql://app:****@h:1/db?a=b"),
        ("postgresql://app:a@b@h/db", "postgresql://app:****@h/db"),
        ("postgresql://app:a:b@h/db", "postgresql://app:****@h/db"),
        ("postgresql://we%40ird:x@[::1]:6432/db", "postgresql://we%40ird:****@[::1]:6432/db"),
        ("postgresql://app@h/db", "postgresql://app@h/db"),
        ("postgresql://h/db", "postgresql://h/db"),
    ],
)
def test_a_password_is_masked_and_all_the_rest_stays(dsn: str, expected: str) -> None:
    assert masked(dsn) == expected


def test_the_service_table_shows_routes_and_no_password() -> None:
    outputs = {
        "routes": {"grafana": "transaction", "cron": "direct"},
        "grafana_dsn": "postgresql://grafana_ro:hunter2@pgbouncer:6432/db",
        "cron_dsn": "postgresql://postgres:hunter3@timescale_db:5432/db",
    }
    assert services(outputs) == (
        "SERVICE  ROUTE        DSN\n"
        "grafana  transaction  postgresql://grafana_ro:****@pgbouncer:6432/db\n"
        "cron     direct       postgresql://postgres:****@timescale_db:5432/db"
    )


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table(("A", "B"), [("long cell", "x"), ("y", "z")]) == "A          B\nlong cell  x\ny          z"


def test_the_next_commands_name_the_stack_unless_it_is_dev() -> None:
    assert "make down STACK=prod" in next_steps("prod", "Pulumi.prod.yaml", None, "grafana")
    assert "make down " in next_steps("dev", "Pulumi.dev.yaml", None, "grafana")


def test_the_place_of_the_passphrase_is_said_only_where_there_is_one() -> None:
    assert "/keys/dev" in next_steps("dev", "Pulumi.dev.yaml", "/keys/dev", "grafana")
    assert "passphrase" not in next_steps("prod", "Pulumi.prod.yaml", None, "grafana")


def test_users_whose_password_the_stack_does_not_know_are_named_once() -> None:
    outputs = {
        "routes": {"grafana": "transaction", "cron": "direct", "worker": "direct"},
        "grafana_dsn": "postgresql://grafana_ro:known@pgbouncer:6432/db",
        "cron_dsn": "postgresql://postgres@timescale_db:5432/db",
        "worker_dsn": "postgresql://postgres@timescale_db:5432/db",
    }
    assert without_password(outputs) == ["postgres"]
