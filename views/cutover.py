"""`make cutover`: every service, its lane, where its connections really are, and what to do next."""

from __future__ import annotations

import json
from dataclasses import asdict

from components.settings import Settings
from toolchain.report import table
from views.placement import owner, past, place
from views.sample import Sample

HEADER = ("SERVICE", "LANE", "TRANS", "SESSION", "PAST", "BACKENDS", "WAITING", "LONGEST")


def warnings(settings: Settings, sample: Sample) -> list[str]:
    """One sentence each: lanes that are bypassed, connections that nobody owns, superusers."""
    placements = place(settings, sample)
    found = [f"{one.service}: {one.next_step}" for one in placements if one.bypasses]
    for user, application, address, number in past(settings, sample):
        if owner(settings, user, application) is None:
            called = f"application_name {application}" if application else "no application_name"
            found.append(f"{user}: {number} from {address} with {called} belong to no service by name")
    for user in sorted(sample.superusers):
        services = ", ".join(one.service for one in placements if one.user == user)
        found.append(f"{user} is a superuser, used by {services};")
        found.append("  a role of its own for each, with these grants, would do:")
        found += [f"  {line}" for line in grants(settings)]
    return found


def grants(settings: Settings) -> list[str]:
    """What a service needs that reads and writes rows; `schema` and `role` are the reader's to fill in."""
    return [
        "CREATE ROLE role LOGIN;  -- then its password with \\password",
        f'GRANT CONNECT ON DATABASE "{settings.database}" TO role;',
        "GRANT USAGE ON SCHEMA schema TO role;",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA schema TO role;",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA schema TO role;",
    ]


def as_text(settings: Settings, sample: Sample) -> str:
    """The table, who comes past the pooler, warnings, next steps."""
    placements = place(settings, sample)
    rows = [
        (
            one.service,
            one.lane,
            *(str(n) for n in (one.transaction_clients, one.session_clients, one.past, one.backends,
                               one.waiting)),
            f"{one.longest_wait:.1f} s",
        )
        for one in placements
    ]  # fmt: skip
    parts = [table(HEADER, rows)]
    if where := past(settings, sample):
        shown = [(user, name or "-", address, str(number)) for user, name, address, number in where]
        parts.append("Past the pooler:\n" + table(("ROLE", "APPLICATION", "ADDRESS", "CONNECTIONS"), shown))
    if found := warnings(settings, sample):
        parts.append("Warnings:\n" + "\n".join(f"  {line}" for line in found))
    parts.append(
        "Next:\n" + table(("", ""), [(one.service, one.next_step) for one in placements]).lstrip("\n")
    )
    return "\n\n".join(parts)


def as_json(settings: Settings, sample: Sample) -> str:
    """The same for scripts."""
    return json.dumps(
        {
            "poolers": sample.poolers,
            "services": [
                asdict(one) | {"bypasses": one.bypasses, "next": one.next_step}
                for one in place(settings, sample)
            ],
            "past": [
                {"role": user, "application": name, "address": address, "connections": number}
                for user, name, address, number in past(settings, sample)
            ],
            "warnings": warnings(settings, sample),
        },
        indent=2,
    )
