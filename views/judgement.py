"""From the evidence of a service to a lane: a verdict with its reasons. Pure: no server is asked here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from components.needs import REFUSED
from components.settings import Lane, Settings
from views import caveats
from views.caveats import LONG_SECONDS, SHOWN_FINDINGS, needs
from views.evidence import Evidence, Session
from views.refusals import refusals
from views.statements import Kind
from views.wording import counted, duration, times


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
    found += _declared(settings, evidence)
    seen = bool(evidence.sessions) or any(source.statements for source in evidence.recorded)
    if not seen:  # no reason to move it, from whichever lane it is on
        found.append(
            Reason(
                settings.services[evidence.service].route,
                "nothing of it was seen, and nothing can be told from that; run this while it works",
            )
        )
    for lane in (Lane.DIRECT, Lane.SESSION):
        reasons = tuple(dict.fromkeys(reason.text for reason in found if reason.lane is lane))
        if reasons:
            break
    else:
        lane = Lane.TRANSACTION
        reasons = tuple(reason.text for reason in found if reason.lane is lane) or (
            "nothing that was seen needs a backend for longer than a transaction",
        )
    notes = [*caveats.notes(settings, evidence, lane), *_refused(settings, evidence.service, lane)]
    return Verdict(lane, reasons, tuple(caveats.unknown(evidence)), tuple(notes))


def _refused(settings: Settings, service: str, lane: Lane) -> Iterator[str]:
    if lane is not settings.services[service].route:
        yield from (f"`make up` would refuse this: {line}" for line in refusals(settings, service, lane))


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
            for finding in needs(one.findings)
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
            for finding in needs(one.findings):
                calls[finding.shown] = calls.get(finding.shown, 0) + one.calls
        for shown, number in sorted(calls.items(), key=lambda item: -item[1])[:SHOWN_FINDINGS]:
            yield Reason(Lane.SESSION, f"{shown} ({times(number)}, {source.source})")
        if len(calls) > SHOWN_FINDINGS:
            yield Reason(Lane.SESSION, f"{len(calls) - SHOWN_FINDINGS} more of this kind ({source.source})")


def _temporary(evidence: Evidence) -> Iterator[Reason]:
    if number := evidence.role.temporary_tables:
        exist = counted(number, "temporary table") + (" exists" if number == 1 else " exist")
        yield Reason(Lane.SESSION, f"{exist} now, owned by {evidence.user}")


def _declared(settings: Settings, evidence: Evidence) -> Iterator[Reason]:
    """What its owner says counts too: the update would refuse the lane."""
    for need in settings.services[evidence.service].needs:
        if need in REFUSED[Lane.SESSION]:
            yield Reason(Lane.DIRECT, f"services.{evidence.service}.needs names {need}")
        elif need in REFUSED[Lane.TRANSACTION]:
            yield Reason(Lane.SESSION, f"services.{evidence.service}.needs names {need}")


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
