"""`make watch` from a look written by hand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.stacks import settings
from views import picture
from views.alarms import alarms, level
from views.consoles import Console as Answers
from views.pools import Entry, Holder, Look, Pool, Pooler, Server, pooler
from views.watch import as_json, bar, screen

HOLDER = Holder(4711, "ingest", "ingest_worker", "10.0.0.5", "idle in transaction", 75)
ENTRY = Entry(
    "app",
    "transaction",
    9,
    9,
    paused=False,
    lookups=False,
    pools=(Pool("app", "ingest", 6, 3, 1.25, 6, 6), Pool("app", "web", 2, 0, 0.0, 3, 1)),
    holder=HOLDER,
)
LOOKUPS = Entry("pgbouncer_auth", "transaction", 2, 2, paused=False, lookups=True, pools=(), holder=None)
POOLER = Pooler("a1b2c3d4e5f6a7b8", 11, 25, paused=False, entries=(ENTRY, LOOKUPS))
LOOK = Look("prod", "20:01:02", (POOLER,), Server(34, 97, 100), "")
CALM = replace(
    LOOK, poolers=(replace(POOLER, entries=(replace(ENTRY, pools=ENTRY.pools[1:], holder=None),)),)
)

EXPECTED = """\
stack prod   20:01:02 UTC   1 pooler
! 3 waiting, the longest 1.2 s: ingest on app

pooler a1b2c3d4e5f6  [###########-------------]  11 of 25 backends
Postgres             [########----------------]  34 of 97 (max_connections 100)

ENTRY / USER                               LANE CLIENTS WAITING LONGEST BACKENDS
app                                 transaction                              9/9
  ingest                                              9       3   1.2 s        6
  web                                                 2       0       -        3

LONGEST ON              PID USER             APPLICATION      FROM           AGE
app                    4711 ingest           ingest_worker    10.0.0.5 75 s idle"""


def drawn(look: Look) -> str:
    console = Console(width=80, file=io.StringIO(), record=True, highlight=False)
    console.print(screen(look))
    return "\n".join(line.rstrip() for line in console.export_text().rstrip().splitlines())


def test_the_screen_shows_waits_first_then_limits_pools_and_who_holds_a_backend() -> None:
    assert drawn(LOOK) == EXPECTED


def test_a_calm_stack_says_so() -> None:
    assert drawn(CALM).splitlines()[1] == "ok: nobody waits, no limit is near"


def test_no_pooler_is_the_first_alarm() -> None:
    assert alarms(replace(LOOK, poolers=())) == [
        "no pooler of stack prod runs: see `docker ps -a`, or run `make up STACK=prod`"
    ]


def test_what_postgres_refused_is_an_alarm() -> None:
    assert alarms(replace(CALM, server=None, trouble="admin_host: no Postgres reached"))[0] == (
        "admin_host: no Postgres reached"
    )


def test_a_paused_entry_is_an_alarm() -> None:
    paused = replace(POOLER, entries=(replace(ENTRY, paused=True, pools=()),))
    assert alarms(replace(LOOK, poolers=(paused,))) == [
        "pooler a1b2c3d4e5f6 is paused: queries and logins wait"
    ]


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        (19, []),
        (20, ["pooler a1b2c3d4e5f6 is near its cap: 20 of 25 backends"]),
        (25, ["pooler a1b2c3d4e5f6 is at its cap: 25 of 25 backends"]),
    ],
)
def test_the_cap_is_an_alarm_from_four_fifths_of_it(backends: int, expected: list[str]) -> None:
    assert alarms(replace(CALM, poolers=(replace(CALM.poolers[0], backends=backends),))) == expected


def test_a_full_server_is_an_alarm() -> None:
    assert alarms(replace(CALM, server=Server(97, 97, 100))) == [
        "Postgres is at its limit: 97 of 97 connections that are not reserved"
    ]


@pytest.mark.parametrize(("used", "expected"), [(0, "calm"), (8, "busy"), (10, "full"), (12, "full")])
def test_levels(used: int, expected: str) -> None:
    assert level(used, 10) == expected


def test_a_bar_over_its_limit_stays_in_its_frame() -> None:
    assert bar(40, 20).plain == "[########################]"


def test_both_poolers_of_an_overlap_have_their_pools() -> None:
    other = replace(POOLER, id="b1b2c3d4e5f6a7b8")
    lines = drawn(replace(LOOK, poolers=(POOLER, other))).splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith(("ENTRY", "stack"))] == [
        "stack prod",
        "ENTRY / USER of a1b2c3d4e5f6",
        "ENTRY / USER of b1b2c3d4e5f6",
    ]


LONG = replace(
    ENTRY,
    name="e" * 63,
    mode="transaction",
    pools=(Pool("e", "webhook_receiver_of_the_european_region", 1999, 1999, 1234.5, 100, 100),),
    holder=replace(
        HOLDER,
        pid=4_194_304,
        user="u" * 63,
        application="webhook_receiver_of_the_european_region",
        address="2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        seconds=80_000,
    ),
)


def test_no_line_is_longer_than_80_columns() -> None:
    look = replace(LOOK, stack="s" * 60, poolers=(replace(POOLER, entries=(LONG,)),), trouble="word " * 60)
    assert [line for line in drawn(look).splitlines() if len(line) > 80] == []


def test_figures_stay_whole_beside_long_names() -> None:
    found = drawn(replace(LOOK, poolers=(replace(POOLER, entries=(LONG,)),)))
    assert next(line for line in found.splitlines() if line.startswith("  webhook")).split()[-4:] == [
        "1999",
        "1234.5",
        "s",
        "100",
    ]


def test_scripts_get_counts_and_alarms() -> None:
    found = json.loads(as_json(LOOK))
    assert (found["waiting"], found["longest_wait"], found["alarms"], found["server"]["usable"]) == (
        3,
        1.25,
        ["3 waiting, the longest 1.2 s: ingest on app"],
        97,
    )


def test_the_picture_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    picture.draw(LOOK, tmp_path / "watch.svg")
    text = (tmp_path / "watch.svg").read_text(encoding="utf-8")
    assert ("ingest_worker" in text, "cdnjs" in text, "@font-face" in text) == (True, False, False)


def test_what_the_console_says_is_joined_with_open_transactions_by_pid() -> None:
    server = {
        "database": "app", "user": "ingest", "application_name": "ingest_worker", "remote_pid": "77", "link": "0x1",
    }  # fmt: skip
    answers = Answers(
        "a1b2c3",
        pools=[],
        clients=[{"ptr": "0x1", "addr": "10.0.0.9"}],
        servers=[server, server | {"remote_pid": "78", "link": ""}],
        databases=[
            {"name": "app", "pool_mode": "transaction", "max_connections": "9", "paused": "0"},
        ],
        state={"active": "yes", "paused": "no"},
    )
    [entry] = pooler(answers, settings(), {77: ("active", 3.0), 99: ("active", 500.0)}).entries
    assert entry.holder == Holder(77, "ingest", "ingest_worker", "10.0.0.9", "active", 3.0)
