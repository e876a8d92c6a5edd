"""How a resource type describes its inputs: kind, default, and what a change of each does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .values import Value

Kind = Literal["string", "integer", "number", "boolean", "list", "set", "map", "object"]
Rule = Callable[[Any], str | None]
"""Says what is wrong with a known value, or nothing."""


@dataclass(frozen=True)
class Property:
    """One input of a resource type."""

    kind: Kind
    required: bool = False
    default: Any = None
    replaces: bool = False
    implemented: bool = True
    item: Property | None = None
    """What a list, set or map holds; strings if nothing is said."""
    fields: Mapping[str, Property] = field(default_factory=dict)
    """What an object holds."""
    compared_with_state: bool = False
    """The server rewrites this value, so that the state says what it really is: `int` against `integer`."""
    removed_from_state: bool = False
    """A value that nobody asked for, but which the server reports, is a difference too."""
    kept_when_unset: bool = False
    """Taken out of the program, it stays as it is on the server: no difference."""
    unset_means: Any = None
    """What no value means, without it being written into the inputs."""
    rule: Rule | None = None


def one_of(*allowed: str) -> Rule:
    """A rule: the value is one of these words."""

    def rule(value: Value) -> str | None:
        return None if value in allowed else f"expected one of {', '.join(allowed)}, got {value!r}"

    return rule


def at_least(minimum: int) -> Rule:
    """A rule: the number is not below the minimum."""

    def rule(value: Value) -> str | None:
        return None if value >= minimum else f"expected at least {minimum}, got {value}"

    return rule


def text(**options: Value) -> Property:
    """A string."""
    return Property("string", **options)


def integer(**options: Value) -> Property:
    """A whole number."""
    return Property("integer", **options)


def boolean(**options: Value) -> Property:
    """True or false."""
    return Property("boolean", **options)


def texts(**options: Value) -> Property:
    """Strings in an order that matters."""
    return Property("list", item=Property("string"), **options)


def text_set(**options: Value) -> Property:
    """Strings whose order does not matter."""
    return Property("set", item=Property("string"), **options)


def text_map(**options: Value) -> Property:
    """Strings by name."""
    return Property("map", item=Property("string"), **options)


def record(fields: Mapping[str, Property], **options: Value) -> Property:
    """One object with named fields."""
    return Property("object", fields=fields, **options)


def records(fields: Mapping[str, Property], *, ordered: bool = False, **options: Value) -> Property:
    """Objects with named fields; their order matters only if `ordered`."""
    return Property("list" if ordered else "set", item=Property("object", fields=fields), **options)


def not_implemented(**options: Value) -> Property:
    """An input of the official plugin that the stand-in refuses."""
    return Property("string", implemented=False, **options)


LABELS = records({"label": text(required=True), "value": text(required=True)}, replaces=True)
"""Docker labels, a set of label and value."""
