"""`make ready SERVICE=x`: what the live database shows of a service, and the lane that fits."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass

from components.settings import Lane, Settings
from views import grants
from views.change import Change
from views.evidence import Evidence
from views.judgement import Verdict, backends_needed, idle
from views.wording import counted, duration
from views.wrapped import section, wrapped


@dataclass(frozen=True)
class Report:
    """All that is known of one service."""

    stack: str
    settings: Settings
    evidence: Evidence
    verdict: Verdict
    change: Change | None


def as_text(report: Report) -> str:
    """Verdict, reasons, evidence, and the line to change, in 80 columns."""
    evidence, verdict = report.evidence, report.verdict
    where = "stay direct" if verdict.lane is Lane.DIRECT else verdict.lane.value
    parts = [
        wrapped(f"{evidence.service}: {where}"),
        section("Why", verdict.reasons),
        section("Evidence", _evidence(report)),
    ]
    if evidence.role.superuser:
        parts.append(section("Superuser", _superuser(report)))
    parts.append(section("Not seen", verdict.unknown))
    if verdict.notes:
        parts.append(section("Note", verdict.notes))
    parts.append(section("Change", _change(report)))
    return "\n\n".join(parts)


def _evidence(report: Report) -> list[str]:
    evidence = report.evidence
    lines = [f"sessions: {_sessions(evidence)}"]
    lines += [
        f"  {number} from {address} as {application or '(no application_name)'}, "
        + ("through the pooler" if pooled else "past the pooler")
        for (address, application, pooled), number in sorted(
            Counter((one.address, one.application, one.pooled) for one in evidence.sessions).items()
        )
    ]
    held = sum(one.advisory_locks for one in evidence.sessions)
    lines.append(f"locks: {held} advisory" if held else "locks: none that is advisory")
    for source in evidence.recorded:
        since = f" in {duration(source.seconds)}" if source.seconds is not None else ""
        lines.append(
            f"{source.source}: {counted(len(source.statements), 'statement')} of {evidence.user}{since}"
        )
    needed, average = backends_needed(evidence)
    seen = f"{evidence.most_busy} at most in {evidence.looks} looks"
    if average is not None:
        seen += f", {average:.2f} on average"
    lines.append(f"backends: {seen} were at work; {needed} would do")
    lines.append(f"role: {_role(evidence)}")
    return lines


def _sessions(evidence: Evidence) -> str:
    resting = idle(evidence)
    text = f"{len(evidence.sessions)} of {evidence.user} in {evidence.database}"
    return text + (
        f", {len(resting)} idle (the longest {duration(resting[0].state_seconds)})" if resting else ""
    )


def _role(evidence: Evidence) -> str:
    role = evidence.role
    words = [
        name
        for name, held in (
            ("SUPERUSER", role.superuser),
            ("REPLICATION", role.replication),
            ("CREATEDB", role.createdb),
            ("CREATEROLE", role.createrole),
        )
        if held
    ]
    words += [f"member of {', '.join(role.member_of)}"] if role.member_of else []
    may = Counter(privilege for table in evidence.tables for privilege in table.may)
    owned = sum(table.owned for table in evidence.tables)
    rights = ", ".join(
        f"{privilege} on {may[privilege]}"
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if may[privilege]
    )
    words.append(f"{rights or 'no right on any'} of {len(evidence.tables)} tables, {owned} owned")
    return "; ".join(words)


def _superuser(report: Report) -> list[str]:
    evidence = report.evidence
    lines = [
        f"{evidence.user} may do everything, and takes the connections reserved for superusers too. "
        f"A role of its own would do, with what {evidence.service} was seen to use"
        + (
            f" (as {evidence.user}, so also by {', '.join(evidence.shared_with)}):"
            if evidence.shared_with
            else ":"
        )
    ]
    return lines + [f"  {line}" for line in least_privilege(report)]


def least_privilege(report: Report) -> list[str]:
    """Grants for what was recorded; on all tables of the schemas where nothing is."""
    evidence = report.evidence
    used = {use for source in evidence.recorded for one in source.statements for use in one.uses}
    exact = grants.for_service(evidence.database, evidence.service, used, evidence.tables)
    if any(" ON " in line and "DATABASE" not in line for line in exact):
        return exact
    schemas = sorted({table.schema for table in evidence.tables}) or ["public"]
    return grants.for_rows(evidence.database, [evidence.service], schemas)


def _change(report: Report) -> list[str]:
    evidence, option = report.evidence, "" if report.stack == "dev" else f" STACK={report.stack}"
    lines = []
    pooled = report.verdict.lane is not Lane.DIRECT
    if pooled and evidence.role.superuser and evidence.user not in report.settings.superusers:
        lines.append(
            f"services.{evidence.service}.user: {evidence.user} → {evidence.service}, the role above: a superuser "
            f"would not get in (or add {evidence.user} to superusers)"
        )
    if report.change is None:
        return [*lines, f"none: the route of {evidence.service} is {report.verdict.lane.value} already"]
    return [
        *lines,
        str(report.change),
        f"then `make up{option}`, and redeploy {evidence.service} with its new DSN",
    ]


def as_json(report: Report) -> str:
    """The same for scripts: every fact, no text of any statement."""
    evidence, verdict = report.evidence, report.verdict
    needed, average = backends_needed(evidence)
    return json.dumps(
        {
            "service": evidence.service,
            "verdict": verdict.lane.value,
            "reasons": verdict.reasons,
            "not_seen": verdict.unknown,
            "notes": verdict.notes,
            "change": report.change and asdict(report.change),
            "evidence": {
                "user": evidence.user,
                "database": evidence.database,
                "shared_with": evidence.shared_with,
                "looks": evidence.looks,
                "most_busy": evidence.most_busy,
                "sessions": [asdict(one) for one in evidence.sessions],
                "recorded": [
                    {
                        "source": source.source,
                        "seconds": source.seconds,
                        "statements": len(source.statements),
                        "findings": [
                            {"calls": one.calls, "longest": one.longest} | asdict(finding)
                            for one in source.statements
                            for finding in one.findings or ()
                        ],
                    }
                    for source in evidence.recorded
                ],
                "missing": [{"source": source, "why": why} for source, why in evidence.missing],
                "role": asdict(evidence.role),
                "backends_needed": needed,
                "average_busy": average,
            },
            "least_privilege": least_privilege(report) if evidence.role.superuser else [],
        },
        indent=2,
    )
