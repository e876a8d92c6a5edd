"""How far the evidence of a service reaches, and what to look at before it moves. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from components.settings import Lane, Settings
from views.evidence import Evidence
from views.statements import Finding, Kind
from views.wording import counted, duration

LONG_SECONDS = 60
"""A transaction or statement from here on holds one of few backends too long for the others: stay direct."""

NOTABLE_SECONDS = 10
"""Idle in a transaction from here on is worth a look before the service moves."""

SHOWN_FINDINGS = 6
"""Names of one kind that are listed; the rest is counted."""


def unknown(evidence: Evidence) -> Iterator[str]:
    """What could not be seen, one sentence each."""
    yield from (f"{source}: {why}" for source, why in evidence.missing)
    yield from (gap for source in evidence.recorded for gap in source.gaps)
    if not evidence.sessions:
        yield "no session of it at this moment"
    elif not evidence.recorded:
        yield "of each session only the last statement is known"
    if evidence.shared_with:
        others = ", ".join(evidence.shared_with)
        yield (
            f"{evidence.user} is also the role of {others}: what is recorded, and sessions without the service's "
            "application_name, may be theirs; a role of its own would tell"
        )
    unread = sum(one.findings is None for one in evidence.sessions)
    unread += sum(one.findings is None for source in evidence.recorded for one in source.statements)
    if unread:
        yield f"{counted(unread, 'statement')} that cannot be read as SQL (cut off, or no SQL)"
    opaque = {
        finding.shown
        for findings in _all_findings(evidence)
        for finding in findings
        if finding.kind is Kind.OPAQUE
    }
    if opaque:
        yield f"what these do inside: {', '.join(sorted(opaque)[:SHOWN_FINDINGS])}"
    yield "what functions do inside, and options= at connect, which the pooler drops"


def _all_findings(evidence: Evidence) -> Iterator[tuple[Finding, ...]]:
    yield from (one.findings or () for one in evidence.sessions)
    yield from (one.findings or () for source in evidence.recorded for one in source.statements)


def notes(settings: Settings, evidence: Evidence, lane: Lane) -> Iterator[str]:
    """What `lane` would meet, one sentence each."""
    for one in evidence.sessions:
        age = one.transaction_seconds or 0
        if one.state.startswith("idle in") and NOTABLE_SECONDS <= age < LONG_SECONDS:
            yield f"pid {one.pid} idles in a transaction since {duration(age)}; it would hold a backend all the time"
        if one.advisory_locks and one.transaction_seconds is not None:
            yield (
                f"pid {one.pid} holds {counted(one.advisory_locks, 'advisory lock')} in a transaction; those of "
                "pg_advisory_xact_lock move along, those of pg_advisory_lock need the session lane"
            )
    ddl = sorted({f.shown for found in _all_findings(evidence) for f in found if f.kind is Kind.DDL})
    if ddl and lane is not Lane.DIRECT:
        yield f"changes schema or rights ({', '.join(ddl[:SHOWN_FINDINGS])}); short ones work on every lane"
    if any(f.shown.startswith("SET ") for found in _all_findings(evidence) for f in needs(found)):
        yield (
            "a SET of a timeout or of read-only can be pinned on the role instead (statement_timeout, "
            "idle_transaction_timeout, read_only of the service; docs/routes.md)"
        )
    if lane is Lane.SESSION:
        yield from _session_lane(settings, evidence)
    if lane is not Lane.DIRECT and not evidence.role.may_connect:
        yield f"{evidence.user} may not connect to {evidence.database}"
    limit = evidence.role.connection_limit
    if lane is not Lane.DIRECT and limit >= 0:
        yield f"{evidence.user} has CONNECTION LIMIT {limit}, which backends of the pooler count against too"


def _session_lane(settings: Settings, evidence: Evidence) -> Iterator[str]:
    own = settings.services[evidence.service].database
    size = settings.databases[own].session_backends if own else settings.session_backends
    key = f"databases.{own}.session_backends" if own else "session_backends"
    held = sum(not one.replication for one in evidence.sessions)
    if size and held > size:  # a lane that is not there is refused, see refusals.py
        yield (
            f"the session lane has {size} backends, and each of its {held} connections holds one while it is open; "
            f"raise {key} or stay direct"
        )


def needs(findings: tuple[Finding, ...] | None) -> list[Finding]:
    """Those that need the session lane."""
    return [one for one in findings or () if one.kind is Kind.SESSION]
