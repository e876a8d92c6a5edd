"""What a reviewer compares: the plain outputs of the running stack with those that the configuration gives.

A preview does not carry the new outputs (measured), so they are computed by the code that the program exports with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from components import outputs


@dataclass(frozen=True)
class Facts:
    """Nothing of this is secret. Empty where the stack was never updated."""

    routes: Mapping[str, str] = field(default_factory=dict)
    """service → lane."""
    budget: str = ""
    """The table as text."""
    ini: str = ""
    hba: str = ""
    reloadable: Mapping[str, str] = field(default_factory=dict)
    restart_only: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """The stack has been updated before."""
        return bool(self.routes)

    @property
    def entries(self) -> dict[str, dict[str, str]]:
        """Entry in [databases] → field → value as it is written, in the order of the file."""
        section = self.ini.partition("[databases]")[2].partition("\n[")[0]
        lines = re.findall(r"^([A-Za-z0-9_.-]+) = (host=.*)$", section, re.MULTILINE)
        return {name: dict(re.findall(r"(\w+)=('(?:[^']|'')*'|\S+)", fields)) for name, fields in lines}


def of_outputs(found: object) -> Facts:
    """Facts of plain outputs, as a state has them or as `components.outputs.plain` makes them.

    What is missing, or of another kind, is left out.
    """
    found = found if isinstance(found, Mapping) else {}
    return Facts(
        routes=_texts(found.get("routes")),
        budget=_text(found.get("budget")),
        ini=_text(found.get("pgbouncer_ini")),
        hba=_text(found.get("pg_hba")),
        reloadable=_texts(found.get("reloadable")),
        restart_only=_texts(found.get("restart_only")),
    )


def budget_rows(table: str) -> list[tuple[str, int]]:
    """(spender, connections) of a budget's text, the sum and `max_connections` last."""
    found = re.findall(r"^(.*?\S)  +(\d+)(?:  .*)?$", table, re.MULTILINE)
    return [(label, int(number)) for label, number in found]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key): text for key, text in value.items() if isinstance(text, str) and key != outputs.WHO}
