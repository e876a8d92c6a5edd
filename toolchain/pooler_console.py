"""The admin console of a stack's pooler, over its socket inside the container: no password, no port."""

from __future__ import annotations

import csv
import io
import os
import secrets
import sys
from collections.abc import Sequence

from toolchain import engine
from toolchain.dev_database import STACK_LABEL
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.stack import option

SLOT_FILE = "/tmp/slot"  # noqa: S108 in the container; the pooler notes its socket folder there
# The name of the socket ends with the port.
CONNECT = """
folder=$(cat /tmp/slot) && for socket in "$folder"/.s.PGSQL.*; do
    case $socket in *.lock) ;; *) port=${socket##*.} ;; esac
done
exec psql -X -v HISTFILE=/tmp/.psql_history -h "$folder" -p "$port" -U pgbouncer -d pgbouncer "$@"
"""


def poolers(stack: str) -> list[str]:
    """Ids of the running poolers, the newest first; there are two while one replaces the other."""
    running = engine.listed("container", f"label={STACK_LABEL}={stack}", "status=running")
    return [
        one for one in running if attempt(["docker", "exec", one, "test", "-s", SLOT_FILE]).returncode == 0
    ]


def ask(pooler: str, command: str) -> list[dict[str, str]]:
    """The rows that a console command answers."""
    answer = engine.docker("exec", pooler, "sh", "-c", CONNECT, "console", "--csv", "-c", command)
    return list(csv.DictReader(answer.splitlines()))


def ask_all(pooler: str, commands: Sequence[str]) -> list[list[dict[str, str]]]:
    """The rows of several console commands by one connection, in their order."""
    mark = secrets.token_hex(
        8
    )  # a client chooses its application_name, so no fixed word may part the answers
    words = [word for one in commands for word in ("-c", one, "-c", f"\\echo {mark}")]
    answer = engine.docker("exec", pooler, "sh", "-c", CONNECT, "console", "--csv", *words)
    found: list[list[dict[str, str]]] = []
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(answer, newline="")):
        if row != [mark]:
            rows.append(row)
            continue
        header, *rest = rows or [[]]
        found.append([dict(zip(header, cells, strict=True)) for cells in rest])
        rows = []
    return found


def clients(stack: str) -> list[str]:
    """`user@database from address` of everybody who is connected, the console's own users left out."""
    return [
        f"{row['user']}@{row['database']} from {row['addr']}"
        for pooler in poolers(stack)
        for row in ask(pooler, "SHOW CLIENTS")
        if row["database"] != "pgbouncer"
    ]


def open_console(stack: str, command: str | None) -> int:
    """An interactive console, or one command; replaces this process."""
    found = poolers(stack)
    if not found:
        raise Problem(
            f"stack {stack} has no running pooler on this engine; run `make up STACK={stack}`, or see `docker ps -a`"
        )
    if command is None and not sys.stdin.isatty():
        raise Problem(
            f'the console needs a terminal; for one command run `make console{option(stack)} CMD="SHOW POOLS"`'
        )
    terminal = ["-it"] if command is None else []
    wanted = ["-c", command] if command else []
    words = [
        "docker",
        "exec",
        *terminal,
        found[0],
        "sh",
        "-c",
        CONNECT,
        "console",
        "-P",
        "pager=off",
        *wanted,
    ]
    os.execvp(words[0], words)  # noqa: S606 becoming docker is the point
