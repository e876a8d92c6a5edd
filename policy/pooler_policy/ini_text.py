"""The [databases] section of a pgbouncer.ini, read as PgBouncer reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pooler_policy.resource import Resource
from pooler_policy.values import UNKNOWN, items, opened

_PAIR = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|\S+)")


@dataclass(frozen=True)
class Entry:
    """One line: name, and the pairs of its connection string."""

    name: str
    values: dict[str, str]


def database_entries(text: str) -> list[Entry]:
    """Entries of [databases], in order; keys are lower case."""
    found, section = [], ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if header := re.fullmatch(r"\[([^]]*)\]", line):
            section = header[1].strip().lower()
        elif section == "databases" and not line.startswith("%"):
            name, _, connection = line.partition("=")
            pairs = {key.lower(): value.strip("'") for key, value in _PAIR.findall(connection)}
            found.append(Entry(name.strip().strip('"'), pairs))
    return found


def included_files(text: str) -> list[str]:
    """Files that the text takes in: what is in them is not seen here."""
    return re.findall(r"^\s*%include\s+(.+?)\s*$", text, re.MULTILINE)


def ini_of(resource: Resource) -> Iterator[str]:
    """Text of every pgbouncer.ini that a container uploads and the engine knows already."""
    if resource.is_our_container:
        for upload in map(opened, items(resource.properties.get("uploads"))):
            if not isinstance(upload, dict) or not str(upload.get("file")).endswith(".ini"):
                continue
            text = upload.get("content")
            if text and text is not UNKNOWN:
                yield str(text)
