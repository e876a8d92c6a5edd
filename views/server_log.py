"""Statements from the end of the server's log, where it is written as csvlog or jsonlog and may be read."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from views.database import Connection, query
from views.evidence import Recorded, Statement
from views.statements import findings
from views.table_use import uses

READ_BYTES = 4 * 1024 * 1024
"""Of the end of the current file; older ones are not opened."""

_FORMS = ("jsonlog", "csvlog")
_MESSAGE = re.compile(
    r"(?:duration: (?P<ms>[\d.]+) ms)?\s*(?:(?:statement|execute [^:]*): (?P<text>.+))?", re.DOTALL
)
_CSV_START = re.compile(r"^\d{4}-\d\d-\d\d \d\d:", re.MULTILINE)
_CSV_USER, _CSV_DATABASE, _CSV_MESSAGE, _CSV_APPLICATION = 1, 2, 13, 22


@dataclass(frozen=True)
class Line:
    """One message of the log."""

    user: str
    database: str
    application: str
    message: str


def read(
    connection: Connection, user: str, database: str, is_ours: Callable[[str], bool]
) -> tuple[Recorded | None, str]:
    """What the log holds of a role, or why it holds nothing.

    `is_ours`: application_name → whether the service may be meant; a log tells services with one role apart.
    """
    collected, may_read, logged, slow = connection.execute(query("log")).fetchone() or (False, False, "", "")
    if logged in ("none", "ddl", "mod") and slow != "0":
        return None, f"log_statement is {logged}: statements like LISTEN and SET are not in it"
    if not collected:
        return None, "logging_collector is off: it cannot be read through Postgres"
    if not may_read:
        return None, "admin_user may not read files of the server"
    for form in _FORMS:
        [file] = connection.execute(query("log_file"), {"form": form}).fetchone() or (None,)
        if file is not None:
            row = connection.execute(query("log_end"), {"file": file, "bytes": READ_BYTES}).fetchone()
            text = bytes(row[0] if row and isinstance(row[0], bytes) else b"").decode(errors="replace")
            statements = tuple(_statements(lines(form, text), user, database, is_ours))
            return Recorded(f"the server's {form}", statements, None, ()), ""
    return None, "log_destination has neither csvlog nor jsonlog"


def lines(form: str, text: str) -> Iterator[Line]:
    """Messages of a log whose first line may be cut off."""
    return _json_lines(text) if form == "jsonlog" else _csv_lines(text)


def _json_lines(text: str) -> Iterator[Line]:
    for line in text.splitlines():
        try:
            found: dict[str, Any] = json.loads(line)
            names = ("user", "dbname", "application_name", "message")
            yield Line(*(str(found.get(name, "")) for name in names))
        except (ValueError, AttributeError):
            continue


def _csv_lines(text: str) -> Iterator[Line]:
    first = _CSV_START.search(text)  # what is before it is the rest of a message
    csv.field_size_limit(READ_BYTES)
    for row in csv.reader(io.StringIO(text[first.start() :] if first else "", newline="")):
        if len(row) > _CSV_APPLICATION:
            yield Line(row[_CSV_USER], row[_CSV_DATABASE], row[_CSV_APPLICATION], row[_CSV_MESSAGE])


def _statements(
    found: Iterator[Line], user: str, database: str, is_ours: Callable[[str], bool]
) -> Iterator[Statement]:
    for line in found:
        if (line.user, line.database) != (user, database) or not is_ours(line.application):
            continue
        parts = _MESSAGE.match(line.message)
        if parts and parts["text"]:
            seconds = float(parts["ms"] or 0) / 1000
            yield Statement(1, seconds, seconds, findings(parts["text"]), uses(parts["text"]))
