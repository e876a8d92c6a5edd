"""`make drift`: everything that has wandered off since the last update, for every night. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from checks import verification
from checks.verdict import Outcome, Verdict, overall
from components.settings import Settings
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.report import table
from toolchain.stack import Stack
from views import placement, sample

WORDS = {
    Outcome.AS_DECLARED: "as declared",
    Outcome.MISS: "not as declared",
    Outcome.UNKNOWN: "cannot be judged",
}
PREVIEW_SECONDS = 300
NO_CHANGES = "no changes were expected"


def drift(stack: Stack) -> Verdict:
    """Pulumi's own resources, then the verification, then who comes past the pooler."""
    settings = sample.settings_of(stack)
    parts = {
        "Pulumi's resources": _attempted(lambda: resources(stack)),
        "Verification": _attempted(
            lambda: verification.against(stack.name, settings, verification.auth_password(stack, settings))
        ),
        "Past the pooler": _attempted(lambda: past_the_pooler(settings, sample.take(stack.name, settings))),
    }
    text = "\n\n".join(
        f"{title}: {WORDS[part.outcome]}\n{part.text}".rstrip() for title, part in parts.items()
    )
    return Verdict(overall(list(parts.values())), text)


def resources(stack: Stack) -> Verdict:
    """What a refresh and an update would change; the state is read, not written. Secrets are masked by Pulumi."""
    command = ["pulumi", "--non-interactive", "preview", "--refresh", "--diff", "--expect-no-changes"]
    ended = attempt(
        [*command, "--suppress-outputs", "--stack", stack.name],
        cwd=stack.folder,
        env={**stack.environment, "NO_COLOR": "1"},
        timeout=PREVIEW_SECONDS,
    )
    said = "\n".join(line for line in (ended.stdout + ended.stderr).splitlines() if line.strip())
    if ended.returncode == 0:
        return Verdict(Outcome.AS_DECLARED, "")
    if NO_CHANGES in said:
        return Verdict(Outcome.MISS, f"{said}\n`pulumi up --refresh --stack {stack.name}` puts it back")
    return Verdict(Outcome.UNKNOWN, said)


def past_the_pooler(settings: Settings, taken: sample.Sample) -> Verdict:
    """Connections of services whose route is a lane of the pooler, and that reach Postgres without it."""
    bypassing = [one for one in placement.place(settings, taken) if one.lane != "direct" and one.past > 0]
    if not bypassing:
        return Verdict(Outcome.AS_DECLARED, "")
    users = {one.user for one in bypassing}
    where = [
        (one.role, one.application or "-", one.address, str(one.connections))
        for one in placement.past(settings, taken)
        if one.role in users
    ]
    steps = "\n".join(f"{one.service}: {one.next_step}" for one in bypassing)
    return Verdict(
        Outcome.MISS, f"{table(('ROLE', 'APPLICATION', 'ADDRESS', 'CONNECTIONS'), where)}\n{steps}"
    )


def _attempted(judge: Callable[[], Verdict]) -> Verdict:
    """One part that fails does not hide the others."""
    try:
        return judge()
    except Problem as problem:
        return Verdict(Outcome.UNKNOWN, str(problem))
