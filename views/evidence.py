"""What the live database shows of a service: plain facts, no judgement, and no text of any statement."""

from __future__ import annotations

from dataclasses import dataclass

from views.statements import Finding
from views.table_use import Use


@dataclass(frozen=True)
class Session:
    """A connection of the service's role. Times in seconds."""

    pid: int
    application: str
    address: str
    replication: bool
    state: str
    state_seconds: float
    transaction_seconds: float | None
    """Age of its transaction; None between transactions."""
    advisory_locks: int
    findings: tuple[Finding, ...] | None
    """Of its last statement; None where the text could not be read."""
    pooled: bool
    owner: str | None
    """The service that it belongs to; None where application_name does not tell."""

    @property
    def busy(self) -> bool:
        """It holds a backend on the transaction lane too."""
        return self.transaction_seconds is not None


@dataclass(frozen=True)
class Statement:
    """One statement of the role that was recorded. Times in seconds."""

    calls: int
    longest: float
    total: float
    findings: tuple[Finding, ...] | None
    uses: frozenset[Use]


@dataclass(frozen=True)
class Recorded:
    """What was recorded of the role in the database."""

    source: str
    """pg_stat_statements, or the server's log."""
    statements: tuple[Statement, ...]
    seconds: float | None
    """How long it has been recording; None where the source does not say."""
    gaps: tuple[str, ...]
    """What it does not hold, one sentence each."""


@dataclass(frozen=True)
class Role:
    """The role of the service."""

    superuser: bool
    replication: bool
    createdb: bool
    createrole: bool
    connection_limit: int
    """-1 is none."""
    may_connect: bool
    member_of: tuple[str, ...]
    temporary_tables: int


@dataclass(frozen=True)
class Table:
    """A table or view of the database, and what the role may do with it."""

    schema: str
    name: str
    owned: bool
    may: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen of one service, within about a second."""

    service: str
    user: str
    database: str
    """Name on the server."""
    shared_with: tuple[str, ...]
    """Other services that log in as the same role to the same database."""
    looks: int
    """How often sessions were looked at."""
    sessions: tuple[Session, ...]
    """Those of other services, by name, are left out."""
    most_busy: int
    """Most of them that were in a transaction at one look."""
    recorded: tuple[Recorded, ...]
    missing: tuple[tuple[str, str], ...]
    """(source, why it says nothing and how to add it)."""
    role: Role
    tables: tuple[Table, ...]
