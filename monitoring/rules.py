"""Alerting rules for Prometheus; every threshold is computed from what the stack declares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from components.entries import Entry, divide
from components.ini import reloadable
from components.settings import Settings
from monitoring.pools import allowed_past_the_pooler, pools
from monitoring.series import Series, one_of

SATURATED = 0.9
"""Share of a limit at which there is still time to act."""

UNBOUNDED_WAIT_SECONDS = 20
"""Stands for query_wait_timeout where the stack switches it off."""

RUNBOOK = "docs/metrics.md"


@dataclass(frozen=True)
class Alert:
    """One rule. `hold` is how long `expr` has to be true."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    description: str
    labels: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, object]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.hold,
            "labels": {"severity": self.severity, **dict(self.labels)},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


def render(settings: Settings, stack: str, series: Series) -> str:
    """A rule file with one group. Same settings, same bytes."""
    group = {
        "name": f"pgbouncer-{stack}",
        "rules": [alert.document() for alert in alerts(settings, series)],
    }
    header = "# Generated from the Pulumi stack; thresholds come from its configuration.\n"
    return header + yaml.safe_dump({"groups": [group]}, sort_keys=False, allow_unicode=True, width=110)


def alerts(settings: Settings, series: Series) -> list[Alert]:
    """All rules, those of each entry together."""
    divided = divide(settings).entries
    lookups = settings.names.auth_entry
    entries = [entry for entry in divided if entry.name != lookups]
    found: list[Alert] = []
    for entry in entries:
        found += _of_entry(settings, series, entry)
    return [
        *found,
        *_of_cap(settings, series, sum(entry.max_db_connections for entry in entries)),
        *_of_logins(settings, series),
        *_of_server(settings, series),
        *_past_the_pooler(settings, series),
        *_of_exporters(series),
    ]


def _of_entry(settings: Settings, series: Series, entry: Entry) -> Iterator[Alert]:
    labels = (("entry", entry.name),)
    size = entry.max_db_connections
    yield Alert(
        "PgBouncerClientsWaiting",
        f"sum({series.waiting(database=entry.name)}) >= {size}",
        "1m",
        "warning",
        f"clients queue for entry {entry.name}",
        f"{{{{ $value }}}} clients wait for a backend of {entry.name}, as many as it has backends ({size})",
        labels,
    )
    bound = wait_bound(settings, entry)
    yield Alert(
        "PgBouncerLongestWait",
        f"max(max_over_time({series.longest_wait(database=entry.name)}[2m])) >= {bound / 2:g}",
        "0s",
        "warning",
        f"a client of entry {entry.name} waits long",
        f"a client waited {{{{ $value }}}} s for a backend; half of its time ({bound} s) is up",
        labels,
    )
    yield Alert(
        "PgBouncerEntrySaturated",
        f"sum({series.busy_backends(database=entry.name)}) >= {_share(size)}",
        "5m",
        "warning",
        f"entry {entry.name} is nearly full",
        f"{{{{ $value }}}} of its {size} backends work at the same time",
        labels,
    )


def wait_bound(settings: Settings, entry: Entry | None = None) -> int:
    """Seconds after which a waiting client gets an error: of an entry, or of all that set none of their own."""
    if entry is not None and entry.query_wait_timeout is not None:
        return entry.query_wait_timeout
    declared = float(reloadable(settings)["query_wait_timeout"])
    return math.ceil(declared) or UNBOUNDED_WAIT_SECONDS


def _of_cap(settings: Settings, series: Series, usable: int) -> Iterator[Alert]:
    cap = settings.max_backends
    yield Alert(
        "PgBouncerCapSaturated",
        f"sum({series.busy_backends()}) >= {_share(usable)}",
        "5m",
        "warning",
        "the pooler's backends are nearly all at work",
        f"{{{{ $value }}}} of the {usable} backends that services can have (max_backends {cap}) work at the same time",
    )
    yield Alert(
        "PgBouncerCapExceeded",
        f"sum({series.backends()}) > {cap}",
        "1m",
        "critical",
        "the pooler holds more backends than its cap",
        f"{{{{ $value }}}} backends, max_backends is {cap}; the budget does not hold any more",
    )


def _of_logins(settings: Settings, series: Series) -> Iterator[Alert]:
    yield Alert(
        "PgBouncerLoginsWait",
        f"sum({series.waiting(database=settings.names.auth_entry)}) >= 1",
        "1m",
        "critical",
        "logins wait for the lookup of their password",
        "{{ $value }} logins wait; established clients go on, nobody new gets in",
    )
    open_ones = f"sum by (database) ({series.established_backends()})"
    yield Alert(
        "PgBouncerNoBackend",
        f"sum by (database) ({series.waiting()}) > 0 unless {open_ones} > 0",
        "30s",
        "critical",
        "the pooler cannot log in to Postgres",
        "{{ $value }} clients of {{ $labels.database }} wait and it has no backend at all",
    )
    for pool in pools(settings):
        clients = f"sum({series.clients(database=pool.entry, user=pool.user)})"
        yield Alert(
            "PgBouncerServiceGone",
            f"max_over_time({clients}[6h:1m]) > 0 unless {clients} > 0",
            "10m",
            "info",
            f"{pool.title}: nobody is connected any more",
            "had up to {{ $value }} clients within six hours and has none now; its logins may be refused",
            (("entry", pool.entry), ("user", _literal(pool.user))),
        )


def _of_server(settings: Settings, series: Series) -> Iterator[Alert]:
    usable = settings.max_connections - settings.reserved_connections
    yield Alert(
        "PostgresNearMaxConnections",
        f"sum({series.connections()}) >= {_share(usable)}",
        "2m",
        "critical",
        "the server is nearly full",
        f"{{{{ $value }}}} connections of the {usable} that max_connections ({settings.max_connections}) leaves to "
        "clients; beyond them logins fail with `too many clients already`",
    )


def _past_the_pooler(settings: Settings, series: Series) -> Iterator[Alert]:
    pooled = {pool.user for pool in pools(settings)}
    for user in settings.users():
        allowed = allowed_past_the_pooler(settings, user)
        shown = _literal(user)
        yield Alert(
            "PgBouncerBypassed" if user in pooled else "DirectConnectionsOverBudget",
            f"{past_the_pooler(settings, series, user)} > {allowed}",
            "5m",
            "warning",
            f"{shown} opens more connections past the pooler than declared",
            f"{{{{ $value }}}} connections of {shown} reach Postgres past the pooler; declared are {allowed}",
            (("user", shown),),
        )


def past_the_pooler(settings: Settings, series: Series, user: str) -> str:
    """Connections of a user that Postgres holds, without those that PgBouncer holds for it."""
    databases = one_of("datname", settings.dbnames())
    pooled = f"(sum({series.backends(user=user)}) or vector(0))"
    return f"sum({series.connections(databases, usename=user)}) - {pooled}"


def _of_exporters(series: Series) -> Iterator[Alert]:
    for name, up, what in (
        ("PgBouncerExporterDown", series.pooler_up(), "PgBouncer"),
        ("PostgresExporterDown", series.postgres_up(), "Postgres"),
    ):
        yield Alert(
            name,
            f"absent({up}) or {up} == 0",
            "2m",
            "critical",
            f"no statistics of {what}",
            f"the exporter does not answer, or {what} does not answer it; the other rules are blind",
        )


def _literal(name: str) -> str:
    """A name in labels and annotations, which are templates."""
    return name.replace("{{", '{{ "{{" }}')


def _share(limit: int) -> int:
    """SATURATED of a limit, rounded up: of small limits all."""
    return math.ceil(SATURATED * limit)
