"""What can be deployed and should still be known, from the configuration alone."""

from __future__ import annotations

import ipaddress

from components.budget import Budget, overcommitment
from components.dialects import DIALECTS
from components.settings import Lane, Settings


def warnings(settings: Settings, budget: Budget) -> list[str]:
    """What can be deployed and should still be known; one sentence each."""
    found = []
    if budget.overcommitted:
        found.append(f"budget: {overcommitment(budget)}")
    pooled = [name for name, service in settings.services.items() if service.route is not Lane.DIRECT]
    for user in settings.superusers:
        services = [name for name in pooled if settings.services[name].user == user]
        if services:
            found.append(
                f"superusers: {', '.join(services)} log in as the superuser {user}; "
                "a role with rights on their tables only would do"
            )
    found += [
        f"services.{name}: query_wait_timeout and max_clients hold on its own entry, the transaction lane, "
        "and its route is session"
        for name, service in settings.services.items()
        if service.route is Lane.SESSION and (service.query_wait_timeout or service.max_clients)
    ]
    found += [
        f"services.{name}: {service.driver.value} on the {service.route.value} lane needs {left_out.what}, "
        f"which its DSN cannot carry: {left_out.reason}"
        for name, service in settings.services.items()
        for left_out in DIALECTS[service.driver].left_out
        if left_out.breaks and service.route in left_out.lanes
    ]
    if settings.ports:
        found.append(
            f"ports: {', '.join(settings.ports)} can be held by one container only, so an image upgrade cannot "
            "overlap: clients are cut off until the new pooler answers"
        )
    if settings.adopts:
        found.append(
            f"adopts: container {settings.adopts} and this pooler both answer to {settings.alias} until the former is "
            "stopped; so long their backends add up"
        )
    timeout = settings.settings.get("transaction_timeout", "0")
    if timeout.isdigit() and int(timeout) > settings.destroy_grace_seconds:
        found.append(
            f"destroy_grace_seconds: {settings.destroy_grace_seconds} is less than transaction_timeout ({timeout}); "
            "a stopping pooler would cut transactions that are still allowed to run"
        )
    if settings.admin_sslmode == "disable" and not _stays_on_this_host(settings):
        found.append(
            f"admin_sslmode: the connection to {settings.admin_host} is not encrypted; "
            "use require unless it stays on this host"
        )
    return found


def _stays_on_this_host(settings: Settings) -> bool:
    """Loopback, or the address of a container on an engine of this host."""
    if settings.admin_host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(settings.admin_host)
    except ValueError:
        return False
    engine_is_local = not settings.docker_host or settings.docker_host.startswith("unix://")
    return address.is_loopback or (address.is_private and engine_is_local)
