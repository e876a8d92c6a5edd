"""Stack configurations as Pulumi hands them over: flat keys, JSON text for objects and arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from components.settings import Settings, SettingsError, load

ROOT = Path(__file__).parent.parent.parent

SMALLEST: Mapping[str, object] = {
    "network": "app_net",
    "database": "app",
    "image": "pgbouncer-stack/pgbouncer:1.26.1",
    "admin_password": "correct horse",
    "services": {"web": {}},
}
"""The keys without a default and one service."""


def config(**changes: object) -> dict[str, str]:
    """SMALLEST with changes; None leaves a key out."""
    values = {**SMALLEST, **changes}
    return {key: as_text(value) for key, value in values.items() if value is not None}


def as_text(value: object) -> str:
    """Text as Pulumi stores it: strings as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def settings(**changes: object) -> Settings:
    """Settings of the smallest stack with changes."""
    return load(config(**changes))


def refusal(**changes: object) -> str:
    """Text of the error with which the changed stack is refused."""
    return refusal_of(config(**changes))


def refusal_of(values: Mapping[str, str]) -> str:
    """Text of the error with which this configuration is refused."""
    try:
        load(values)
    except SettingsError as refused:
        return str(refused)
    raise AssertionError("the configuration was accepted")


def production() -> dict[str, str]:
    """Pulumi.prod.yaml with the project's defaults, as a program run by the CLI finds them."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    stack = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8"))["config"]
    defaults = {key: as_text(entry["default"]) for key, entry in project.items() if "default" in entry}
    own = {key.removeprefix("pgbouncer:"): as_text(value) for key, value in stack.items()}
    return {**defaults, **own, "admin_password": "correct horse"}
