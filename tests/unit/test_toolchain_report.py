"""What `make up` prints must never hold a password."""

from __future__ import annotations

from toolchain.report import next_steps, services, table


def test_the_service_table_shows_routes_and_the_masked_dsns_of_the_stack() -> None:
    outputs = {
        "routes": {"grafana": "transaction", "cron": "direct"},
        "masked_dsns": {
            "grafana": "postgresql://grafana_ro:****@pgbouncer:6432/db",
            "cron": "host=timescale_db user=postgres password=****",
        },
        "grafana_dsn": "postgresql://grafana_ro:hunter2@pgbouncer:6432/db",
        "cron_dsn": "host=timescale_db user=postgres password=hunter3",
    }
    assert services(outputs) == (
        "SERVICE  ROUTE        DSN\n"
        "grafana  transaction  postgresql://grafana_ro:****@pgbouncer:6432/db\n"
        "cron     direct       host=timescale_db user=postgres password=****"
    )


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table(("A", "B"), [("long cell", "x"), ("y", "z")]) == "A          B\nlong cell  x\ny          z"


def test_the_next_commands_name_the_stack_unless_it_is_dev() -> None:
    assert "make down STACK=prod" in next_steps("prod", "Pulumi.prod.yaml", None, "grafana")
    assert "make down " in next_steps("dev", "Pulumi.dev.yaml", None, "grafana")


def test_the_place_of_the_passphrase_is_said_only_where_there_is_one() -> None:
    assert "/keys/dev" in next_steps("dev", "Pulumi.dev.yaml", "/keys/dev", "grafana")
    assert "passphrase" not in next_steps("prod", "Pulumi.prod.yaml", None, "grafana")
