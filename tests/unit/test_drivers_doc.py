"""docs/drivers.md, kept by hand, says what the program does."""

from __future__ import annotations

import pytest

from components.dialects import DIALECTS, NAME_REASON, TIMEOUT_REASON, LeftOut, Parameter, parameters
from components.drivers import Driver
from components.dsn import MASK, lanes
from components.needs import REFUSED, WHY, Need
from components.settings import Lane
from tests.unit.stacks import ROOT, settings

TEXT = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")
LANES = (Lane.DIRECT, Lane.TRANSACTION, Lane.SESSION)


def table(heading: str) -> list[str]:
    """Rows of the one table below a heading, its header left out."""
    lines = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    return [line for line in lines if line.startswith("|")][2:]


def dsn_rows() -> list[str]:
    stacks = {driver: settings(services={"web": {"driver": driver}}) for driver in Driver}
    return [
        f"| `{driver}` | {lane} | `{lanes(stack, 'web', MASK)[lane]}` |"
        for driver, stack in stacks.items()
        for lane in LANES
    ]


def parameter_rows() -> list[str]:
    return [
        f"| `{driver}` | {_where(parameter)} | `{parameter.name}` | {parameter.reason} |"
        for driver in Driver
        for parameter in _of_any_lane(driver)
    ]


def left_out_rows() -> list[str]:
    return [
        f"| `{driver}` | {_where(left_out)} | {left_out.what} | {left_out.reason} |"
        for driver, dialect in DIALECTS.items()
        for left_out in dialect.left_out
    ]


def need_rows() -> list[str]:
    return [f"| `{need}` | {_lanes_that_give(need)} | {WHY[need]} |" for need in Need]


def _of_any_lane(driver: Driver) -> list[Parameter]:
    found = {parameter.name: parameter for lane in LANES for parameter in parameters(driver, lane)}
    return [each for each in found.values() if each.reason not in (NAME_REASON, TIMEOUT_REASON)]


def _where(item: Parameter | LeftOut) -> str:
    return "every lane" if len(item.lanes) == len(LANES) else ", ".join(item.lanes)


def _lanes_that_give(need: Need) -> str:
    return ", ".join(lane for lane in ("session", "direct") if need not in REFUSED[lane])


@pytest.mark.parametrize(
    ("heading", "rows"),
    [
        ("The DSN of each driver on each lane", dsn_rows()),
        ("What some drivers need besides", parameter_rows()),
        ("What stays out", left_out_rows()),
        ("What a service may need", need_rows()),
    ],
)
def test_the_table_is_what_the_program_does(heading: str, rows: list[str]) -> None:
    assert table(heading) == rows


@pytest.mark.parametrize("reason", [NAME_REASON, TIMEOUT_REASON])
def test_the_reasons_for_name_and_timeout_are_said(reason: str) -> None:
    assert reason in TEXT


def test_every_row_of_a_driver_stands_in_the_order_of_the_configuration_error() -> None:
    assert list(dict.fromkeys(row.split("`")[1] for row in table("The DSN of each driver on each lane"))) == [
        "libpq", "libpq_keywords", "psycopg2", "psycopg", "asyncpg", "sqlalchemy_psycopg2", "sqlalchemy_psycopg",
        "sqlalchemy_asyncpg", "django", "node_postgres", "postgres_js", "prisma", "jdbc", "pgx", "lib_pq", "sqlx",
        "tokio_postgres", "npgsql",
    ]  # fmt: skip
