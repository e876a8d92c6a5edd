"""Property values as rules see them: JSON, with what is secret and what is not known yet still marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""JSON, with `Secret` around what is marked and UNKNOWN for what is not known yet."""


@dataclass(frozen=True)
class Secret:
    """A value that the engine knows to be secret. Its repr shows nothing."""

    value: Value = field(repr=False)


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Value = _Unknown()
"""A value that is not known in a preview; a rule judges it at the update."""


def opened(value: Value) -> Value:
    """The value without its marks."""
    if isinstance(value, Secret):
        return opened(value.value)
    if isinstance(value, dict):
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return value


def holds_secret(value: Value) -> bool:
    """Whether it, or something in it, is marked as secret."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, dict):
        return any(map(holds_secret, value.values()))
    return isinstance(value, list) and any(map(holds_secret, value))


def secret_texts(value: Value, *, marked: bool = False) -> Iterator[str]:
    """Every text in it that is marked as secret, itself or by what it is in."""
    if isinstance(value, Secret):
        yield from secret_texts(value.value, marked=True)
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_texts(item, marked=marked)
    elif isinstance(value, list):
        for item in value:
            yield from secret_texts(item, marked=marked)
    elif marked and isinstance(value, str):
        yield value


def texts(value: Value) -> Iterator[str]:
    """Every text in it, marked or not."""
    yield from secret_texts(value, marked=True)


def items(value: Value) -> list[Value]:
    """Items of a list property, each with the list's own mark; a value that is no list is the only item."""
    if isinstance(value, Secret):
        return [Secret(item) for item in items(value.value)]
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
