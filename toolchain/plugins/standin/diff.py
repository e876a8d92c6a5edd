"""Diff: which inputs changed, where exactly, and whether that replaces the resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .schema import Property
from .values import UNKNOWN, JsonObject, Value, holds_unknown, without_internal_keys

Change = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Difference:
    """One changed place of the inputs."""

    path: str
    change: Change
    property: str
    replaces: bool


def differences(
    properties: Mapping[str, Property], old_inputs: JsonObject, old_outputs: JsonObject, news: JsonObject
) -> list[Difference]:
    """What changed between the inputs of the last update and these."""
    found: list[Difference] = []
    for key, wanted in properties.items():
        old = old_inputs.get(key)
        new = news.get(key)
        if new in (None, "") and wanted.kept_when_unset:
            continue
        if wanted.compared_with_state and new is not None and key in old_outputs:
            old = old_outputs[key]
        if wanted.removed_from_state and new is None and old is None:
            old = old_outputs.get(key)
        for path, change in _places(wanted, _canonical(wanted, old), _canonical(wanted, new), key):
            found.append(Difference(path, change, key, wanted.replaces))
    return found


def same(wanted: Property, left: Value, right: Value) -> bool:
    """Whether two values mean the same: order of sets, defaults and empty values do not count."""
    return next(_places(wanted, _canonical(wanted, left), _canonical(wanted, right), ""), None) is None


def _canonical(wanted: Property, value: Value) -> Value:
    """The value with nested defaults filled in and empty values, which mean the same as none, taken out."""
    if value is UNKNOWN:
        return value
    value = without_internal_keys(value)
    if value is None:
        value = wanted.default if wanted.unset_means is None else wanted.unset_means
    if wanted.kind == "object" and isinstance(value, dict):
        filled = {key: _canonical(field, value.get(key)) for key, field in wanted.fields.items()}
        return {key: item for key, item in filled.items() if item is not None} or None
    if isinstance(value, list) and wanted.item is not None:
        return [_canonical(wanted.item, item) for item in value] or None
    if isinstance(value, dict) and wanted.item is not None:
        return {key: _canonical(wanted.item, item) for key, item in value.items()} or None
    empty = value in ("", 0, False)
    return None if empty and not (wanted.default or wanted.unset_means) else value


def _places(wanted: Property, old: Value, new: Value, path: str) -> Iterator[tuple[str, Change]]:
    if _identity(wanted, old) == _identity(wanted, new) and not holds_unknown(new):
        return
    if old is None:
        yield path, "add"
    elif new is None:
        yield path, "delete"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            part = wanted.fields.get(key) or wanted.item or Property("string")
            yield from _places(part, old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_places(wanted, old, new, path)
    else:
        yield path, "update"


def _list_places(wanted: Property, old: list[Any], new: list[Any], path: str) -> Iterator[tuple[str, Change]]:
    item = wanted.item or Property("string")
    left = dict(enumerate(old))
    right = dict(enumerate(new))
    if wanted.kind == "set":
        for index, value in enumerate(new):
            twin = next(
                (at for at, other in left.items() if _identity(item, other) == _identity(item, value)), None
            )
            if twin is not None and not holds_unknown(value):
                del left[twin], right[index]
    for index in sorted({*left, *right}):
        yield from _places(item, left.get(index), right.get(index), f"{path}[{index}]")


def _identity(wanted: Property, value: Value) -> str:
    """A text that is equal for equal values, whatever the order of their sets."""
    if isinstance(value, list):
        parts = [_identity(wanted.item or Property("string"), item) for item in value]
        return json.dumps(sorted(parts) if wanted.kind == "set" else parts)
    if isinstance(value, dict):
        item = wanted.item or Property("string")
        return json.dumps(
            [[key, _identity(wanted.fields.get(key, item), value[key])] for key in sorted(value)]
        )
    return json.dumps(value, default=repr)
