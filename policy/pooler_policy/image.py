"""Every container runs an image whose tag names a complete version of PgBouncer, at least the floor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pooler_policy.exceptions import allowed
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule

FLOOR = (1, 26, 1)
MADE_HERE = "pgbouncer-stack/"
"""Repositories of `make image`: an image that no registry has seen has no digest."""


def version(reference: str) -> tuple[int, int, int] | None:
    """The complete version in a tag, or None: `registry:5000/pgbouncer:1.26.1-2@sha256:…` → (1, 26, 1)."""
    name = reference.split("@", 1)[0].rsplit("/", 1)[-1]
    found = re.fullmatch(r"[^:]+:v?(\d+)\.(\d+)\.(\d+)(?:[-_.+][\w.-]*)?", name)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _pinned(resource: Resource, _: Declared) -> Iterator[str]:
    reference = resource.get("image")
    if not resource.is_our_container or reference is None:
        return
    found = version(reference)
    if found is None:
        yield (
            f"image: {reference} has no tag with a complete version, so another PgBouncer may come with any pull; "
            "set image to a reference with a tag like 1.26.1"
        )
    elif found < FLOOR and not allowed(resource).other_image:
        yield (
            f"image: {reference} is below 1.26.1, where CVE-2026-107350 (one user's password logs in as any other) "
            "is fixed; set image to 1.26.1 or later"
        )


def _digest(resource: Resource, _: Declared) -> Iterator[str]:
    reference = resource.get("image")
    if not resource.is_our_container or reference is None or reference.startswith(MADE_HERE):
        return
    if not re.search(r"@sha256:[0-9a-f]{64}$", reference):
        yield f"image: {reference} has no digest, so its tag can be moved; add @sha256:… to image"


PINNED = ResourceRule(
    "image-pinned-and-above-floor", "Images name a complete version of PgBouncer, 1.26.1 or later.", _pinned
)
DIGEST = ResourceRule("image-has-a-digest", "Images from a registry have a digest.", _digest, mandatory=False)
