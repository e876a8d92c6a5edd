"""The oracle after a fault: an append-only ledger holds every acknowledged commit, and none twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.e2e.deployment import Deployment

TABLE = "CREATE TABLE IF NOT EXISTS ledger (client text, sequence int, PRIMARY KEY (client, sequence));"


@dataclass
class Client:
    """One writer that reconnects whenever it is thrown out."""

    name: str
    acknowledged: list[int] = field(default_factory=list)
    errors: list[tuple[float, str]] = field(default_factory=list)
    """Moment on the monotonic clock, and what was said."""
    commits: list[float] = field(default_factory=list)
    """Moments of acknowledged commits."""


@dataclass
class Ledger:
    """What all writers met."""

    clients: list[Client]

    def errors(self) -> list[str]:
        return [text for client in self.clients for _, text in client.errors]

    def flows_again_after(self, moment: float) -> float:
        """Seconds from `moment` until the last of the clients had committed again."""
        return max(min(at for at in client.commits if at > moment) for client in self.clients) - moment

    def longest_stall(self) -> float:
        """Longest time between two commits of one client, in seconds."""
        gaps = [
            later - earlier
            for client in self.clients
            for earlier, later in zip(client.commits, client.commits[1:], strict=False)
        ]
        return max(gaps)

    def check(self, up: Deployment) -> None:
        """Every acknowledged commit is there; the primary key keeps duplicates out."""
        rows = up.database.sql("SELECT client || ' ' || sequence FROM ledger;").splitlines()
        kept = set(rows)
        lost = [
            f"{client.name} {number}"
            for client in self.clients
            for number in client.acknowledged
            if f"{client.name} {number}" not in kept
        ]
        assert sum(len(client.acknowledged) for client in self.clients) > 0, "nobody wrote anything"
        assert lost == [], f"{len(lost)} acknowledged commits are gone"


@contextmanager
def written(up: Deployment, dsn: Callable[[], str], clients: int, label: str) -> Iterator[Ledger]:
    """Writers that append until the block ends; then the ledger is complete."""
    up.database.sql(TABLE + "GRANT INSERT ON ledger TO PUBLIC;")
    ledger = Ledger([Client(f"{label}-{number}") for number in range(clients)])
    stop = threading.Event()
    threads = [
        threading.Thread(target=_write, args=(dsn, client, stop), daemon=True) for client in ledger.clients
    ]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"


def _write(dsn: Callable[[], str], client: Client, stop: threading.Event) -> None:
    sequence = 0  # a commit whose answer got lost may be there: its number is never used again
    while not stop.is_set():
        try:
            with psycopg.connect(dsn(), connect_timeout=5, autocommit=True) as connection:
                while not stop.is_set():
                    sequence += 1
                    connection.execute("INSERT INTO ledger VALUES (%s, %s)", [client.name, sequence])
                    client.acknowledged.append(sequence)
                    client.commits.append(time.monotonic())
                    time.sleep(0.01)
        except psycopg.Error as error:
            client.errors.append((time.monotonic(), " ".join(str(error).split())))
            time.sleep(0.1)
