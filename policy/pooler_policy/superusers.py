"""A superuser logs in through the pooler only where the stack's configuration names it.

Resources do not say who is a superuser. What they and the configuration tell: members of the group that the lookup
lets pass as superusers, roles that this stack makes as superusers, `postgres`, and the role that deploys the lookup,
which has to read pg_authid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pooler_policy.resource import GRANT_ROLE, ROLE, Resource
from pooler_policy.rule import Declared, StackRule, Violation

_BY_NAME = "postgres"
_POOLED = ("transaction", "session")


def _check(resources: Sequence[Resource], declared: Declared) -> Iterator[Violation]:
    ours = [resource for resource in resources if resource.is_ours]
    for made in ours:
        if made.type == ROLE and made.get("superuser"):
            yield Violation(
                f"role {made.get('name')}: is made a superuser; this stack needs none, leave superuser out",
                made.urn,
            )
    for grant in ours:
        member, group = grant.get("role"), str(grant.get("grantRole"))
        if grant.type != GRANT_ROLE or member in declared.superusers:
            continue
        if group.endswith("_superusers"):
            yield Violation(
                f"superusers: {member} is in {group}, so it may log in through the pooler as a superuser, and the "
                f"stack's configuration does not say so; add it to superusers, or take it out of {group}",
                grant.urn,
            )
        elif member in {_BY_NAME, declared.admin_user} and (services := _pooled(member, declared)):
            yield Violation(
                f"services.{services[0]}.user: {member} is a superuser on a pooled lane, and not in superusers; "
                f"give the service a role of its own, or add {member} to superusers",
                grant.urn,
            )


def _pooled(user: str, declared: Declared) -> list[str]:
    """Services that log in as this user through the pooler."""
    found = []
    for name, body in declared.services.items():
        service = body or {}
        if service.get("user", name) == user and service.get("route", "direct") in _POOLED:
            found.append(name)
    return found


RULE = StackRule(
    "superuser-routes-named",
    "Superusers that may log in through the pooler are named in the stack's superusers.",
    _check,
)
