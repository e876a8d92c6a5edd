"""Holding clients back: the order of entries, what shows a database that serves, and times as they are typed."""

from __future__ import annotations

import pytest

from toolchain.maintenance import Entry, Times, accepts, in_order
from toolchain.problem import Problem


def entry(name: str, pool_mode: str = "transaction") -> Entry:
    return Entry("id", name, pool_mode, "db", "5432", "app")


def test_sessions_are_asked_to_end_first_and_lookups_stop_last() -> None:
    entries = [entry("pgbouncer_auth"), entry("app"), entry("app_session", "session"), entry("reporter")]
    assert [one.name for one in in_order(entries)] == ["app_session", "app", "reporter", "pgbouncer_auth"]


@pytest.mark.parametrize(
    "said",
    [
        'psql: error: connection to server at "db" (10.0.0.2), port 5432 failed: fe_sendauth: no password supplied',
        'FATAL:  role "pgbouncer" does not exist',
        "FATAL:  no pg_hba.conf entry for host",
        "",
    ],
)
def test_a_server_that_asks_who_is_there_serves(said: str) -> None:
    assert accepts(said)


@pytest.mark.parametrize(
    "said",
    [
        'connection to server at "db" (10.0.0.2), port 5432 failed: Connection refused',
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is in recovery mode",
        'could not translate host name "db" to address: Name or service not known',
        "timeout expired",
        "FATAL:  sorry, too many clients already",
    ],
)
def test_a_server_that_refuses_everybody_does_not_serve(said: str) -> None:
    assert not accepts(said)


def test_times_that_are_not_given_have_defaults() -> None:
    assert Times.of(pause="", grace="3", ready="") == Times(pause=30, grace=3, ready=120)


def test_a_time_that_is_no_number_is_named() -> None:
    with pytest.raises(Problem, match=r"^GRACE: soon is no number of seconds; write it like GRACE=30$"):
        Times.of(grace="soon")
