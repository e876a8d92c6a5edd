"""The table of docs/drivers-conformance.md; it has no times, so that equal verdicts give equal text."""

from __future__ import annotations

from collections.abc import Mapping

from tests.drivers.drivers import BASE, CAVEATS, LANGUAGES, Driver
from tests.drivers.program import Verdict

BEGIN = "<!-- begin: written by `make test-drivers UPDATE=1` -->"
END = "<!-- end -->"

Verdicts = Mapping[str, Mapping[str, Verdict]]
"""Lane → check → verdict."""


def rows(driver: Driver, version: str, verdicts: Verdicts) -> dict[str, list[str]]:
    """The driver's row in each of the two tables."""
    name = [LANGUAGES[driver.language], f"{driver.in_table} {version}"]
    base = [cell(verdicts["transaction"][check]) for check in BASE]
    caveats = [
        f"{cell(verdicts['transaction'][check])} / {cell(verdicts['session'][check])}" for check in CAVEATS
    ]
    return {"base": name + base, "caveats": name + caveats}


def cell(verdict: Verdict) -> str:
    return f"{verdict.outcome}: {verdict.detail}" if verdict.detail else verdict.outcome


def render(drivers: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Both tables, of driver → `rows`, between their marks."""
    base = [line(["language", "driver", *BASE]), line(["---"] * (len(BASE) + 2))]
    base += [line(found["base"]) for found in drivers.values()]
    caveats = [line(["language", "driver", *CAVEATS]), line(["---"] * (len(CAVEATS) + 2))]
    caveats += [line(found["caveats"]) for found in drivers.values()]
    text = "\n".join(
        [
            "On the transaction lane:",
            "",
            *base,
            "",
            "What needs a session, as *transaction lane / session lane*:",
            "",
            *caveats,
        ]
    )
    return f"{BEGIN}\n\n{text}\n\n{END}"


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def replaced(document: str, tables: str) -> str:
    """The document with these tables in place of those between its marks."""
    before, rest = document.split(BEGIN)
    return before + tables + rest.split(END)[1]
