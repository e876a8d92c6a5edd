"""What happens to single resources, in words: the pooler's container, objects of the database, jobs, and all else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from review.escape import code
from review.plan import Change, Kind, Plan

_POOLER = "pgbouncer:pooler:Pooler$"
_VERIFICATION = "pgbouncer:verification:"
_CONTAINER = "docker:index/container:Container"
_MEMBERSHIP = "postgresql:index/grantRole:GrantRole"
DONE = {
    Kind.CREATE: "created",
    Kind.UPDATE: "updated",
    Kind.REPLACE: "replaced",
    Kind.DELETE: "removed",
}


def poolers(plan: Plan) -> list[Change]:
    """Changes of the container that services connect to; two when it changes its name."""
    return [change for change in plan.changes if _is_part(change, "-pooler")]


def is_reload(change: Change) -> bool:
    """The job that promotes a configuration and reloads."""
    return _is_part(change, "-reload")


def is_verification(change: Change) -> bool:
    """The job that compares what is declared with what is: it runs again after nearly every change, and makes none."""
    return change.type.startswith(_VERIFICATION)


def sentences(plan: Plan) -> Iterator[str]:
    """Roles, database objects, jobs, and what there are no words for."""
    yield from _memberships(plan)
    yield from _database_objects(plan)
    yield from _jobs(plan)
    yield from _others(plan)


def _is_part(change: Change, suffix: str) -> bool:
    return change.type == f"{_POOLER}{_CONTAINER}" and change.name.endswith(suffix)


def _memberships(plan: Plan) -> Iterator[str]:
    """`<name>-<group>-<role>`: who may log in through the pooler."""
    for group, what in (("services", "log in through the pooler"), ("superusers", "do so as superusers")):
        roles: dict[Kind, set[str]] = {Kind.CREATE: set(), Kind.DELETE: set()}
        for change in plan.changes:
            _, found, role = change.name.partition(f"-{group}-")
            if found and change.type.endswith(_MEMBERSHIP) and change.kind in roles:
                roles[change.kind].add(role)
        added, gone = roles[Kind.CREATE], roles[Kind.DELETE]
        for may, those in (("may", added - gone), ("may no longer", gone - added)):
            if those:
                yield f"From then on {', '.join(map(code, sorted(those)))} {may} {what}."


def _database_objects(plan: Plan) -> Iterator[str]:
    counted: dict[Kind, Counter[str]] = defaultdict(Counter)
    for change in plan.changes:
        own = change.type.rpartition("$")[2]
        if own.startswith("postgresql:"):
            counted[change.kind][own.rpartition(":")[2]] += 1
    parts = []
    for how in Kind:
        if of_kind := sorted(counted[how].items()):
            listed = ", ".join(f"{number} {_plural(kind, number)}" for kind, number in of_kind)
            parts.append(f"{listed} {DONE[how]}")
    if parts:
        yield f"Database objects change: {'; '.join(parts)}."


def _plural(kind: str, number: int) -> str:
    word = {"GrantRole": "membership"}.get(kind, kind.lower())
    return word if number == 1 else f"{word}s"


def _jobs(plan: Plan) -> Iterator[str]:
    """Jobs on the database that run again because of what they set, not because of the image they run in."""
    said = {
        "pgbouncer:cap:CapSetting$": "The check interval that keeps the cap is set on the database ({}).",
        "pgbouncer:routes:RoleSettings$": "Defaults of services' roles are set on the server ({}).",
        "pgbouncer:auth:ServicePasswords$": (
            "Passwords of services are set on the server ({}): new logins with an old one are refused from then on."
        ),
    }
    for change in plan.changes:
        runs = change.kind is Kind.CREATE or (change.kind is Kind.REPLACE and "uploads" in change.keys)
        for component, sentence in said.items():
            if runs and change.type == f"{component}{_CONTAINER}":
                yield sentence.format(code(change.name))


def _others(plan: Plan) -> Iterator[str]:
    """What this program has no words for, by name."""
    for change in plan.changes:
        own = change.type.rpartition("$")[2]
        known = change.type.startswith(
            (_POOLER, _VERIFICATION, "pgbouncer:cap:", "pgbouncer:routes:", "pgbouncer:auth:")
        ) or own.startswith(("postgresql:", "random:"))
        # A provider only says how the deployment reaches a server; replaced, it takes all that is on it along.
        if not known and not (own.startswith("pulumi:providers:") and change.kind is not Kind.REPLACE):
            yield f"{own.rpartition(':')[2]} {code(change.name)} is {DONE[change.kind]}."
