"""Session features that a service may rely on, and the lanes that cannot give them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.settings import Service, Settings


class Need(StrEnum):
    """One of a service's `needs`; each is state that a backend keeps from one transaction to the next."""

    LISTEN = "listen"
    ADVISORY_LOCK = "advisory_lock"
    TEMP_TABLE = "temp_table"
    WITH_HOLD = "with_hold"
    SET = "set"
    SQL_PREPARE = "sql_prepare"
    LOAD = "load"
    STARTUP_OPTIONS = "startup_options"


WHY: dict[Need, str] = {
    Need.LISTEN: "a notification comes to the backend that ran LISTEN, not to the client",
    Need.ADVISORY_LOCK: "pg_advisory_lock stays with the backend, and another client gets that backend next",
    Need.TEMP_TABLE: "a temporary table stays with the backend",
    Need.WITH_HOLD: "a cursor WITH HOLD stays with the backend",
    Need.SET: "a SET that PgBouncer does not track stays with the backend, for whoever gets it next",
    Need.SQL_PREPARE: "SQL PREPARE is not followed from backend to backend; protocol-level statements are",
    Need.LOAD: "LOAD holds for the backend only",
    Need.STARTUP_OPTIONS: "PgBouncer drops options= at connect; read_only and the timeouts of a service replace it",
}
"""Need → why the lanes in `REFUSED` cannot give it."""

REFUSED: dict[str, frozenset[Need]] = {
    "direct": frozenset(),
    "session": frozenset({Need.STARTUP_OPTIONS}),
    "transaction": frozenset(Need),
}
"""Lane → needs that it cannot give."""


def refuse_needs(settings: Settings) -> Iterator[str]:
    """One line for each service whose route cannot give what it needs, with the lanes that can."""
    for name, service in settings.services.items():
        missing = [need for need in Need if need in service.needs and need in REFUSED[service.route]]
        if missing:
            reasons = "; ".join(f"{need} ({WHY[need]})" for need in missing)
            able = " or ".join(_lanes_that_can(settings, service))
            yield f"services.{name}.route: {service.route.value} cannot give {reasons}; use {able}"


def _lanes_that_can(settings: Settings, service: Service) -> list[str]:
    further = settings.databases.get(service.database)
    has_session = not service.database or (further is not None and further.session_backends > 0)
    lanes = ["session", "direct"] if has_session else ["direct"]
    return [lane for lane in lanes if not REFUSED[lane] & set(service.needs)]
