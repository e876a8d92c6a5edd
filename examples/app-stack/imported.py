"""What the pooler's stack says about one service, checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping


def lane(routes: Mapping[str, str] | None, service: str, pooler_stack: str) -> str:
    """direct, transaction or session. ValueError, one line, where the pooler's stack does not know the service."""
    if not routes:
        raise ValueError(
            f"pooler_stack: {pooler_stack} has no outputs; run `pulumi up` there first, or correct the name"
        )
    if service not in routes:
        raise ValueError(
            f"service: {service} is not a service of {pooler_stack}; it has {', '.join(sorted(routes))}"
        )
    return routes[service]
