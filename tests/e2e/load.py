"""Bounded load on a lane, and what it met: failed transactions, refused logins, backends and the longest stall."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

SAMPLE_SECONDS = 0.1


@dataclass
class Report:
    """Counts of one load. `cut` are errors after a transaction had its first reply and before its commit."""

    transactions: int = 0
    cut: list[str] = field(default_factory=list)
    closed_between: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    longest_stall: float = 0.0
    """Seconds between two commits of one client, logins and errors in between included."""
    last_commit: float | None = None

    def add(self, other: Report) -> None:
        """Sum up, the longest stall being the longest of all."""
        self.transactions += other.transactions
        self.cut += other.cut
        self.closed_between += other.closed_between
        self.refused += other.refused
        self.longest_stall = max(self.longest_stall, other.longest_stall)


@contextmanager
def busy(dsn: Callable[[], str], clients: int, *, reconnect: bool = True) -> Iterator[Report]:
    """`clients` threads that run two-statement transactions until the block ends; then the report is complete."""
    stop, total, reports = threading.Event(), Report(), [Report() for _ in range(clients)]
    threads = [
        threading.Thread(target=_run, args=(dsn, stop, report, reconnect), daemon=True) for report in reports
    ]
    for thread in threads:
        thread.start()
    try:
        yield total
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"
        for report in reports:
            total.add(report)


def _run(dsn: Callable[[], str], stop: threading.Event, report: Report, reconnect: bool) -> None:
    while not stop.is_set():
        try:
            connection = psycopg.connect(dsn(), connect_timeout=5, autocommit=True)
        except psycopg.OperationalError as refused:
            report.refused.append(str(refused))
            time.sleep(0.05)
            continue
        with connection:
            try:
                _transactions(connection, stop, report)
            except psycopg.OperationalError:
                if not reconnect:
                    return


def _transactions(
    connection: psycopg.Connection[tuple[object, ...]], stop: threading.Event, report: Report
) -> None:
    while not stop.is_set():
        inside = False
        try:
            connection.execute("BEGIN")
            inside = True
            connection.execute("SELECT pg_catalog.pg_sleep(0.005)")
            connection.execute("COMMIT")
        except psycopg.Error as error:
            (report.cut if inside else report.closed_between).append(str(error))
            if isinstance(error, psycopg.OperationalError):
                raise
            connection.execute("ROLLBACK")
        else:
            now = time.monotonic()
            report.transactions += 1
            report.longest_stall = max(report.longest_stall, now - (report.last_commit or now))
            report.last_commit = now


@contextmanager
def backends_of(server: str, addresses: Callable[[], list[str]]) -> Iterator[list[int]]:
    """Number of backends with one of these client addresses, sampled every 100 ms while the block runs."""
    stop, samples = threading.Event(), list[int]()

    def sample() -> None:
        with psycopg.connect(server, autocommit=True) as watcher:
            while not stop.is_set():
                row = watcher.execute(
                    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE client_addr = ANY(%s::inet[])",
                    [addresses()],
                ).fetchone()
                samples.append(int(row[0]) if row else -1)
                time.sleep(SAMPLE_SECONDS)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join(timeout=10)
