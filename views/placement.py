"""Where the connections of each service are, against the lane that is declared for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from components.entries import divide
from components.settings import Lane, Settings
from views.sample import Sample


@dataclass(frozen=True)
class Placement:
    """One service now. Counts are connections; `longest_wait` in seconds."""

    service: str
    user: str
    lane: str
    transaction_clients: int
    """Clients on its own entry of this lane."""
    session_clients: int
    elsewhere_clients: int
    """Clients on an entry that is not its own: shared with others though it has one, or of another database."""
    past: int
    """Connections that reach Postgres past the pooler."""
    backends: int
    """Backends of the pooler that worked for it last."""
    waiting: int
    longest_wait: float
    superuser: bool

    @property
    def next_step(self) -> str:
        """What to do now, one sentence."""
        pooled = self.transaction_clients + self.session_clients + self.elsewhere_clients
        if self.lane == Lane.DIRECT:
            if pooled:
                return f"still on the pooler: {pooled}; redeploy with the direct DSN"
            return "stays direct until its route is changed" if self.past else "no connection seen"
        if self.past:
            return f"bypassing its lane: {self.past}; redeploy with its DSN"
        wrong = self.session_clients if self.lane == Lane.TRANSACTION else self.transaction_clients
        if wrong:
            return f"on the other lane: {wrong}; redeploy with its DSN"
        if self.elsewhere_clients:
            return f"on another entry: {self.elsewhere_clients}; redeploy with its DSN"
        return "nothing: it has moved" if pooled else "no connection seen"

    @property
    def bypasses(self) -> bool:
        """Some of its connections are not where its route says."""
        return "redeploy" in self.next_step


def owner(settings: Settings, user: str, application: str) -> str | None:
    """The service that a connection belongs to: by user and application_name, by user alone if only one has it."""
    having = [name for name, service in settings.services.items() if service.user == user]
    if application in having:
        return application
    return having[0] if len(having) == 1 else None


def place(settings: Settings, sample: Sample) -> list[Placement]:
    """One line for each declared service, in the order of the configuration."""
    found, entries = [], divide(settings)
    for name, service in settings.services.items():
        clients = [
            client for client in sample.clients if owner(settings, client.user, client.application) == name
        ]
        backends = [one for one in sample.backends if owner(settings, one.user, one.application) == name]
        own = entries.of(settings, name)
        on_transaction = sum(client.entry == own[Lane.TRANSACTION] for client in clients)
        on_session = sum(client.entry == own.get(Lane.SESSION) for client in clients)
        found.append(
            Placement(
                name,
                service.user,
                service.route.value,
                on_transaction,
                on_session,
                len(clients) - on_transaction - on_session,
                sum(not one.pooled for one in backends),
                sum(one.pooled for one in backends),
                sum(client.waiting for client in clients),
                max((client.wait for client in clients), default=0.0),
                service.user in sample.superusers,
            )
        )
    return found


@dataclass(frozen=True)
class Place:
    """Connections that came the same way. `way` is a lane's name, or `past` the pooler."""

    way: str
    role: str
    application: str
    address: str
    connections: int


PAST = "past"


def places(settings: Settings, sample: Sample) -> list[Place]:
    """Where all connections of the services' roles are, those past the pooler first."""
    session = {entry.name for entry in divide(settings).entries if entry.pool_mode == "session"}
    through = Counter(
        (
            Lane.SESSION.value if client.entry in session else Lane.TRANSACTION.value,
            client.user,
            client.application,
            client.address,
        )
        for client in sample.clients
    )
    return past(settings, sample) + [Place(*where, number) for where, number in sorted(through.items())]


def past(settings: Settings, sample: Sample) -> list[Place]:
    """Everything past the pooler, by services' roles."""
    counted = Counter(
        (PAST, one.user, one.application, one.address)
        for one in sample.backends
        if not one.pooled and one.user in settings.users()
    )
    return [Place(*where, number) for where, number in sorted(counted.items())]
