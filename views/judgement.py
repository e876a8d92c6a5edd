"""From the evidence of a service to a lane: a verdict with its reasons. Pure: no server is asked here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from components.settings import Lane, Settings
from views.evidence import Evidence, Session
from views.statements import Finding, Kind

LONG_SECONDS = 60
"""A transaction or statement from here on holds one of few backends too long for the others: stay direct."""

NOTABLE_SECONDS = 10
"""Idle in a transaction from here on is worth a look before the service moves."""

_SHOWN_FINDINGS = 6


@dataclass(frozen=True)
class Reason:
    """Why a lane, one sentence."""

    lane: Lane
    text: str


@dataclass(frozen=True)
class Verdict:
    """Where the service may go, and how far the evidence reaches."""

    lane: Lane
    reasons: tuple[str, ...]
    unknown: tuple[str, ...]
    """What could not be seen; none means that all sources answered."""
    notes: tuple[str, ...]
    """What to look at before it moves."""


def judge(settings: Settings, evidence: Evidence) -> Verdict:
    """The lane of the strongest reason: direct before session before transaction."""
    found = [*_sessions(evidence), *_recorded(evidence), *_temporary(evidence)]
    seen = bool(evidence.sessions) or any(source.statements for source in evidence.recorded)
    if not seen:
        found.append(
            Reason(
                Lane.DIRECT,
                "nothing of it was seen, and nothing can be told from that; run this while it works",
            )
        )
    for lane in (Lane.DIRECT, Lane.SESSION):
        reasons = tuple(dict.fromkeys(reason.text for reason in found if reason.lane is lane))
        if reasons:
            break
    else:
        lane, reasons = (
            Lane.TRANSACTION,
            ("nothing that was seen needs a backend for longer than a transaction",),
        )
    return Verdict(lane, reasons, tuple(_unknown(evidence)), tuple(_notes(settings, evidence, lane)))


def _sessions(evidence: Evidence) -> Iterator[Reason]:
    for one in evidence.sessions:
        who = f"pid {one.pid}" + ("" if one.owner else ", whose application_name names no service")
        if one.replication:
            yield Reason(Lane.DIRECT, f"a replication connection ({who})")
        if (age := one.transaction_seconds) is not None and age >= LONG_SECONDS:
            idle = one.state.startswith("idle")
            doing = "idle in it: an open cursor, or a commit that never comes" if idle else one.state
            yield Reason(Lane.DIRECT, f"a transaction has been open for {duration(age)} ({who}, {doing})")
        if one.advisory_locks and one.transaction_seconds is None:
            yield Reason(
                Lane.SESSION,
                f"holds {counted(one.advisory_locks, 'advisory lock')} outside of a transaction ({who})",
            )
        yield from (
            Reason(Lane.SESSION, f"{finding.shown} (its last statement, {who})")
            for finding in _needs(one.findings)
        )


def _recorded(evidence: Evidence) -> Iterator[Reason]:
    for source in evidence.recorded:
        slow = [one for one in source.statements if one.longest >= LONG_SECONDS]
        if slow:
            changes = sum(any(f.kind is Kind.DDL for f in one.findings or ()) for one in slow)
            longest = duration(max(one.longest for one in slow))
            ddl = f", {changes} of them schema changes or maintenance" if changes else ""
            yield Reason(
                Lane.DIRECT, f"{counted(len(slow), 'statement')} took up to {longest}{ddl} ({source.source})"
            )
        calls: dict[str, int] = {}
        for one in source.statements:
            for finding in _needs(one.findings):
                calls[finding.shown] = calls.get(finding.shown, 0) + one.calls
        for shown, number in sorted(calls.items(), key=lambda item: -item[1])[:_SHOWN_FINDINGS]:
            yield Reason(Lane.SESSION, f"{shown} ({times(number)}, {source.source})")
        if len(calls) > _SHOWN_FINDINGS:
            yield Reason(Lane.SESSION, f"{len(calls) - _SHOWN_FINDINGS} more of this kind ({source.source})")


def _temporary(evidence: Evidence) -> Iterator[Reason]:
    if number := evidence.role.temporary_tables:
        exist = counted(number, "temporary table") + (" exists" if number == 1 else " exist")
        yield Reason(Lane.SESSION, f"{exist} now, owned by {evidence.user}")


def _needs(findings: tuple[Finding, ...] | None) -> list[Finding]:
    return [one for one in findings or () if one.kind is Kind.SESSION]


def _unknown(evidence: Evidence) -> Iterator[str]:
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
        yield f"what these do inside: {', '.join(sorted(opaque)[:_SHOWN_FINDINGS])}"
    yield "what functions do inside, and options= at connect, which the pooler drops"


def _all_findings(evidence: Evidence) -> Iterator[tuple[Finding, ...]]:
    yield from (one.findings or () for one in evidence.sessions)
    yield from (one.findings or () for source in evidence.recorded for one in source.statements)


def _notes(settings: Settings, evidence: Evidence, lane: Lane) -> Iterator[str]:
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
        yield f"changes schema or rights ({', '.join(ddl[:_SHOWN_FINDINGS])}); short ones work on every lane"
    if any(f.shown.startswith("SET ") for found in _all_findings(evidence) for f in _needs(found)):
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
    if held > size:
        yield (
            f"the session lane has {size} backends, and each of its {held} connections holds one while it is open; "
            f"raise {key} or stay direct"
        )


def backends_needed(evidence: Evidence) -> tuple[int, float | None]:
    """Backends that would do on the transaction lane, and the average that the recorded times give."""
    average = next(
        (
            sum(one.total for one in source.statements) / source.seconds
            for source in evidence.recorded
            if source.seconds
        ),
        None,
    )
    return max(1, evidence.most_busy, math.ceil(2 * (average or 0))), average


def idle(evidence: Evidence) -> list[Session]:
    """Sessions between transactions, the longest idle first."""
    found = [one for one in evidence.sessions if not one.busy and not one.replication]
    return sorted(found, key=lambda one: -one.state_seconds)


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h` or `4 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, thing: str) -> str:
    """`1 lock` or `2 locks`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
