"""Real drivers against a real stack: what works on the transaction lane, and what needs the session lane."""

from __future__ import annotations

import os

import pytest

from tests.drivers import table
from tests.drivers.conftest import Runs, chosen
from tests.drivers.drivers import BASE, CAVEATS, DRIVERS
from tests.drivers.languages import LANGUAGES
from tests.drivers.program import Verdict
from tests.e2e.deployment import Deployment
from toolchain.paths import PROJECT

pytestmark = pytest.mark.timeout(1800)  # the first test waits for cold builds, the update and all programs

DOCUMENT = PROJECT / "docs" / "drivers-conformance.md"

WORKS = Verdict("works")
NOT_AS_ALL = {
    ("psycopg2", "prepared_6_each"): Verdict(
        "n/a", "psycopg2 sends text queries only, it has no prepared statements of the protocol"
    ),
    ("lib_pq", "pipeline_or_batch"): Verdict("n/a", "lib/pq has neither pipelining nor batches"),
    ("vertx_pg", "mixed_2000_over_20"): Verdict("breaks", "parameters meet another client's statement"),
    ("vertx_pg", "copy"): Verdict("n/a", "the Vert.x client has no COPY"),
    ("vertx_pg_proxy", "copy"): Verdict("n/a", "the Vert.x client has no COPY"),
}
"""(driver, check) that does not simply work on the transaction lane."""

BREAKS_WITH = {
    "listen": Verdict("breaks", "no notification arrives"),
    "advisory_lock": Verdict("breaks", "cannot be unlocked"),
    "temp_table": Verdict("breaks", "error 42P01"),
    "with_hold": Verdict("breaks", "error 34000"),
    "set": Verdict("breaks", "the setting is not there"),
    "sql_prepare": Verdict("breaks", "error 26000"),
}
BREAKS_OTHERWISE = {
    ("sqlx", "listen"): Verdict("breaks", "the notification goes to another client, which fails on it"),
}
"""(driver, check) with a sign of its own."""

NAMES = [driver.name for driver in chosen()]
REMEDY = f"{DOCUMENT.name} says something else; look at it, then `make test-drivers UPDATE=1`"


@pytest.mark.parametrize("check", BASE)
@pytest.mark.parametrize("driver", NAMES)
def test_it_works_on_the_transaction_lane(runs: Runs, driver: str, check: str) -> None:
    assert runs[driver, "transaction"].verdicts[check] == NOT_AS_ALL.get((driver, check), WORKS)


@pytest.mark.parametrize("check", CAVEATS)
@pytest.mark.parametrize("driver", NAMES)
def test_what_needs_a_session_breaks_on_the_transaction_lane(runs: Runs, driver: str, check: str) -> None:
    wanted = BREAKS_OTHERWISE.get((driver, check), BREAKS_WITH[check])
    assert runs[driver, "transaction"].verdicts[check] == wanted


@pytest.mark.parametrize("check", ["connect", *CAVEATS])
@pytest.mark.parametrize("driver", NAMES)
def test_what_needs_a_session_works_on_the_session_lane(runs: Runs, driver: str, check: str) -> None:
    assert runs[driver, "session"].verdicts[check] == WORKS


@pytest.mark.parametrize("driver", NAMES)
def test_no_program_writes_a_password(runs: Runs, driver: str) -> None:
    assert not [lane for lane in ("transaction", "session") if "sentinel" in runs[driver, lane].output]


def test_the_pooler_offers_its_clients_no_tls(deployment: Deployment) -> None:
    assert "client_tls" not in deployment.outputs()["pgbouncer_ini"]


def test_the_committed_table_is_what_this_run_shows(runs: Runs) -> None:
    found = {
        driver.name: table.rows(
            driver,
            LANGUAGES[driver.language].version(driver),
            {lane: runs[driver.name, lane].verdicts for lane in ("transaction", "session")},
        )
        for driver in chosen()
    }
    document = DOCUMENT.read_text(encoding="utf-8")
    if os.environ.get("UPDATE"):
        assert chosen() == DRIVERS, "UPDATE=1 writes the whole table; leave DRIVERS out"
        document = table.replaced(document, table.render(found))
        DOCUMENT.write_text(document, encoding="utf-8")
    if chosen() == DRIVERS:
        assert table.render(found) in document, REMEDY
    there = document.splitlines()
    missing = [
        table.line(row) for rows in found.values() for row in rows.values() if table.line(row) not in there
    ]
    assert not missing, REMEDY
