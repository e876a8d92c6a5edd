"""Evidence of one service, asked of the live database."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import psycopg
from psycopg import sql

from components.preflight import OWN_APPLICATION
from components.settings import Settings
from toolchain.problem import Problem
from views import server_log
from views.database import Connection, query, statistics
from views.evidence import Evidence, Recorded, Role, Session, Statement, Table
from views.placement import owner
from views.statements import findings
from views.table_use import uses

LOOKS = 5
BETWEEN_LOOKS_SECONDS = 0.2


def collect(settings: Settings, service: str, pooler_addresses: frozenset[str]) -> Evidence:
    """Asks the service's database; a Problem when the role is missing or the statistics are not for us."""
    body = settings.services[service]
    database = settings.dbname(body)
    with statistics(settings, database) as connection:  # rights and temporary tables are per database
        oid, role = _role(connection, service, body.user)
        looks = _looks(connection, settings, service, database, pooler_addresses)
        recorded, missing = _recorded(connection, oid)
        log, why = server_log.read(
            connection, body.user, database, lambda name: owner(settings, body.user, name) in (None, service)
        )
        if log:
            recorded = (*recorded, log)
        elif missing:  # one of the two is enough
            missing = (*missing, ("the server's log", why))
        tables = _tables(connection, oid)
    return Evidence(
        service,
        body.user,
        database,
        tuple(
            name
            for name, other in settings.services.items()
            if name != service and other.user == body.user and settings.dbname(other) == database
        ),
        len(looks),
        _merged(looks),
        max(sum(one.busy for one in look) for look in looks),
        recorded,
        missing,
        role,
        tables,
    )


def _role(connection: Connection, service: str, user: str) -> tuple[int, Role]:
    row = connection.execute(query("role"), {"user": user}).fetchone()
    if row is None:
        raise Problem(
            f'services.{service}.user: role "{user}" does not exist on the server; create it or correct the name'
        )
    oid, superuser, replication, createdb, createrole, limit, may_connect, member_of, temporary = row
    flags = (bool(superuser), bool(replication), bool(createdb), bool(createrole))
    groups = tuple(str(name) for name in cast(list[object], member_of))
    return int(str(oid)), Role(*flags, int(str(limit)), bool(may_connect), groups, int(str(temporary)))


def _looks(
    connection: Connection, settings: Settings, service: str, database: str, pooler_addresses: frozenset[str]
) -> list[list[Session]]:
    """Several looks: a short statement is easily missed by one."""
    user, found = settings.services[service].user, []
    given = {"user": user, "database": database, "own": OWN_APPLICATION}
    for number in range(LOOKS):
        time.sleep(BETWEEN_LOOKS_SECONDS if number else 0)
        rows = connection.execute(query("role_sessions"), given).fetchall()
        sessions = [_session(row, settings, user, pooler_addresses) for row in rows]
        found.append([one for one in sessions if one.owner in (None, service)])
    return found


def _session(
    row: tuple[object, ...], settings: Settings, user: str, pooler_addresses: frozenset[str]
) -> Session:
    pid, application, address, replication, state, since, transaction, text, locks = row
    return Session(
        int(str(pid)),
        str(application),
        str(address),
        bool(replication),
        str(state),
        float(str(since)),
        None if transaction is None else float(str(transaction)),
        int(str(locks)),
        () if replication else findings(str(text)),  # a replication command is no SQL
        str(address) in pooler_addresses,
        owner(settings, user, str(application)),
    )


def _merged(looks: list[list[Session]]) -> tuple[Session, ...]:
    """Each session as it was last seen, with what all of its looks found."""
    found: dict[int, Session] = {}
    for session in (one for look in looks for one in look):
        before = found.get(session.pid)
        found[session.pid] = session if before is None else _with(before, session)
    return tuple(found.values())


def _with(before: Session, now: Session) -> Session:
    read = [one.findings for one in (before, now) if one.findings is not None]
    together = tuple(dict.fromkeys(finding for findings in read for finding in findings)) if read else None
    return replace(now, findings=together, advisory_locks=max(before.advisory_locks, now.advisory_locks))


def _recorded(connection: Connection, role: int) -> tuple[tuple[Recorded, ...], tuple[tuple[str, str], ...]]:
    row = connection.execute(query("recording")).fetchone()
    schema, libraries, track, utility = row or (None, None, None, None)
    loaded = [name.strip(' "') for name in str(libraries or "").split(",") if name.strip(' "')]
    if absent := how_to_record(schema is not None, loaded):
        return (), (("pg_stat_statements", absent),)
    view = sql.Identifier(str(schema), "pg_stat_statements")
    info = sql.Identifier(str(schema), "pg_stat_statements_info")
    try:
        rows = connection.execute(sql.SQL(query("recorded")).format(view=view), {"role": role}).fetchall()
        since = connection.execute(sql.SQL(query("recorded_since")).format(view=info)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return (), (
            ("pg_stat_statements", "too old to be read; run ALTER EXTENSION pg_stat_statements UPDATE"),
        )
    seconds, dropped = since or (None, 0)
    gaps = []
    if track == "none":
        gaps.append("pg_stat_statements.track is none: nothing is recorded")
    if utility == "off":
        gaps.append(
            "pg_stat_statements.track_utility is off: LISTEN, SET and temporary tables are not recorded"
        )
    if dropped:
        gaps.append(f"pg_stat_statements has dropped {dropped} entries; raise pg_stat_statements.max")
    statements = tuple(
        Statement(
            int(str(calls)), float(str(longest)), float(str(total)), findings(str(text)), uses(str(text))
        )
        for text, calls, longest, total in rows
    )
    past = None if seconds is None else float(str(seconds))
    return (Recorded("pg_stat_statements", statements, past, tuple(gaps)),), ()


def how_to_record(installed: bool, loaded: list[str]) -> str | None:  # noqa: FBT001 both are one row's values
    """What to do for pg_stat_statements to be there; None when it is."""
    create = "CREATE EXTENSION pg_stat_statements"
    if "pg_stat_statements" not in loaded:
        # One quoted word each: a single 'a, b' would be the name of one library, and the server would not start.
        names = ", ".join(f"'{name}'" for name in [*loaded, "pg_stat_statements"])
        after = "" if installed else f", then {create}"
        return (
            f"not loaded; run ALTER SYSTEM SET shared_preload_libraries = {names}, restart the server{after}"
        )
    return None if installed else f"not in this database; run {create}"


def _tables(connection: Connection, role: int) -> tuple[Table, ...]:
    return tuple(
        Table(str(schema), str(name), bool(owned), tuple(str(one) for one in cast(list[object], may)))
        for schema, name, owned, may in connection.execute(query("tables"), {"role": role})
    )
