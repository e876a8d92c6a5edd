"""What a running deployment has to be, as plain facts: the declared side of every verification. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components import ini
from components.budget import MONITOR_CONNECTIONS
from components.entries import divide
from components.floor import FLOOR
from components.lookup_text import lookup_body
from components.names import DeploymentNames
from components.password_file import pgpass_line
from components.role_statements import declared_settings
from components.settings import Lane, Settings

_SQL = Path(__file__).parent.parent / "sql"
_SCRIPTS = Path(__file__).parent / "scripts"

_AGAIN = (
    "the jobs put it back: "
    "pulumi up --replace '**-userlist' --replace '**-write' --replace '**-reload' --replace '**-verify'"
)
_REFRESH = "pulumi up --refresh puts back what the plugins see; for the rest see docs/verify.md"

OLDEST = ".".join(map(str, FLOOR))
"""The version that the pooler has at least, as text."""

CHECKS: dict[str, str] = {
    "version": f"name an image with {OLDEST} or later in `image`, and run the update again",
    "files": _AGAIN,
    "settings": 'make console STACK=… CMD="RELOAD" undoes a SET; where the files differ too, ' + _AGAIN,
    "databases": 'make console STACK=… CMD="RELOAD"; where the files differ too, ' + _AGAIN,
    "users": 'make console STACK=… CMD="RELOAD"; where the files differ too, ' + _AGAIN,
    "restart-only": "only a new process takes it: pulumi up --replace '**-pooler'",
    "alias": "docker network connect, or pulumi up --replace '**-pooler'",
    "backends": "see `make cutover STACK=…` and SHOW SERVERS for whose they are; "
    "the checks above say if a size was changed",
    "function": _REFRESH,
    "grants": _REFRESH,
    "roles": _REFRESH,
    "members": _REFRESH,
    "service roles": "ALTER ROLE … by its owner; a superuser gets in only where `superusers` names it",
    "role defaults": "pulumi up --replace '**-role-settings'",
    "check interval": "pulumi up --replace '**-check-interval*': without it the cap does not hold",
    "server": "correct max_connections or reserved_connections to what the server has, or the server",
    "refusals": _AGAIN,
    "logins": "compare the role's password with passwords.USER of the stack, and its route with the entries above",
    "prepared": "max_prepared_statements has to be above 0; see the settings above",
}
"""Check → what to do on a miss. The order is that of the table."""

POOLER = "pooler"
"""Stands for the address of the verified container where a login goes through it."""

NOBODY = "pgbouncer_stack_nobody"
"""Beginning of a role name that no lookup may answer for; the script adds what is new each time."""

_NOT_SET = "-"
"""An empty field would be lost between two tabs."""


@dataclass(frozen=True)
class Login:
    """A service that logs in with its password, by the lane of its route."""

    service: str
    user: str
    host: str
    port: int
    database: str
    backends: int
    """2 where its statements can meet two backends, else 1."""
    read_only: bool | None
    """As declared; None is whatever the role has."""


def declared(settings: Settings, userlist: str, *, during_update: bool) -> str:
    """The file `declared`: everything that is compared. Of the secret userlist it holds only a hash.

    `during_update`: roles and memberships that an update removes at its end are still there.
    """
    return render(settings, digest_of(userlist), during_update=during_update)


def staged(settings: Settings) -> dict[str, str]:
    """File name → text of what the verification reads besides. Nothing of it is secret."""
    return {
        "pgbouncer.ini": ini.render_ini(settings),
        "pg_hba.conf": ini.render_hba(settings),
        "restart_only": ini.render_restart_only(settings),
        **{
            name: (folder / name).read_text(encoding="utf-8")
            for folder, name in (
                (_SQL, "verify_catalog.sql"),
                (_SQL, "verify_login.sql"),
                (_SCRIPTS, "verify_table.awk"),
            )
        },
    }


def secret_files(settings: Settings) -> dict[str, str]:
    """File name → password file of the admin and of the services. Secret."""
    known = [(user, password.get_secret_value()) for user, password in settings.passwords.items()]
    return {
        "admin.pgpass": pgpass_line(settings.admin_password.get_secret_value()),
        "services.pgpass": "# passwords of services\n"
        + "".join(pgpass_line(text, user) for user, text in known),
    }


def render(settings: Settings, userlist_hash: str, *, during_update: bool) -> str:
    """Tab-separated lines; what they mean is in scripts/verify.sh. `userlist_hash`: as `digest_of` gives it."""
    rows: list[tuple[str, ...]] = [("check", name, to_do) for name, to_do in CHECKS.items()]
    rows += [("fact", *fact) for fact in _facts(settings, userlist_hash)]
    rows += [("may", *tolerated) for tolerated in _tolerated(settings, during_update=during_update)]
    for login in logins(settings):
        read_only = _NOT_SET if login.read_only is None else ("on" if login.read_only else "off")
        target = (login.host, str(login.port), login.database, str(login.backends), read_only)
        rows.append(("login", login.service, login.user, *target))
    rows += [
        ("note", "logins", name, f"the stack knows no password of {service.user}")
        for name, service in settings.services.items()
        if service.user not in settings.passwords
    ]
    return "".join("\t".join(row) + "\n" for row in rows)


def arguments(settings: Settings) -> list[str]:
    """What the script gets beside the container's id: the database, and psql variables of the catalog checks."""
    names = settings.names
    pooled = [s.user for s in settings.services.values() if s.route is not Lane.DIRECT]
    variables = {
        "schema": names.schema,
        "ours": json.dumps(
            [*names.auth_roles, names.services_group, names.superusers_group, names.monitor_role]
        ),
        "groups": json.dumps([names.services_group, names.superusers_group]),
        "auth_role": names.auth_role(settings.rotation),
        "users": json.dumps(list(settings.users())),
        "pooled": json.dumps(sorted(set(pooled) - set(settings.superusers))),
        "cap": str(settings.max_backends),
    }
    server = [settings.database_host, str(settings.database_port), settings.database, settings.admin_user]
    pooler = [settings.alias, str(settings.port), names.transaction_entry, names.auth_entry]
    return [
        *server,
        *pooler,
        next(iter(pooled), _NOT_SET),
        NOBODY,
        *(f"{name}={value}" for name, value in variables.items()),
    ]


def logins(settings: Settings) -> list[Login]:
    """One for each service whose password is known, in the order of the configuration."""
    entries = divide(settings)
    sizes = {entry.name: entry.pool_size for entry in entries.entries}
    found = []
    for name, service in settings.services.items():
        if service.user not in settings.passwords:
            continue
        if service.route is Lane.DIRECT:
            host, port, database = settings.database_host, settings.database_port, settings.dbname(service)
        else:
            host, port = POOLER, settings.port
            database = entries.of(settings, name)[service.route]
        backends = min(2, sizes[database]) if service.route is Lane.TRANSACTION else 1
        found.append(Login(name, service.user, host, port, database, backends, service.read_only))
    return found


def digest_of(text: str) -> str:
    """First 16 hex digits of SHA-256: how files and the function's body are compared."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _facts(settings: Settings, userlist_hash: str) -> Iterator[tuple[str, str, str]]:
    """(check, subject, value)."""
    names = settings.names
    yield "version", "PgBouncer", f"at least {OLDEST}"
    yield "files", "pgbouncer.ini", digest_of(ini.render_ini(settings))
    yield "files", "pg_hba.conf", digest_of(ini.render_hba(settings))
    yield "files", "userlist.txt", userlist_hash
    for key in ("listen_addr", "listen_port"):
        yield "restart-only", key, ini.restart_only(settings)[key]
    yield "alias", settings.alias, "leads to the pooler"
    for where in ("of the pooler", "in Postgres"):
        yield "backends", where, f"at most {settings.max_backends}"
    yield from _lookup(settings, names)
    yield from _roles(settings, names)
    for user, database, name, value in declared_settings(settings):
        yield "role defaults", f"{user} in {database}: {name}", value
    for database in settings.dbnames():
        yield "check interval", database, str(ini.CHECK_INTERVAL_MS)
    yield "server", "max_connections", str(settings.max_connections)
    yield "server", "reserved connections", str(settings.reserved_connections)
    yield "refusals", f"{names.auth_role(settings.rotation)} as a client", "login rejected"
    if any(service.route is not Lane.DIRECT for service in settings.services.values()):
        yield "refusals", f"a service on the entry {names.auth_entry}", "login rejected"
    yield "refusals", "the console from the network", "not allowed"
    yield "refusals", "a role that no service names", "no such user"
    for login in logins(settings):
        yield "logins", login.service, f"{login.user}, reads and writes as declared"
        where = "two backends" if login.backends > 1 else "one backend only"
        yield "prepared", login.service, f"six times on {where}"


def _lookup(settings: Settings, names: DeploymentNames) -> Iterator[tuple[str, str, str]]:
    function = "user_lookup(i_username text)"
    yield "function", f"{function} body", digest_of(lookup_body(names).strip())
    yield "function", f"{function} owner", settings.admin_user
    yield "function", f"{function} security", "SECURITY DEFINER"
    yield "function", f"{function} returns", "TABLE(uname text, phash text), sql, STABLE"
    yield "function", f"{function} settings", "none"
    yield "function", f"schema {names.schema} owner", settings.admin_user
    role = names.auth_role(settings.rotation)
    yield "grants", f"{function}: {settings.admin_user}", "EXECUTE"
    yield "grants", f"{function}: {role}", "EXECUTE"
    yield "grants", f"schema {names.schema}: {settings.admin_user}", "CREATE USAGE"
    yield "grants", f"schema {names.schema}: {role}", "USAGE"
    yield "grants", f"{role} elsewhere", "nothing"


def _roles(settings: Settings, names: DeploymentNames) -> Iterator[tuple[str, str, str]]:
    yield "roles", names.auth_role(settings.rotation), "LOGIN"
    for group in (names.services_group, names.superusers_group):
        yield "roles", group, "NOLOGIN"
    if settings.reads_postgres:
        yield "roles", names.monitor_role, f"LOGIN CONNECTION LIMIT {MONITOR_CONNECTIONS}"
        yield "roles", f"{names.monitor_role} in pg_monitor", "member"
    for user in settings.users():
        yield "members", f"{user} in {names.services_group}", "member"
    for user in settings.superusers:
        yield "members", f"{user} in {names.superusers_group}", "member"
    pooled = {s.user for s in settings.services.values() if s.route is not Lane.DIRECT}
    for user in sorted(pooled - set(settings.superusers)):
        yield "service roles", user, "may log in, no superuser"


def _tolerated(settings: Settings, *, during_update: bool) -> Iterator[tuple[str, str]]:
    """(check, subject) of what may be there without being declared; * is every subject."""
    yield "users", "*"  # those that the lookup has found
    yield "role defaults", "*"  # the team's own
    yield "check interval", "*"
    if during_update:
        names = settings.names
        other = names.auth_role(settings.rotation + 1)
        yield "roles", other
        yield "grants", f"user_lookup(i_username text): {other}"
        yield "grants", f"schema {names.schema}: {other}"
        yield "members", "*"
        yield "roles", names.monitor_role
        yield "roles", f"{names.monitor_role} in pg_monitor"
