"""What an update does to PgBouncer, its clients and the database, as Markdown sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components import outputs
from components.settings import Settings
from review.escape import code
from review.facts import Facts
from review.plan import Change, Kind, Plan

_POOLER = "pgbouncer:pooler:Pooler$"
_CONTAINER = "docker:index/container:Container"
_MEMBERSHIP = "postgresql:index/grantRole:GrantRole"
_DONE = {
    Kind.CREATE: "created",
    Kind.UPDATE: "updated",
    Kind.REPLACE: "replaced",
    Kind.DELETE: "removed",
}
_POOLED = ("transaction", "session")


@dataclass(frozen=True)
class Update:
    """One update, before it happens."""

    plan: Plan
    before: Facts
    after: Facts
    settings: Settings
    new_dsns: frozenset[str] = frozenset()
    """Services of before and after whose DSN is not what it was."""


def headline(update: Update) -> str:
    """One sentence: what happens to PgBouncer, and who reconnects."""
    changes = update.plan.changes
    if not changes:
        if update.before == update.after and not update.new_dsns:
            return "Nothing changes."
        return "PgBouncer and the database stay as they are; only outputs of the stack change."
    if all(change.kind is Kind.DELETE for change in changes) and _poolers(update.plan):
        return "Everything of this stack is removed; whoever is still connected loses its connection."
    kinds = {change.kind for change in _poolers(update.plan)}
    if kinds:
        return _of_the_container(update, kinds)
    if any(_is_pooler_part(change, "-reload") for change in changes):
        return "PgBouncer reloads; nobody reconnects."
    return "PgBouncer stays as it is; nobody reconnects."


def _of_the_container(update: Update, kinds: set[Kind]) -> str:
    who = outputs.reconnecting(update.settings)
    if Kind.REPLACE in kinds:
        return f"The pooler container is replaced. Who reconnects: {who}."
    if kinds == {Kind.UPDATE}:
        return "The pooler container is updated in place; nobody reconnects."
    if kinds == {Kind.DELETE}:
        return "The pooler is removed; whoever is still connected loses its connection."
    if Kind.DELETE in kinds:
        return f"A pooler of another name takes over and the old one is removed. Who reconnects: {who}."
    if update.before.is_there:
        return "The pooler container is gone from the state and is created again."
    return "First deployment: PgBouncer starts, and nobody is connected to it yet."


def points(update: Update) -> list[str]:
    """What else to know, one sentence each, the most important first."""
    return [
        *_reasons(update),
        *_lanes(update),
        *_entries(update),
        *_rotation(update),
        *_memberships(update.plan),
        *_database_objects(update.plan),
        *_jobs(update.plan),
        *_others(update.plan),
    ]


def _poolers(plan: Plan) -> list[Change]:
    return [change for change in plan.changes if _is_pooler_part(change, "-pooler")]


def _is_pooler_part(change: Change, suffix: str) -> bool:
    return change.type == f"{_POOLER}{_CONTAINER}" and change.name.endswith(suffix)


def _reasons(update: Update) -> Iterator[str]:
    """Why a container is replaced, where no setting in the table below says so."""
    if update.before.restart_only == update.after.restart_only:
        for change in _poolers(update.plan):
            if change.keys:
                keys = ", ".join(map(code, change.keys))
                yield f"{code(change.name)} is {_DONE[change.kind]} because of {keys}."


def _lanes(update: Update) -> Iterator[str]:
    before, after = update.before.routes, update.after.routes
    if not after:
        return
    if not before:
        yield from _first_lanes(after)
        return
    for name, route in after.items():
        if name not in before:
            yield f"{code(name)} is new, on the {route} lane."
        elif before[name] != route:
            yield (
                f"{code(name)} moves {before[name]} → {route}: redeploy it with its new DSN; "
                f"until then it stays on {before[name]}."
            )
        elif name in update.new_dsns:
            yield f"{code(name)} gets another DSN on the same lane: redeploy it."
    for name in before:
        if name not in after:
            yield f"{code(name)} is no longer a service: its DSN output goes."


def _first_lanes(routes: Mapping[str, str]) -> Iterator[str]:
    by_lane: dict[str, list[str]] = defaultdict(list)
    for name, route in routes.items():
        by_lane[route].append(code(name))
    for lane in _POOLED:
        if by_lane[lane]:
            yield f"On the {lane} lane, once redeployed with their DSN: {', '.join(by_lane[lane])}."
    if by_lane["direct"]:
        yield f"On the direct lane, where they are: {', '.join(by_lane['direct'])}."


def _entries(update: Update) -> Iterator[str]:
    before, after = update.before.entries, update.after.entries
    if not before or not after or _is_another_pooler(update.plan):
        return
    yield from (f"Entry {code(name)} of PgBouncer is new." for name in after if name not in before)
    alike: dict[str, list[str]] = defaultdict(list)
    for name, fields in after.items():
        if name in before and (changed := ", ".join(_fields(before[name], fields))):
            alike[changed].append(code(name))
    for changed, names in alike.items():
        yield f"{'Entry' if len(names) == 1 else 'Entries'} {', '.join(names)}: {changed}."
    for name in before:
        if name not in after:
            yield f"Entry {code(name)} of PgBouncer goes; the update is refused while clients are on it."


def _fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for field in dict.fromkeys([*after, *before]):
        old, new = before.get(field, "none"), after.get(field, "none")
        if field == "connect_query" and old != new:
            yield "backends are recycled"
        elif old != new:
            yield f"{code(field)} {code(old)} → {code(new)}"


def _is_another_pooler(plan: Plan) -> bool:
    return any(change.kind is Kind.CREATE for change in _poolers(plan))


def _rotation(update: Update) -> Iterator[str]:
    before, after = (facts.reloadable.get("auth_user") for facts in (update.before, update.after))
    if before and after and before != after and not _is_another_pooler(update.plan):
        yield f"The auth password is rotated: lookups move from {code(before)} to {code(after)}, no login is refused."


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
            parts.append(f"{listed} {_DONE[how]}")
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
            (_POOLER, "pgbouncer:cap:", "pgbouncer:routes:", "pgbouncer:auth:")
        ) or own.startswith(("postgresql:", "random:"))
        # A provider only says how the deployment reaches a server; replaced, it takes all that is on it along.
        if not known and not (own.startswith("pulumi:providers:") and change.kind is not Kind.REPLACE):
            yield f"{own.rpartition(':')[2]} {code(change.name)} is {_DONE[change.kind]}."
