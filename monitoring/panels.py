"""What the dashboard shows: panels with their queries, without anything of Grafana."""

from __future__ import annotations

from dataclasses import dataclass

from components.entries import divide
from components.settings import Settings
from monitoring.pools import pools, services_on
from monitoring.rules import past_the_pooler, wait_bound
from monitoring.series import Series

RATE_WINDOW = "1m"
"""At least four scrapes of the usual 15 s."""


@dataclass(frozen=True)
class Query:
    """One line, or one line per series. `legend` as in Grafana."""

    expr: str
    legend: str
    limit: bool = False
    """A declared limit, drawn as a dashed line."""


@dataclass(frozen=True)
class Panel:
    """A graph over time."""

    title: str
    axis: str
    unit: str
    """Grafana's name of the unit."""
    description: str
    queries: tuple[Query, ...]


def panels(settings: Settings, series: Series) -> tuple[Panel, ...]:
    """All panels, in reading order."""
    return (
        _clients(settings, series),
        _backends(settings, series),
        _waiting(settings, series),
        _longest_wait(settings, series),
        _transactions(settings, series),
        _server(settings, series),
        _past(settings, series),
        _by_application(series),
    )


def _limit(value: float, legend: str) -> Query:
    return Query(f"vector({value:g})", legend, limit=True)


def _clients(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(f"sum({series.clients(database=pool.entry, user=pool.user)}) or vector(0)", pool.title)
        for pool in pools(settings)
    ]
    return Panel(
        "Clients per service",
        "clients",
        "short",
        "Connections of services to the pooler. Services that share a user and an entry are one line.",
        tuple(queries),
    )


def _backends(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(f"sum({series.backends(database=pool.entry, user=pool.user)}) or vector(0)", pool.title)
        for pool in pools(settings)
    ]
    queries.append(Query(f"sum({series.backends()}) or vector(0)", "all, lookups included"))
    queries.append(_limit(settings.max_backends, f"cap: max_backends {settings.max_backends}"))
    return Panel(
        "Backends per service",
        "backends",
        "short",
        "Server connections of the pooler, against the cap of the stack.",
        tuple(queries),
    )


def _waiting(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(f"sum({series.waiting(database=pool.entry, user=pool.user)}) or vector(0)", pool.title)
        for pool in pools(settings)
    ]
    queries.append(
        Query(f"sum({series.waiting(database=settings.names.auth_entry)}) or vector(0)", "logins (lookup)")
    )
    return Panel(
        "Waiting clients per service", "clients", "short", "Clients without a backend.", tuple(queries)
    )


def _longest_wait(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(f"max({series.longest_wait(database=pool.entry, user=pool.user)}) or vector(0)", pool.title)
        for pool in pools(settings)
    ]
    bound = wait_bound(settings)
    queries.append(_limit(bound, f"query_wait_timeout: {bound} s"))
    return Panel(
        "Longest wait per service",
        "seconds",
        "s",
        "How long the client waits that has waited longest.",
        tuple(queries),
    )


def _transactions(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(
            f"sum(rate({series.transactions(database=entry.name)}[{RATE_WINDOW}])) or vector(0)",
            services_on(settings, entry.name) or f"nobody's route ({entry.name})",
        )
        for entry in divide(settings).entries
        if entry.name != settings.names.auth_entry
    ]
    return Panel(
        "Transactions per service",
        "transactions per second",
        "short",
        "PgBouncer counts them by entry; a service with a pool_size of its own has its own line.",
        tuple(queries),
    )


def _server(settings: Settings, series: Series) -> Panel:
    usable = settings.max_connections - settings.reserved_connections
    return Panel(
        "Connections of the server",
        "connections",
        "short",
        "All connections that Postgres holds, against what max_connections leaves to clients.",
        (
            Query(f"sum({series.connections()}) or vector(0)", "all clients of the server"),
            Query(f"sum({series.backends()}) or vector(0)", "the pooler's"),
            _limit(usable, f"max_connections − reserved: {usable}"),
        ),
    )


def _past(settings: Settings, series: Series) -> Panel:
    queries = [
        Query(f"({past_the_pooler(settings, series, user)}) or vector(0)", user) for user in settings.users()
    ]
    return Panel(
        "Connections past the pooler, per user",
        "connections",
        "short",
        "What Postgres holds for a user, without what the pooler holds for it.",
        tuple(queries),
    )


def _by_application(series: Series) -> Panel:
    return Panel(
        "Connections of the server, per application_name",
        "connections",
        "short",
        "The DSNs of the stack set it to the service's name.",
        (Query(f"sum by (application_name) ({series.connections()})", "{{application_name}}"),),
    )
