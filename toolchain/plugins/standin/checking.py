"""Check: refuse what is not known, fill in what the official plugin fills in, and give a name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .schema import Property
from .values import JsonObject, Value, is_unknown

_DEFAULTS_KEY = "__defaults"
_SUFFIX_LENGTH = 7


@dataclass(frozen=True)
class Failure:
    """One refused input."""

    property: str
    reason: str


def autoname(resource_name: str, random_seed: bytes, proposed: str = "") -> str:
    """The name of a resource that was given none: the engine's proposal, else `name-` and seven digits."""
    if proposed:
        return proposed
    digits = (
        hashlib.sha256(random_seed).hexdigest()
        if random_seed
        else hashlib.sha256(resource_name.encode()).hexdigest()
    )
    return f"{resource_name}-{digits[:_SUFFIX_LENGTH]}"


def is_autonamed(resource_name: str, name: Value) -> bool:
    """Whether the name was made by `autoname` without a proposal."""
    return isinstance(name, str) and re.fullmatch(re.escape(resource_name) + "-[0-9a-f]{7}", name) is not None


def check(
    type_name: str, properties: Mapping[str, Property], news: JsonObject
) -> tuple[JsonObject, list[Failure]]:
    """The new inputs with their defaults, and what is wrong with them."""
    failures: list[Failure] = []
    checked = _object(type_name, properties, news, "", failures)
    return checked, failures


def strip_defaults_key(inputs: JsonObject) -> JsonObject:
    """The inputs without the list of defaulted keys, for plugins that keep none."""
    return {key: value for key, value in inputs.items() if key != _DEFAULTS_KEY}


def note_default(inputs: JsonObject, key: str) -> None:
    """Records that the plugin, not the program, chose this value: the official plugins read that list."""
    inputs[_DEFAULTS_KEY] = sorted({*inputs.get(_DEFAULTS_KEY, []), key})


def _object(
    type_name: str, properties: Mapping[str, Property], news: JsonObject, path: str, failures: list[Failure]
) -> JsonObject:
    result: JsonObject = {}
    for key, value in news.items():
        where = f"{path}.{key}" if path else key
        if key.startswith("__") or value is None:
            continue
        wanted = properties.get(key)
        if wanted is None:
            failures.append(Failure(where, f"{type_name} has no property {where!r}"))
        elif not wanted.implemented:
            failures.append(Failure(where, f"{where!r} of {type_name} is not implemented by the stand-in"))
        else:
            result[key] = _value(type_name, wanted, value, where, failures)
    defaulted = []
    for key, wanted in properties.items():
        if key in result or key in {failure.property for failure in failures}:
            continue
        if wanted.required:
            where = f"{path}.{key}" if path else key
            failures.append(Failure(where, f"{type_name} needs {where!r}"))
        elif wanted.default is not None:
            result[key] = wanted.default
            defaulted.append(key)
    result[_DEFAULTS_KEY] = sorted(defaulted)
    return result


def _value(type_name: str, wanted: Property, value: Value, path: str, failures: list[Failure]) -> Value:
    if is_unknown(value):
        return value
    if not _has_kind(wanted, value):
        failures.append(Failure(path, f"{path!r} of {type_name} must be of type {wanted.kind}"))
        return value
    if wanted.rule is not None and (complaint := wanted.rule(value)):
        failures.append(Failure(path, f"{path!r} of {type_name}: {complaint}"))
    if wanted.kind == "object":
        return _object(type_name, wanted.fields, value, path, failures)
    if wanted.item is None:
        return value
    item = wanted.item
    if wanted.kind == "map":
        return {
            key: _value(type_name, item, entry, f"{path}.{key}", failures)
            for key, entry in value.items()
            if not key.startswith("__") and entry is not None
        }
    return [_value(type_name, item, entry, f"{path}[{index}]", failures) for index, entry in enumerate(value)]


def _has_kind(wanted: Property, value: Value) -> bool:
    match wanted.kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "list" | "set":
            return isinstance(value, list)
        case "map" | "object":
            return isinstance(value, dict)
