"""The [databases] entries and per-user pools: how `max_backends` is divided so that the cap holds.

Pools of PgBouncer are per (user, database), so only `max_db_connections` on every entry, in sum within the cap,
bounds the backends: 8 users × 15 clients opened 97 of them without (measured).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from components.names import KEY_CHARACTERS
from components.settings import Lane, Service, Settings, SettingsError

AUTH_BACKENDS = 2
"""Backends for lookups: they run at every login and are never cached."""

KEPT_BACK = 2
"""Backends that outlive a client killed in mid-query, by one check interval; kept free under the cap."""


@dataclass(frozen=True)
class Entry:
    """One line of [databases]. Sizes in backends."""

    name: str
    pool_mode: str
    pool_size: int
    max_db_connections: int


@dataclass(frozen=True)
class Entries:
    """All lines of [databases], and the pool sizes that belong to a user."""

    entries: tuple[Entry, ...]
    user_pool_sizes: dict[str, int]
    own: dict[str, str]
    """service → name of its own entry, for services that have one."""


def divide(settings: Settings) -> Entries:
    """Divide `max_backends` into entries; raises SettingsError with the smallest change when it does not fit."""
    own = {
        name: service.pool_size
        for name, service in settings.services.items()
        if service.pool_size is not None and not _can_be_sized_by_user(settings, service)
    }
    by_user = {
        service.user: service.pool_size
        for service in settings.services.values()
        if service.pool_size is not None and _can_be_sized_by_user(settings, service)
    }
    for name, service in settings.services.items():
        if service.pool_size is not None and service.pool_size > settings.max_backends:
            raise SettingsError(
                f"services.{name}.pool_size: {service.pool_size} is more than max_backends ({settings.max_backends}); "
                "lower it, or raise max_backends within max_connections"
            )
    sharing = _users_sharing(settings, own, by_user)
    fixed = AUTH_BACKENDS + KEPT_BACK + settings.session_backends + sum(own.values())
    needed = fixed + max(1, sum(by_user.values()) + len(sharing))
    if needed > settings.max_backends:
        raise SettingsError(_too_small(settings, own, by_user, sharing, needed))
    shared = settings.max_backends - fixed
    names = settings.names
    entries = [
        Entry(
            names.transaction_entry,
            "transaction",
            max(1, (shared - sum(by_user.values())) // max(1, len(sharing))),
            shared,
        ),
        Entry(names.session_entry, "session", settings.session_backends, settings.session_backends),
        Entry(names.auth_entry, "transaction", AUTH_BACKENDS, AUTH_BACKENDS),
    ]
    entries += [Entry(name, "transaction", size, size) for name, size in own.items()]
    return Entries(tuple(entries), by_user, {name: name for name in own})


def _can_be_sized_by_user(settings: Settings, service: Service) -> bool:
    """`pool_size` in [users] belongs to the user: it fits a service that shares the user with no other."""
    sharers = Counter(other.user for other in settings.services.values())[service.user]
    return sharers == 1 and KEY_CHARACTERS.fullmatch(service.user) is not None


def _users_sharing(settings: Settings, own: dict[str, int], by_user: dict[str, int]) -> tuple[str, ...]:
    """Users on the shared transaction entry without a size of their own."""
    return tuple(
        dict.fromkeys(
            service.user
            for name, service in settings.services.items()
            if service.route is Lane.TRANSACTION and name not in own and service.user not in by_user
        )
    )


def _too_small(
    settings: Settings, own: dict[str, int], by_user: dict[str, int], sharing: tuple[str, ...], needed: int
) -> str:
    parts = [
        f"{AUTH_BACKENDS} for lookups",
        f"{KEPT_BACK} kept back",
        f"{settings.session_backends} session lane",
    ]
    parts += [f"{size} {name}" for name, size in (own | by_user).items()]
    parts += [f"1 for each of {len(sharing)} other users"] if sharing else []
    return (
        f"max_backends: {settings.max_backends} is less than the pools need ({needed}: {', '.join(parts)}); "
        f"lower services.*.pool_size or session_backends by {needed - settings.max_backends}, "
        f"or raise max_backends to {needed}"
    )
