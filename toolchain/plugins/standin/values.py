"""The values of a resource as plain Python data, and their form on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]  # it ships no types

Value: TypeAlias = Any
"""Whatever JSON can say, or an unknown, or a secret."""
JsonObject: TypeAlias = dict[str, Any]

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SENSITIVE: Final = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class _Unknown:
    """A value that only the real update will know."""

    def __repr__(self) -> str:
        return "<unknown>"

    def __deepcopy__(self, memo: object) -> _Unknown:
        return self


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine must encrypt in its state and mask in its output."""

    value: Any

    def __repr__(self) -> str:
        return "<secret>"


def is_unknown(value: Value) -> bool:
    """Whether the value itself is unknown."""
    return value is UNKNOWN


def holds_unknown(value: Value) -> bool:
    """Whether the value is unknown or contains something unknown."""
    if isinstance(value, Mapping):
        return any(holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_unknown(item) for item in value)
    return is_unknown(value)


def from_wire(struct: struct_pb2.Struct) -> JsonObject:
    """Plain data from a protobuf struct: whole numbers become ints, secrets are unwrapped."""
    plain: JsonObject = json_format.MessageToDict(struct)
    return {key: _decode(value) for key, value in plain.items()}


def to_wire(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """A protobuf struct from plain data."""
    struct = struct_pb2.Struct()
    struct.update({key: _encode(value) for key, value in values.items()})
    return struct


def without_internal_keys(value: Value) -> Value:
    """The value without nulls and without the plugins' own keys (`__defaults`), at any depth."""
    if isinstance(value, Mapping):
        return {
            key: without_internal_keys(item)
            for key, item in value.items()
            if item is not None and not str(key).startswith("__")
        }
    if isinstance(value, list):
        return [without_internal_keys(item) for item in value]
    return value


def _decode(value: Value) -> Value:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SENSITIVE:
            return _decode(value.get("value"))
        if _SIGNATURE in value:
            raise ValueError("assets, archives and resource references are not implemented by the stand-in")
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, str) and value in _UNKNOWNS:
        return UNKNOWN
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _encode(value: Value) -> Value:
    if isinstance(value, Secret):
        return {_SIGNATURE: _SENSITIVE, "value": _encode(value.value)}
    if is_unknown(value):
        return _UNKNOWN_STRING
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value
