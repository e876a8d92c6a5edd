"""Whether a text has a secret in it, as it is or in one of the ways in which it is written elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

SHORTEST = 8
"""Characters from which on a secret is looked for inside other text; `app` would be found in any label."""


def has_any(text: str, secrets: Iterable[str]) -> bool:
    """A short secret counts only as the whole text, or as all that is behind its first `=`."""
    return any(_has(text, secret) for secret in secrets if secret)


def _has(text: str, secret: str) -> bool:
    written = {
        secret,
        quote(secret, safe=""),  # in a DSN
        secret.replace("\\", "\\\\").replace(":", "\\:"),  # in a password file
        secret.replace('"', '""'),  # in a userlist
        secret.replace("'", "''"),  # in SQL and ini
    }
    if len(secret) < SHORTEST:
        return not written.isdisjoint({text, text.partition("=")[2]})
    return any(form in text for form in written)
