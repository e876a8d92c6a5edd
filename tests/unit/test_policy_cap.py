"""The policy pack's reading of pgbouncer.ini: the cap on every entry, and no wildcard."""

from __future__ import annotations

from pathlib import Path

import pytest
from pooler_policy import cap, wildcard
from pooler_policy.ini_text import database_entries
from pooler_policy.resource import CONTAINER, Resource
from pooler_policy.rule import Declared
from pooler_policy.values import UNKNOWN

GOLDEN = Path(__file__).parent / "golden"


def write_job(text: object) -> Resource:
    """The job that gets the ini."""
    urn = f"urn:pulumi:prod::pgbouncer::pgbouncer:pooler:Pooler${CONTAINER}::pgbouncer-write"
    files = [
        {"file": "/staged/pgbouncer.ini", "content": text},
        {"file": "/staged/pg_hba.conf", "content": "x"},
    ]
    return Resource(urn, CONTAINER, "pgbouncer-write", {"uploads": files, "mustRun": False})


def caps(text: object, max_backends: int | None = 25) -> list[str]:
    return list(cap.RULE.check(write_job(text), Declared(max_backends=max_backends)))


def wildcards(text: object) -> list[str]:
    return list(wildcard.RULE.check(write_job(text), Declared()))


@pytest.mark.parametrize(("name", "max_backends"), [("production.ini", 25), ("own_entries.ini", 30)])
def test_what_the_program_renders_passes(name: str, max_backends: int) -> None:
    text = (GOLDEN / name).read_text(encoding="utf-8")
    assert (caps(text, max_backends), wildcards(text)) == ([], [])


def test_every_entry_of_the_rendered_file_is_read() -> None:
    text = (GOLDEN / "production.ini").read_text(encoding="utf-8")
    assert {entry.name for entry in database_entries(text)} == {
        "pgbouncer_auth",
        "tracksolid_db",
        "tracksolid_db_session",
    }


@pytest.mark.parametrize(
    "connection", ["host=db", "host=db max_db_connections=0", "host='a max_db_connections=9'"]
)
def test_an_entry_without_a_cap_is_named(connection: str) -> None:
    assert caps(f"[databases]\napp = {connection}\n") == [
        "pgbouncer.ini: entry app has no max_db_connections, so each user may open a pool of its own; "
        "give it one, within max_backends"
    ]


def test_caps_that_add_up_to_more_than_max_backends_are_refused() -> None:
    text = "[databases]\na = host=db max_db_connections=20\nb = host=db MAX_DB_CONNECTIONS = 6\n"
    assert caps(text) == [
        "pgbouncer.ini: the max_db_connections of all entries add up to 26, more than max_backends (25); "
        "lower them by 1, or raise max_backends within max_connections"
    ]


def test_caps_that_add_up_to_max_backends_pass() -> None:
    assert caps("[databases]\na = host=db max_db_connections='20'\nb = host=db max_db_connections=5\n") == []


def test_a_sum_that_cannot_be_judged_is_refused() -> None:
    assert (
        "max_backends: is not in the stack's configuration"
        in caps("[databases]\na = host=db max_db_connections=1\n", max_backends=None)[0]
    )


def test_an_included_file_is_refused_because_nobody_counts_its_entries() -> None:
    text = "[databases]\na = host=db max_db_connections=1\n%include /config/more.ini\n"
    assert caps(text) == [
        "pgbouncer.ini: includes /config/more.ini, whose entries nobody counts; write them into the file itself"
    ]


def test_a_file_without_entries_is_refused() -> None:
    assert "has no entry in [databases]" in caps("[pgbouncer]\nlisten_port = 6432\n")[0]


def test_a_cap_in_another_section_is_none() -> None:
    text = "[databases]\napp = host=db\n[users]\nmax_db_connections = 5\n"
    assert "entry app has no max_db_connections" in caps(text)[0]


@pytest.mark.parametrize("line", ["* = host=db max_db_connections=1", "  *= host=db", '"*" = host=db'])
def test_a_wildcard_entry_is_refused(line: str) -> None:
    assert wildcards(f"[DATABASES]\n{line}\n") == [
        "pgbouncer.ini: entry * answers to any database name, with a cap for each; "
        "name the databases instead, in databases or as services"
    ]


def test_a_star_that_is_no_entry_passes() -> None:
    assert wildcards("[databases]\n; * = host=db\na = host=db\n[pgbouncer]\nlisten_addr = *\n") == []


def test_a_file_that_is_not_known_yet_is_judged_at_the_update() -> None:
    assert caps(UNKNOWN) == []
