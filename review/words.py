"""What an update does to PgBouncer, its clients and the database, as Markdown sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components import outputs
from components.settings import Settings
from review import resources
from review.escape import code
from review.facts import Facts
from review.plan import Kind, Plan

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
    changes = [change for change in update.plan.changes if not resources.is_verification(change)]
    if not changes:
        return _without_changes(update)
    if all(change.kind is Kind.DELETE for change in changes) and resources.poolers(update.plan):
        return "Everything of this stack is removed; whoever is still connected loses its connection."
    kinds = {change.kind for change in resources.poolers(update.plan)}
    if kinds:
        return _of_the_container(update, kinds)
    if any(resources.is_reload(change) for change in changes):
        return "PgBouncer reloads; nobody reconnects."
    return "PgBouncer stays as it is; nobody reconnects."


def _without_changes(update: Update) -> str:
    if update.before != update.after or update.new_dsns:
        return "PgBouncer and the database stay as they are; only outputs of the stack change."
    if update.plan.changes:
        return "PgBouncer and the database stay as they are; they are only verified once more."
    return "Nothing changes."


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
        *resources.sentences(update.plan),
    ]


def _reasons(update: Update) -> Iterator[str]:
    """Why a container is replaced, where no setting in the table below says so."""
    if update.before.restart_only == update.after.restart_only:
        for change in resources.poolers(update.plan):
            if change.keys:
                keys = ", ".join(map(code, change.keys))
                yield f"{code(change.name)} is {resources.DONE[change.kind]} because of {keys}."


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
    return any(change.kind is Kind.CREATE for change in resources.poolers(plan))


def _rotation(update: Update) -> Iterator[str]:
    before, after = (facts.reloadable.get("auth_user") for facts in (update.before, update.after))
    if before and after and before != after and not _is_another_pooler(update.plan):
        yield f"The auth password is rotated: lookups move from {code(before)} to {code(after)}, no login is refused."
