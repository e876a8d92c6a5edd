"""Where `docker inspect` shows text to whoever may use the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pooler_policy.resource import Resource
from pooler_policy.values import Value, items, opened

_PROPERTIES = ("envs", "labels", "command", "entrypoints", "healthcheck", "logOpts", "sysctls", "driverOpts")


@dataclass(frozen=True)
class Place:
    """One text, or structure of texts, with its marks."""

    where: str
    """Property, and the variable or label in it: never a value."""
    value: Value = field(repr=False)


def shown(resource: Resource) -> Iterator[Place]:
    """Every variable, label and argument on its own."""
    for key in _PROPERTIES:
        if key in resource.properties:
            yield from (Place(_where(key, item), item) for item in items(resource.properties[key]))


def _where(key: str, item: Value) -> str:
    text = opened(item)
    if key == "envs" and isinstance(text, str) and (named := re.match(r"([A-Za-z_]\w*)=", text)):
        return f"envs: {named[1]}"
    if key == "labels" and isinstance(text, dict):
        return f"labels: {text.get('label')}"
    return key
