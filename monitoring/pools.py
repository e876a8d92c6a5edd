"""Which pools of PgBouncer belong to which services: it counts by entry and user, not by service."""

from __future__ import annotations

from dataclasses import dataclass

from components.entries import divide
from components.settings import Lane, Settings


@dataclass(frozen=True)
class Pool:
    """Clients of one user on one entry, and the services whose routes lead there."""

    entry: str
    user: str
    services: tuple[str, ...]

    @property
    def title(self) -> str:
        """For a legend; services that share user and entry cannot be told apart."""
        return ", ".join(self.services)


def pools(settings: Settings) -> tuple[Pool, ...]:
    """Pools of all services that are on a pooled lane, in the order of the configuration."""
    entries = divide(settings)
    found: dict[tuple[str, str], list[str]] = {}
    for name, service in settings.services.items():
        if service.route is not Lane.DIRECT:
            entry = entries.of(settings, name)[service.route]
            found.setdefault((entry, service.user), []).append(name)
    return tuple(Pool(entry, user, tuple(services)) for (entry, user), services in found.items())


def services_on(settings: Settings, entry: str) -> str:
    """Names of the services on an entry, for a legend."""
    return ", ".join(pool.title for pool in pools(settings) if pool.entry == entry)


def allowed_past_the_pooler(settings: Settings, user: str) -> int:
    """Connections that a user may open at Postgres itself, as the configuration declares them."""
    direct = sum(
        service.direct_connections
        for service in settings.services.values()
        if service.user == user and service.route is Lane.DIRECT
    )
    return direct + (settings.deployment_connections if user == settings.admin_user else 0)
