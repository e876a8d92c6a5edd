"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pooler_policy.resource import Resource


@dataclass(frozen=True)
class Declared:
    """The part of the stack's configuration that rules compare with."""

    max_backends: int | None = None
    superusers: Sequence[str] = ()
    admin_user: str = "postgres"
    services: Mapping[str, Any] = field(default_factory=dict)
    secrets: Sequence[str] = field(default=(), repr=False)
    """Plaintext of `admin_password` and `passwords`."""


@dataclass(frozen=True)
class Violation:
    """What is wrong, and with which resource."""

    text: str
    urn: str | None = None


@dataclass(frozen=True)
class Rule:
    """`name` is what `pulumi preview` shows; a rule that is not mandatory only advises."""

    name: str
    description: str
    mandatory: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class ResourceRule(Rule):
    """Judges the inputs of one resource; one text per violation: what, where, fix."""

    check: Callable[[Resource, Declared], Iterable[str]]


@dataclass(frozen=True)
class StackRule(Rule):
    """Judges all resources of a stack with their outputs."""

    check: Callable[[Sequence[Resource], Declared], Iterable[Violation]]
