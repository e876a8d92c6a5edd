"""One look at pools, waits and backends: what `make watch` shows, as plain facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.settings import Settings
from views.consoles import Console, Rows


@dataclass(frozen=True)
class Pool:
    """One user on one entry of one pooler. Counts are connections, `longest_wait` in seconds."""

    entry: str
    user: str
    active: int
    waiting: int
    longest_wait: float
    backends: int
    working: int
    """Backends that work for a client now."""


@dataclass(frozen=True)
class Entry:
    """A line of [databases] in one pooler."""

    name: str
    mode: str
    """transaction or session."""
    backends: int
    cap: int
    paused: bool
    lookups: bool
    """It serves logins, no service."""
    pools: tuple[Pool, ...]
    holder: Holder | None
    """The longest transaction on it."""


@dataclass(frozen=True)
class Holder:
    """Who holds a backend. `seconds` is the age of the transaction."""

    pid: int
    user: str
    application: str
    address: str
    """Of the client."""
    state: str
    seconds: float


@dataclass(frozen=True)
class Pooler:
    """One process. `backends` includes lookups, and `cap` bounds them."""

    id: str
    backends: int
    cap: int
    paused: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Server:
    """Postgres. `usable` is `max_connections` without what is reserved for superusers."""

    connections: int
    usable: int
    max_connections: int


@dataclass(frozen=True)
class Look:
    """All of it, within about a second."""

    stack: str
    taken: str
    """Time of day, UTC."""
    poolers: tuple[Pooler, ...]
    server: Server | None
    trouble: str
    """Why Postgres was not asked; empty when it was."""

    @property
    def waiting(self) -> int:
        return sum(pool.waiting for pool in self.pools())

    @property
    def longest_wait(self) -> float:
        return max((pool.longest_wait for pool in self.pools()), default=0.0)

    def pools(self) -> list[Pool]:
        return [pool for pooler in self.poolers for entry in pooler.entries for pool in entry.pools]


Transactions = Mapping[int, tuple[str, float]]
"""pid → (state, seconds) of open transactions."""


def pooler(console: Console, settings: Settings, transactions: Transactions) -> Pooler:
    """What one console said, joined with what Postgres says of its backends."""
    return Pooler(
        console.pooler,
        len(console.servers),
        settings.max_backends,
        console.state.get("paused") == "yes",
        tuple(
            _entry(row, console, transactions, lookups=row["name"] == settings.names.auth_entry)
            for row in console.databases
        ),
    )


def _of(entry: str, rows: Rows) -> Rows:
    return [row for row in rows if row["database"] == entry]


def _entry(row: dict[str, str], console: Console, transactions: Transactions, *, lookups: bool) -> Entry:
    name = row["name"]
    pools = [_pool(one) for one in _of(name, console.pools)]
    shown = [pool for pool in pools if pool.active or pool.waiting or pool.backends]
    return Entry(
        name,
        row["pool_mode"],
        len(_of(name, console.servers)),
        int(row["max_connections"]),
        row["paused"] == "1",
        lookups,
        tuple(sorted(shown, key=lambda pool: (-pool.waiting, pool.user))),
        _holder(_of(name, console.servers), {one["ptr"]: one for one in console.clients}, transactions),
    )


def _pool(row: dict[str, str]) -> Pool:
    states = (
        "sv_active",
        "sv_active_cancel",
        "sv_being_canceled",
        "sv_idle",
        "sv_used",
        "sv_tested",
        "sv_login",
    )
    waiting = int(row["cl_waiting"])
    return Pool(
        row["database"],
        row["user"],
        int(row["cl_active"]),
        waiting,
        int(row["maxwait"]) + int(row["maxwait_us"]) / 1e6 if waiting else 0.0,
        sum(int(row[state]) for state in states),
        int(row["sv_active"]),
    )


def _holder(
    servers: Rows, clients: Mapping[str, dict[str, str]], transactions: Transactions
) -> Holder | None:
    found = [
        (transactions[int(row["remote_pid"])], row)
        for row in servers
        if int(row["remote_pid"]) in transactions
    ]
    if not found:
        return None
    (state, seconds), row = max(found, key=lambda one: one[0][1])
    client = clients.get(row["link"], {})
    return Holder(
        int(row["remote_pid"]), row["user"], row["application_name"], client.get("addr", ""), state, seconds
    )
