"""What `pulumi preview --json` says, as typed changes. Property values are never read: some of them are secrets."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class PlanError(ValueError):
    """What was given is no plan; the text says what is wrong with it."""


class Kind(StrEnum):
    """What happens to one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One resource that an update touches."""

    kind: Kind
    type: str
    """With the types of its parents: `pgbouncer:pooler:Pooler$docker:index/container:Container`."""
    name: str
    keys: tuple[str, ...] = ()
    """Inputs that make the difference, top level, sorted; empty for what is created or deleted."""


@dataclass(frozen=True)
class Plan:
    """All changes, sorted (a preview's own order is not the same twice), and what went wrong."""

    changes: tuple[Change, ...]
    errors: tuple[str, ...] = ()
    """Texts of the engine and the program, not yet cleared of secrets."""


_QUIET = (
    "same",
    "read",
    "refresh",
    "discard",
    "discard-replaced",
    "read-replacement",
    "remove-pending-replace",
)
_KINDS = {
    "create": Kind.CREATE,
    "import": Kind.CREATE,
    "update": Kind.UPDATE,
    "delete": Kind.DELETE,
    "replace": Kind.REPLACE,
    "create-replacement": Kind.REPLACE,
    "delete-replaced": Kind.REPLACE,
    "import-replacement": Kind.REPLACE,
}
_COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")


def read(text: str) -> Plan:
    """Read the document; PlanError when it is none, or has an operation that is not known."""
    try:
        document = json.loads(text)
    except ValueError:
        raise PlanError("the preview printed no JSON") from None
    if not isinstance(document, dict):
        raise PlanError("the preview printed no JSON object")
    kinds: dict[str, list[Kind]] = defaultdict(list)
    keys: dict[str, set[str]] = defaultdict(set)
    for step in document.get("steps") or []:
        operation, urn = str(step.get("op")), str(step.get("urn"))
        if operation in _QUIET:
            continue
        if operation not in _KINDS:
            raise PlanError(f"the preview has an operation that this program does not know: {operation}")
        kinds[urn].append(_KINDS[operation])
        keys[urn] |= _keys(step)
    changes = tuple(_change(urn, found, keys[urn]) for urn, found in kinds.items())
    return Plan(tuple(sorted(filter(_counts, changes), key=_order)), _errors(document))


def _counts(change: Change) -> bool:
    """Not the stack itself, and not the components: they only group what is in them."""
    return not change.type.rpartition("$")[2].startswith(("pulumi:pulumi:", "pgbouncer:"))


def _order(change: Change) -> tuple[int, str, str]:
    return (list(Kind).index(change.kind), change.type, change.name)


def _change(urn: str, kinds: list[Kind], keys: set[str]) -> Change:
    parts = urn.split("::", 3)
    if len(parts) != 4:
        raise PlanError("the preview names a resource in a way that this program does not know")
    kind = Kind.REPLACE if len(set(kinds)) > 1 else kinds[0]
    shown = () if kind in (Kind.CREATE, Kind.DELETE) else tuple(sorted(keys))
    return Change(kind, parts[2], parts[3], shown)


def _keys(step: dict[str, Any]) -> set[str]:
    """`uploads[0].content` counts as `uploads`: deeper keys can hold what a user wrote."""
    paths = [
        *(step.get("replaceReasons") or []),
        *(step.get("diffReasons") or []),
        *(step.get("detailedDiff") or {}),
    ]
    return {found[0] for path in paths if (found := re.match(r"\w+", str(path)))}


def _errors(document: dict[str, Any]) -> tuple[str, ...]:
    """What is not a warning: the program's own words come line by line, as what it wrote to stderr (measured)."""
    found = [
        _COLOUR.sub("", str(one.get("message", ""))).strip("\n")
        for one in document.get("diagnostics") or []
        if one.get("severity") in ("error", "info#err")
    ]
    return tuple(text for text in found if text.strip() and not text.startswith("warning:"))
