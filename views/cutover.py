"""`make cutover`: every service, its lane, where its connections really are, and what to do next."""

from __future__ import annotations

import json
from dataclasses import asdict

from components.settings import Settings
from views import grants
from views.placement import Placement, owner, past, place, places
from views.sample import Sample
from views.wrapped import fitted, section, wrapped

HEADER = ("SERVICE", "LANE", "TRANS", "SESSION", "PAST", "BACKENDS", "WAITING", "LONGEST")


def warnings(settings: Settings, sample: Sample) -> list[str]:
    """One sentence each: lanes that are bypassed, connections that nobody owns, superusers."""
    placements = place(settings, sample)
    found = [f"{one.service}: {one.next_step}" for one in placements if one.bypasses]
    for one in past(settings, sample):
        if owner(settings, one.role, one.application) is None:
            called = f"application_name {one.application}" if one.application else "no application_name"
            found.append(
                f"{one.role}: {one.connections} from {one.address} with {called} belong to no service by name"
            )
    for user in sorted(sample.superusers):
        services = ", ".join(one.service for one in placements if one.user == user)
        found.append(f"{user} is a superuser, used by {services}; a role of its own for each would do")
    return found


def least_privilege(settings: Settings, sample: Sample) -> list[str]:
    """Statements for roles named as the services that use a superuser; they read and write rows."""
    lines = []
    for database in settings.dbnames():
        services = [
            name
            for name, service in settings.services.items()
            if service.user in sample.superusers and settings.dbname(service) == database
        ]
        if services:
            lines += grants.for_rows(database, services, sample.schemas.get(database) or ["public"])
    return lines


def as_text(settings: Settings, sample: Sample) -> str:
    """The table, where connections are, warnings, next steps; in 80 columns."""
    placements = place(settings, sample)
    parts = [fitted(HEADER, [_row(one) for one in placements], names=[0])]
    if where := places(settings, sample):
        rows = [
            (
                one.way,
                one.role,
                one.application or "-",
                one.address,
                str(one.connections),
            )
            for one in where
        ]
        shown = fitted(("WAY", "ROLE", "APPLICATION", "ADDRESS", "CONNECTIONS"), rows, names=[1, 2])
        parts.append("Where connections are:\n" + shown)
    if found := warnings(settings, sample):
        parts.append(section("Warnings", found))
    if lines := least_privilege(settings, sample):
        hint = "-- `make ready SERVICE=x` shows what x was seen to use, where that is recorded"
        parts.append(section("Roles in place of superusers", [hint, *lines]))
    width = max((len(one.service) for one in placements), default=0)
    parts.append(
        "Next:\n"
        + "\n".join(wrapped(f"{one.service.ljust(width)}  {one.next_step}", "", "    ") for one in placements)
    )
    return "\n\n".join(parts)


def _row(one: Placement) -> tuple[str, ...]:
    counts = (one.transaction_clients, one.session_clients, one.past, one.backends, one.waiting)
    return (one.service, one.lane, *map(str, counts), f"{one.longest_wait:.1f} s")


def as_json(settings: Settings, sample: Sample) -> str:
    """The same for scripts."""
    return json.dumps(
        {
            "poolers": sample.poolers,
            "services": [
                asdict(one) | {"bypasses": one.bypasses, "next": one.next_step}
                for one in place(settings, sample)
            ],
            "connections": [asdict(one) for one in places(settings, sample)],
            "warnings": warnings(settings, sample),
            "least_privilege": least_privilege(settings, sample),
        },
        indent=2,
    )
