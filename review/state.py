"""What an exported state (`pulumi stack export --show-secrets`) holds: outputs of the stack, and every secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks a special value; with a `plaintext` beside it, it is a secret."""

State = Mapping[str, Any]


def plain_outputs(state: State) -> dict[str, Any]:
    """Outputs of the stack that are no secrets."""
    return {key: value for key, value in _outputs(state).items() if not _is_secret(value)}


def secret_outputs(state: State) -> dict[str, Any]:
    """The others, in clear: never to be printed."""
    return {key: _clear(value) for key, value in _outputs(state).items() if _is_secret(value)}


def secrets(value: object) -> Iterator[Any]:
    """Every secret at any depth, in clear."""
    if _is_secret(value):
        yield _clear(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets(item)


def _outputs(state: State) -> dict[str, Any]:
    for resource in (state.get("deployment") or {}).get("resources") or []:
        if resource.get("type") == "pulumi:pulumi:Stack":
            return dict(resource.get("outputs") or {})
    return {}


def _is_secret(value: object) -> bool:
    return isinstance(value, Mapping) and _SIGNATURE in value and "plaintext" in value


def _clear(value: Any) -> Any:  # noqa: ANN401 whatever JSON was made secret
    return json.loads(value["plaintext"])
