"""A resource as the engine shows it to the pack, and whether it belongs to this program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pooler_policy.values import UNKNOWN, Value, opened

CONTAINER = "docker:index/container:Container"
ROLE = "postgresql:index/role:Role"
GRANT_ROLE = "postgresql:index/grantRole:GrantRole"
STACK = "pulumi:pulumi:Stack"

_COMPONENTS = "pgbouncer:"


@dataclass(frozen=True)
class Resource:
    """One registration. `properties` are inputs for a rule on resources, outputs for a rule on the stack."""

    urn: str
    type: str
    name: str
    properties: Mapping[str, Value] = field(repr=False)

    @property
    def component(self) -> str:
        """Type of the component that it is in, like `pgbouncer:pooler:Pooler`; empty for none."""
        types = self.urn.split("::")[2].split("$") if self.urn.count("::") >= 3 else []
        return types[-2] if len(types) > 1 else ""

    @property
    def is_ours(self) -> bool:
        """Whether a component of this program made it; nobody's else resource is judged."""
        return self.component.startswith(_COMPONENTS)

    @property
    def is_our_container(self) -> bool:
        """A pooler, job or helper of this program."""
        return self.is_ours and self.type == CONTAINER

    @property
    def runs_on(self) -> bool:
        """A container that stays; jobs end inside their creation."""
        return self.get("mustRun") is not False

    def get(self, key: str) -> Value:
        """A property without marks; None where it is unset or not known yet."""
        value = opened(self.properties.get(key))
        return None if value is UNKNOWN else value
