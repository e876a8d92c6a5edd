"""Stack outputs: DSNs as secrets, and in clear what a reviewer should see, made from the configuration alone."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components import ini
from components.budget import Budget
from components.dsn import MASK, lanes
from components.settings import Settings

WHO = "(who reconnects)"
"""Beside the settings of `reloadable` and `restart_only`; a preview prints it with any of them that changes."""


def plain(settings: Settings, budget: Budget) -> Mapping[str, object]:
    """What a preview shows: routes, DSNs without passwords, budget, files, and which settings reload or replace."""
    return {
        "routes": {name: service.route.value for name, service in settings.services.items()},
        "masked_dsns": masked_dsns(settings),
        "users_without_password": sorted(set(settings.users()) - set(settings.passwords)),
        "budget": budget.table(),
        "pgbouncer_ini": ini.render_ini(settings),
        "pg_hba": ini.render_hba(settings),
        "reloadable": {WHO: "nobody"} | ini.reloadable(settings),
        "restart_only": {WHO: reconnecting(settings)}
        | ini.restart_only(settings)
        | container_settings(settings),
    }


def reconnecting(settings: Settings) -> str:
    """Who notices a replaced container; a preview shows it beside the key that replaces it."""
    if settings.ports:
        return "everybody, and until the new container answers nobody gets in: a published port allows no overlap"
    return (
        "transaction lane: each client once, between two transactions; "
        f"session lane: who has not left after {settings.destroy_grace_seconds} s"
    )


def container_settings(settings: Settings) -> dict[str, str]:
    """Keys of the stack that belong to the container: a change replaces it, with an overlap."""
    limits = settings.limits
    return {
        "image": settings.image,
        "limits.memory_mb": str(limits.memory_mb),
        "limits.cpus": str(limits.cpus),
        "limits.nofile": str(limits.nofile),
        "network": settings.network,
        "alias": settings.alias,
        "ports": ", ".join(settings.ports),
        "run_as": settings.run_as,
        "drain_seconds": str(settings.drain_seconds),
    }


def masked_dsns(settings: Settings) -> dict[str, str]:
    """Service → DSN of its route, rendered with a mask for its password: no password is near this text."""
    return {
        name: lanes(settings, name, MASK if service.user in settings.passwords else None)[service.route]
        for name, service in settings.services.items()
    }


def connection_strings(settings: Settings) -> dict[str, dict[str, str]]:
    """Service → lane → DSN, passwords included where the stack knows them. Secret."""
    found = {}
    for name, service in settings.services.items():
        known = settings.passwords.get(service.user)
        password = None if known is None else known.get_secret_value()
        found[name] = {lane.value: text for lane, text in lanes(settings, name, password).items()}
    return found


def export(settings: Settings, budget: Budget) -> None:
    """Export every output of the stack."""
    strings = connection_strings(settings)
    for name, service in settings.services.items():
        pulumi.export(f"{name}_dsn", pulumi.Output.secret(strings[name][service.route.value]))
    pulumi.export("lanes", pulumi.Output.secret(strings))
    for key, value in plain(settings, budget).items():
        pulumi.export(key, value)
