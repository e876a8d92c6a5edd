"""Named exceptions: what one container may do that no other may, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pooler_policy.resource import Resource

FILE = Path(__file__).parent.parent / "exceptions.json"


@dataclass(frozen=True)
class Exemption:
    """One entry of exceptions.json."""

    component: str
    """Type of the component that makes the container."""
    name: str
    """Its name in the stack, with * for the deployment's own."""
    reason: str
    users: Sequence[str] = ()
    """Users beside non-root ones."""
    capabilities: Sequence[str] = ()
    """Capabilities that it keeps."""
    secret_modes: Sequence[str] = ()
    """Modes of its secret files beside 0400."""
    other_image: bool = False
    """Whether it runs another program than PgBouncer, with versions of its own."""

    def covers(self, resource: Resource) -> bool:
        """Whether it is about this container."""
        return resource.component == self.component and fnmatchcase(resource.name, self.name)


@cache
def exemptions() -> tuple[Exemption, ...]:
    """All of exceptions.json; an unknown key in it is a TypeError."""
    return tuple(Exemption(**entry) for entry in json.loads(FILE.read_text(encoding="utf-8")))


def allowed(resource: Resource) -> Exemption:
    """What this container may do; nothing where no entry is about it."""
    for exemption in exemptions():
        if exemption.covers(resource):
            return exemption
    return Exemption("", "", "")
