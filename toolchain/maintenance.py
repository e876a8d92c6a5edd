"""`make db-maintenance`: hold clients back at the pooler while a command works on the database, then let them go on."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from toolchain import pooler_console
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.stack import option
from toolchain.steps import say

POLL_SECONDS = 0.2
NOT_READY = ("refused", "starting up", "shutting down", "recovery", "timeout", "timed out", "translate", "too many",
             "No route", "unreachable", "closed the connection", "reset by peer")  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Seconds."""

    pause: float = 30
    """For running transactions to end; then nothing is done."""
    grace: float = 10
    """For clients of the session lane to leave; then they are ended."""
    ready: float = 120
    """For Postgres to accept connections after the command; then clients are let go on anyway."""

    @classmethod
    def of(cls, **given: str) -> Times:
        """Seconds as they are typed, empty for the default; a Problem names the one that is no number."""
        chosen = {}
        for name, text in given.items():
            if text and not re.fullmatch(r"\d{1,5}(\.\d+)?", text):
                raise Problem(
                    f"{name.upper()}: {text} is no number of seconds; write it like {name.upper()}=30"
                )
            if text:
                chosen[name] = float(text)
        return cls(**chosen)


@dataclass(frozen=True)
class Entry:
    """One entry of one pooler."""

    pooler: str
    name: str
    pool_mode: str
    host: str
    port: str
    dbname: str


def maintain(stack: str, command: str, times: Times) -> None:
    """Runs the command while nobody talks to the database; whatever happens, clients go on afterwards."""
    if not command.strip():
        raise Problem('CMD: is empty; name the command, like CMD="docker restart timescale_db"')
    entries = [entry for pooler in pooler_console.poolers(stack) for entry in entries_of(pooler)]
    if not entries:
        raise Problem(
            f"stack {stack} has no running pooler on this engine; without one there is nobody to hold back"
        )
    say(f"if this is killed in between, `make db-maintenance{option(stack)} CMD=true` lets the clients go on")
    with _interruptible(), _without_wait_timeout(entries):
        began = time.monotonic()
        try:
            _pause(stack, entries, times)
            say(f"paused {', '.join(sorted({entry.name for entry in entries}))}; running: {command}")
            status = subprocess.run(command, shell=True, check=False).returncode  # noqa: S602 it is the user's own
            ready = _wait_for_database(entries, times.ready)
        finally:
            _resume(entries)
            say(f"clients go on after {time.monotonic() - began:.1f} s")
    if status:
        raise Problem(f"the command failed (exit code {status}); clients go on")
    if not ready:
        raise Problem(
            f"the database did not accept connections within {times.ready:.0f} s; clients go on and find out"
        )


def entries_of(pooler: str) -> list[Entry]:
    """All entries but the console's own."""
    return [
        Entry(pooler, row["name"], row["pool_mode"], row["host"], row["port"], row["database"])
        for row in pooler_console.ask(pooler, "SHOW DATABASES")
        if row["name"] != "pgbouncer"
    ]


def in_order(entries: list[Entry]) -> list[Entry]:
    """The session lane first, which may take its grace; the lookups last, so that logins in progress can finish."""
    lookups = {entry.name for entry in entries if entry.name.endswith("_auth")}
    return sorted(
        entries, key=lambda entry: (entry.name in lookups, entry.pool_mode != "session", entry.name)
    )


def accepts(said: str) -> bool:
    """Whether an answer to a login without a password shows a Postgres that serves."""
    return not any(word in said for word in NOT_READY)


def _pause(stack: str, entries: list[Entry], times: Times) -> None:
    for entry in in_order(entries):
        if entry.pool_mode == "session":
            _end_sessions(entry, times.grace)
            continue
        ended = _ask(entry, f"PAUSE {entry.name}", times.pause)
        if ended.returncode == 124:
            raise Problem(
                f"a transaction on {entry.name} did not end within {times.pause:.0f} s; nothing was run, clients "
                f'go on. See who it is: make console{option(stack)} CMD="SHOW SERVERS"'
            )
        if ended.returncode and "already" not in ended.stderr:
            raise Problem(
                f"{entry.name} cannot be paused: {ended.stderr.strip()}; nothing was run, clients go on"
            )


def _end_sessions(entry: Entry, grace: float) -> None:
    """PAUSE would wait for clients of the session lane until they leave; KILL ends them and holds new ones back."""
    end = time.monotonic() + grace
    while (there := _clients(entry)) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    if there:
        say(f"ending {there} clients of the session lane {entry.name} after {grace:.0f} s")
    _ask(entry, f"KILL {entry.name}", 10)


def _clients(entry: Entry) -> int:
    return sum(row["database"] == entry.name for row in pooler_console.ask(entry.pooler, "SHOW CLIENTS"))


def _wait_for_database(entries: list[Entry], seconds: float) -> bool:
    """Asks from inside the pooler's container, where its host name is known."""
    entry, end = entries[0], time.monotonic() + seconds
    question = ["env", "PGCONNECT_TIMEOUT=2", "LC_ALL=C", "psql", "-Xwq", "-h", entry.host, "-p", entry.port,
                "-U", "pgbouncer", "-d", entry.dbname, "-c", ""]  # fmt: skip
    while time.monotonic() < end:
        answer = attempt(["docker", "exec", entry.pooler, *question])
        if accepts(answer.stderr):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _resume(entries: list[Entry]) -> None:
    """Every entry of every pooler; one that was not paused yet refuses, which is no matter."""
    for entry in entries:
        _ask(entry, f"RESUME {entry.name}", 10)


@contextmanager
def _without_wait_timeout(entries: list[Entry]) -> Iterator[None]:
    """Clients that are held back would get an error after query_wait_timeout."""
    before = {
        pooler: next(
            row["value"]
            for row in pooler_console.ask(pooler, "SHOW CONFIG")
            if row["key"] == "query_wait_timeout"
        )
        for pooler in dict.fromkeys(entry.pooler for entry in entries)
    }
    try:
        for pooler in before:
            pooler_console.ask(pooler, "SET query_wait_timeout = 0")
        yield
    finally:
        for pooler in before:
            # what the file says: a run that was killed may have left 0 behind
            pooler_console.ask(pooler, "RELOAD")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as ^C does, with its clean-up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # the clean-up is not interrupted again
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask(entry: Entry, command: str, seconds: float) -> subprocess.CompletedProcess[str]:
    connect = ["docker", "exec", entry.pooler, "sh", "-c", pooler_console.CONNECT, "console", "-c", command]
    return attempt(connect, timeout=seconds)
