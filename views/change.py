"""The line of a stack's file that puts a service on another route."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from toolchain.stack import NAMESPACE


@dataclass(frozen=True)
class Change:
    """One key of `Pulumi.<stack>.yaml`."""

    file: str
    line: int | None
    """Where the service stands, counted from 1; None where the file does not show it."""
    key: str
    before: str
    after: str

    def __str__(self) -> str:
        where = self.file + (f", line {self.line}" if self.line else "")
        return f"{where}: {self.key}: {self.before} → {self.after}"


def of_route(file: Path, service: str, before: str, after: str) -> Change | None:
    """None when the route is right as it is."""
    if before == after:
        return None
    return Change(file.name, line_of(file, service), f"services.{service}.route", before, after)


def line_of(file: Path, service: str) -> int | None:
    """Line of the service's `route`, of the service where it has none, None where neither is to be found."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    found: int | None = None
    for key in ("config", f"{NAMESPACE}:services", service, "route"):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        for name, value in pairs:
            if name.value == key:
                if key in (service, "route"):
                    found = name.start_mark.line + 1
                node = value
                break
        else:
            break
    return found
