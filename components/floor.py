"""The oldest PgBouncer that this project puts in front of a database.

1.26.1 fixes CVE-2026-107350 (who knows one password can log in as any other SCRAM user), CVE-2026-107349,
CVE-2026-19888 and CVE-2026-6668/6669 (PgBouncer's changelog).
"""

from __future__ import annotations

import re

FLOOR = (1, 26, 1)
Version = tuple[int, int, int]

FIXED_IN: dict[Version, tuple[str, ...]] = {
    (1, 24, 1): ("CVE-2025-2291",),
    (1, 25, 1): ("CVE-2025-12819",),
    (1, 25, 2): ("CVE-2026-6664", "CVE-2026-6665", "CVE-2026-6666", "CVE-2026-6667"),
    (1, 26, 0): ("CVE-2026-19888", "CVE-2026-6668", "CVE-2026-6669"),
    (1, 26, 1): ("CVE-2026-107348", "CVE-2026-107349", "CVE-2026-107350"),
}
"""Version → what it is the first to fix (PgBouncer's changelog); what was fixed before 1.24 is left out."""


def image_tag_version(reference: str) -> Version | None:
    """PgBouncer version in the tag of an image reference, or None without such a tag.

    `registry:5000/team/pgbouncer:1.26.1-2@sha256:…` → (1, 26, 1); a registry's port is no tag.
    """
    name = reference.split("@", 1)[0].rsplit("/", 1)[-1]
    match = re.fullmatch(r"[^:]+:v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-_.+][\w.-]*)?", name)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def is_below_floor(version: Version) -> bool:
    """True for a version with a known hole."""
    return version < FLOOR


def known_cves(version: Version) -> list[str]:
    """Published holes that are open in a version, those that were fixed first in front."""
    return [cve for fixed, cves in sorted(FIXED_IN.items()) if version < fixed for cve in cves]
