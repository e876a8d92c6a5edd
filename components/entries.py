"""The [databases] entries: how `max_backends` is divided so that the cap holds.

Pools of PgBouncer are per (user, database), so only `max_db_connections` on every entry, in sum within the cap,
bounds the backends: 8 users × 15 clients opened 97 of them without (measured).
"""

from __future__ import annotations

from dataclasses import dataclass

from components.routes import session_name
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
    dbname: str = ""
    """Name on the server; empty is the stack's own database."""
    query_wait_timeout: int | None = None
    """Seconds; None is the pooler's setting."""
    max_clients: int | None = None
    """Clients; None is no limit of its own."""


@dataclass(frozen=True)
class Entries:
    """All lines of [databases], and who uses which."""

    entries: tuple[Entry, ...]
    own: dict[str, str]
    """service → name of its own entry, for services that have one."""

    def of(self, settings: Settings, service: str) -> dict[Lane, str]:
        """Entries of a service by pooled lane; without the session lane where its database has none."""
        body, names = settings.services[service], settings.names
        shared = body.database or names.transaction_entry
        found = {Lane.TRANSACTION: self.own.get(service, shared)}
        if not body.database:
            found[Lane.SESSION] = names.session_entry
        elif settings.databases[body.database].session_backends:
            found[Lane.SESSION] = session_name(body.database)
        return found


def divide(settings: Settings) -> Entries:
    """Divide `max_backends` into entries; raises SettingsError with the smallest change when it does not fit."""
    own = {name: service for name, service in settings.services.items() if service.pool_size is not None}
    for name, service in own.items():
        if _size(service) > settings.max_backends:
            raise SettingsError(
                f"services.{name}.pool_size: {service.pool_size} is more than max_backends ({settings.max_backends}); "
                "lower it, or raise max_backends within max_connections"
            )
    sharing = _users_sharing(settings, "")
    fixed = AUTH_BACKENDS + KEPT_BACK + settings.session_backends
    fixed += sum(body.backends + body.session_backends for body in settings.databases.values())
    fixed += sum(map(_size, own.values()))
    needed = fixed + max(1, len(sharing))
    if needed > settings.max_backends:
        raise SettingsError(_too_small(settings, own, sharing, needed))
    shared = settings.max_backends - fixed
    names = settings.names
    entries = [
        Entry(names.transaction_entry, "transaction", max(1, shared // max(1, len(sharing))), shared),
        Entry(names.session_entry, "session", settings.session_backends, settings.session_backends),
        Entry(names.auth_entry, "transaction", AUTH_BACKENDS, AUTH_BACKENDS),
        *_further_databases(settings),
    ]
    entries += [
        Entry(
            name,
            "transaction",
            _size(service),
            _size(service),
            settings.dbname(service) if service.database else "",
            service.query_wait_timeout,
            service.max_clients,
        )
        for name, service in own.items()
    ]
    return Entries(tuple(entries), {name: name for name in own})


def _size(service: Service) -> int:
    return service.pool_size or 0


def _further_databases(settings: Settings) -> list[Entry]:
    """Both lanes of each of the `databases`; raises SettingsError when its users are more than its backends."""
    found = []
    for name, body in settings.databases.items():
        users = len(_users_sharing(settings, name))
        if users > body.backends:
            raise SettingsError(
                f"databases.{name}.backends: {body.backends} is less than one for each of the {users} users on its "
                f"transaction lane; raise it to {users}"
            )
        size = body.backends // max(1, users)
        found.append(Entry(name, "transaction", size, body.backends, body.dbname))
        if body.session_backends:
            session = body.session_backends
            found.append(Entry(session_name(name), "session", session, session, body.dbname))
    return found


def _users_sharing(settings: Settings, database: str) -> tuple[str, ...]:
    """Users on the shared transaction entry of a database."""
    return tuple(
        dict.fromkeys(
            service.user
            for service in settings.services.values()
            if service.route is Lane.TRANSACTION
            and service.pool_size is None
            and service.database == database
        )
    )


def _too_small(settings: Settings, own: dict[str, Service], sharing: tuple[str, ...], needed: int) -> str:
    parts = [
        f"{AUTH_BACKENDS} for lookups",
        f"{KEPT_BACK} kept back",
        f"{settings.session_backends} session lane",
    ]
    parts += [
        f"{body.backends + body.session_backends} databases.{name}"
        for name, body in settings.databases.items()
    ]
    parts += [f"{service.pool_size} {name}" for name, service in own.items()]
    parts += [f"1 for each of {len(sharing)} other users"] if sharing else ["1 the shared entry"]
    keys = "services.*.pool_size or session_backends" + (" or databases.*" if settings.databases else "")
    return (
        f"max_backends: {settings.max_backends} is less than the pools need ({needed}: {', '.join(parts)}); "
        f"lower {keys} by {needed - settings.max_backends}, "
        f"or raise max_backends to {needed}"
    )
