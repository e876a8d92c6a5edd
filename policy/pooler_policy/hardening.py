"""Containers are non-root and without capabilities; the one that stays is read-only, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pooler_policy.exceptions import allowed
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule

_NON_ROOT = re.compile(r"0*[1-9]\d*(:0*[1-9]\d*)?")
"""uid or uid:gid; a name would be looked up in the image, whoever made that."""

_HOW = "or name the container, with a reason, in policy/exceptions.json"


def _check(resource: Resource, _: Declared) -> Iterator[str]:
    if not resource.is_our_container:
        return
    exempt = allowed(resource)
    user = str(resource.get("user") or "")
    if not _NON_ROOT.fullmatch(user) and user not in exempt.users:
        yield (
            f"run_as: user {user or 'of the image'!s} may be root; "
            f"set run_as to a numeric uid:gid like 65532:65532, {_HOW}"
        )
    # A job's files are uploaded after its creation, which a read-only root would refuse.
    if resource.runs_on and resource.get("readOnly") is not True:
        yield "readOnly: the root filesystem can be written to; set read_only=True on the container"
    capabilities = resource.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drops") or ()):
        yield "capabilities: not all are dropped; set drops to ALL on the container"
    kept = sorted(set(capabilities.get("adds") or ()) - set(exempt.capabilities))
    if kept:
        yield f"capabilities: {', '.join(kept)} kept; leave adds empty, {_HOW}"
    if not {"no-new-privileges", "no-new-privileges:true"} & set(resource.get("securityOpts") or ()):
        yield "securityOpts: a setuid program gives root back; add no-new-privileges:true on the container"
    if resource.get("privileged"):
        yield "privileged: gives all of the host away; leave it out"


RULE = ResourceRule(
    "pooler-read-only-and-non-root",
    "Containers run as a numeric non-root user, without capabilities and new privileges; the pooler is read-only.",
    _check,
)
