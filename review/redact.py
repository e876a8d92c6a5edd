"""Secrets out of text that others wrote: the words of the engine, of a provider, of a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from review.state import secrets

HIDDEN = "[secret]"
FROM_STATE = 8
"""Characters from which on a text of the state counts: shorter ones are modes and numbers beside the secrets."""

PLAIN_FILE = "0440"
"""Mode of a container's files without a secret beside some with one: the engine marks them all (measured)."""


@dataclass(frozen=True)
class Secrets:
    """Every secret that a text could repeat, longest first."""

    _texts: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, config: Mapping[str, object], state: Mapping[str, object]) -> Secrets:
        """From `pulumi config --json --show-secrets` and `pulumi stack export --show-secrets`.

        A secret that stands in clear in the configuration, like a password that is a role's name, stays: to hide
        just that would tell it.
        """
        secret: set[str] = set()
        plain: set[str] = set()
        for entry in config.values():
            if isinstance(entry, Mapping):
                (secret if entry.get("secret") else plain).update(_leaves(_decoded(entry)))
        for text in secrets(state):
            secret.update(leaf for leaf in _leaves(text) if len(leaf) >= FROM_STATE)
        spellings = {spelling for text in secret - plain if text.strip() for spelling in _spellings(text)}
        return cls(tuple(sorted(spellings - plain, key=lambda text: (-len(text), text))))

    def hide(self, text: str) -> str:
        """The text with every secret in it replaced."""
        for secret in self._texts:
            text = text.replace(secret, HIDDEN)
        return text

    def hidden(self, value: object) -> object:
        """The same for every text in a document."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {key: self.hidden(item) for key, item in value.items()}
        return value


def _decoded(entry: Mapping[str, object]) -> object:
    """Objects come twice: as a value and as JSON text."""
    return entry.get("objectValue", entry.get("value"))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("permissions") == PLAIN_FILE:
            return
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value


def _spellings(text: str) -> Iterator[str]:
    """As it is, in a DSN, in JSON, in SQL and as Python shows it."""
    yield text
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield text.replace("'", "''")
    yield repr(text)[1:-1]
