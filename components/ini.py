"""Text of pgbouncer.ini, pg_hba.conf and userlist.txt. Same settings, same bytes."""

from __future__ import annotations

import hashlib
import re

from components.entries import Entry, divide
from components.ini_keys import RESTART_ONLY_KEYS
from components.names import KEY_CHARACTERS
from components.role_statements import role_statements
from components.settings import Settings

LIVE = "/config/live"
"""Link to the promoted folder on the config volume."""

RUN = "/run/pgb"
"""The run volume: one folder per socket slot."""

SLOTS = (1, 2, 3)
"""Two for an overlap; the third lets a fixed image start while one that never got ready still holds a slot."""

CHECK_INTERVAL_MS = 20
"""`client_connection_check_interval`: a cap of 5 peaked at 8 with 500 ms, 7 with 100 and 5 with 20 (measured).

With 30 a cap of 10 was once seen at 11, on a machine whose two cores were busy with other work.
"""

HEADER = "; Generated from the Pulumi stack; edits on the volume are found and undone.\n"

_KEEP_CHECK = f"SET client_connection_check_interval = {CHECK_INTERVAL_MS}"

# DISCARD ALL in its documented parts, so that the check interval can be set again in the same message.
_RESET = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
    "SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES; "
    + _KEEP_CHECK
)

_DEFAULTS: dict[str, tuple[str, str]] = {
    "dns_max_ttl": ("2", "a database that comes back on a new address is found within seconds"),
    "dns_nxdomain_ttl": ("1", "as dns_max_ttl, for a name that was gone"),
    "ignore_startup_parameters": (
        "extra_float_digits,options,statement_timeout,idle_in_transaction_session_timeout,search_path",
        "drivers send these at connect; pinned on the role they hold, but for what PgBouncer tracks (read-only)",
    ),
    "log_connections": ("0", "ten services reconnect all day; SHOW CLIENTS lists them"),
    "log_disconnections": ("0", "as log_connections"),
    "max_prepared_statements": ("200", "protocol-level prepared statements work on the transaction lane"),
    "query_wait_timeout": ("20", "a client that waits longer gets an error in place of a hang"),
    "server_connect_timeout": ("3", "a dead address is given up soon"),
    "server_idle_timeout": ("60", "idle backends go back to the server"),
    "server_login_retry": ("1", "a restarted database is back in about a second, not 15"),
    "tcp_keepcnt": ("3", "dead peers are found in about 45 s"),
    "tcp_keepidle": ("30", "as tcp_keepcnt"),
    "tcp_keepintvl": ("5", "as tcp_keepcnt"),
    "tcp_user_timeout": ("5000", "milliseconds until a database that drops packets is given up"),
}
"""Setting → (value, reason). `settings` in the stack overrides the values."""


def render_ini(settings: Settings) -> str:
    """The reloadable configuration; the start script includes it and adds the slot's own lines after it.

    [pgbouncer] stands last because lines after an include land in the section that was open (measured on 1.26.1).
    """
    divided = divide(settings)
    sections = [HEADER]
    sections.append("[databases]\n; max_db_connections on every entry, no * entry: the cap is their sum\n")
    sections += [_database_line(settings, entry) for entry in sorted(divided.entries, key=lambda e: e.name)]
    sections.append("\n[peers]\n; a cancel that reaches the other process of an overlap is passed on\n")
    sections += [f"{slot} = host={RUN}/{slot} port={settings.port}\n" for slot in SLOTS]
    sections.append("\n[pgbouncer]\n")
    reasons = {key: reason for key, (_, reason) in _DEFAULTS.items()} | _FORCED_REASONS
    for key, value in sorted(reloadable(settings).items()):
        if key in reasons:
            sections.append(f"; {reasons[key]}\n")
        sections.append(f"{key} = {value}\n")
    return "".join(sections)


def reloadable(settings: Settings) -> dict[str, str]:
    """[pgbouncer] settings that a RELOAD applies: defaults, then the stack's, then what the design needs."""
    defaults = {key: value for key, (value, _) in _DEFAULTS.items()}
    free = {key: value for key, value in settings.settings.items() if key not in RESTART_ONLY_KEYS}
    return defaults | free | _forced(settings)


def restart_only(settings: Settings) -> dict[str, str]:
    """[pgbouncer] settings that need a new process; part of the container's definition, so they replace it."""
    free = {key: value for key, value in settings.settings.items() if key in RESTART_ONLY_KEYS}
    return free | {"listen_addr": "*", "listen_port": str(settings.port)}


def render_restart_only(settings: Settings) -> str:
    """Bare `key = value` lines that the start script appends after the include."""
    return "".join(f"{key} = {value}\n" for key, value in sorted(restart_only(settings).items()))


_FORCED_REASONS = {
    "auth_dbname": "lookups have an entry of their own, so they neither starve nor are starved",
    "auth_type": "services log in with SCRAM pass-through; HBA closes console and lookups",
    "max_client_conn": "clients are cheap; backends are not",
    "stats_users": "the exporter may SHOW, nothing else; HBA lets it into the console and nowhere else",
    "server_reset_query": "DISCARD ALL in parts, then the check interval that keeps the cap, which it would undo",
}


def _forced(settings: Settings) -> dict[str, str]:
    names = settings.names
    statistics = {"stats_users": names.stats_user} if settings.metrics else {}
    return statistics | {
        "auth_dbname": names.auth_entry,
        "auth_file": f"{LIVE}/userlist.txt",
        "auth_hba_file": f"{LIVE}/pg_hba.conf",
        "auth_query": f"SELECT uname, phash FROM {names.schema}.user_lookup($1)",  # noqa: S608 names are validated words
        "auth_type": "hba",
        "auth_user": names.auth_role(settings.rotation),
        "max_client_conn": str(settings.limits.max_client_conn),
        "pool_mode": "transaction",
        "server_reset_query": _RESET,
    }


def _database_line(settings: Settings, entry: Entry) -> str:
    fields = {
        "host": settings.database_host,
        "port": str(settings.database_port),
        "dbname": entry.dbname or settings.database,
        "pool_mode": entry.pool_mode,
        "pool_size": str(entry.pool_size),
        "max_db_connections": str(entry.max_db_connections),
    }
    if entry.query_wait_timeout is not None:
        fields["query_wait_timeout"] = str(entry.query_wait_timeout)
    if entry.max_clients is not None:
        fields["max_db_client_connections"] = str(entry.max_clients)
    fields["connect_query"] = _connect_query(settings, entry)
    return f"{entry.name} = {' '.join(f'{key}={_quoted(value)}' for key, value in fields.items())}\n"


def _connect_query(settings: Settings, entry: Entry) -> str:
    """The check interval; and a mark of what the entry's backends took over when they connected.

    A changed text makes PgBouncer recycle them, which would else keep the old state for an hour: the settings of
    their roles in that database or, for the lookups, a role that has since been dropped. The two auth roles take
    turns, so without the mark the second rotation in a row would find idle backends of its role's dropped namesake,
    and a login would be met by `bouncer config error` (measured on 1.26.1).
    """
    if entry.name == settings.names.auth_entry:
        return f"{_KEEP_CHECK} /* rotation {settings.rotation} */"
    statements = role_statements(settings, entry.dbname or settings.database)
    if not statements:
        return _KEEP_CHECK
    mark = hashlib.sha256(statements.encode()).hexdigest()[:8]
    return f"{_KEEP_CHECK} /* role settings {mark} */"


def _quoted(value: str) -> str:
    """Plain words as they are, all else in single quotes with quotes doubled (pgbouncer.ini(5))."""
    return (
        value
        if KEY_CHARACTERS.fullmatch(value) or re.fullmatch(r"[0-9A-Fa-f:.]+", value)
        else _in_quotes(value)
    )


def _in_quotes(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_STATISTICS_HBA = """\
# the exporter reads statistics, as a user who may only SHOW
host pgbouncer "{user}" all scram-sha-256
host all "{user}" all reject"""


def render_hba(settings: Settings) -> str:
    """Who may log in from the network: services by SCRAM; nobody to the console, the lookups or as an auth role."""
    names = settings.names
    lines = [
        "# Generated from the Pulumi stack.",
        *(_STATISTICS_HBA.format(user=names.stats_user).splitlines() if settings.metrics else ()),
        "# the console is for the socket inside the container only",
        "host pgbouncer all all reject",
        "# a service on the lookup entry could take its backends and stop all logins",
        f"host {names.auth_entry} all all reject",
        "# the lookup roles are no clients",
        *(f'host all "{role}" all reject' for role in names.auth_roles),
        "# everybody else proves a password that the lookup knows",
        "host all all all scram-sha-256",
    ]
    return "\n".join(lines) + "\n"


def render_userlist(settings: Settings, auth_password: str, stats_verifier: str | None = None) -> str:
    """The one line PgBouncer needs in clear: a verifier cannot log in to a SCRAM server (measured). Secret.

    `stats_verifier`: of the user who reads statistics, for whom a verifier will do; None without one.
    """
    role = settings.names.auth_role(settings.rotation)
    lines = [f'"{role}" "{auth_password.replace(chr(34), chr(34) * 2)}"\n']
    if stats_verifier is not None:
        lines.append(f'"{settings.names.stats_user}" "{stats_verifier}"\n')
    return "".join(lines)
