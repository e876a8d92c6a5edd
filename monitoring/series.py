"""The series of the exporters, in PromQL.

Two exporters of PgBouncer are in use: prometheus-community's, and prometheus-pgbouncer-exporter from PyPI. They agree
on the names of the pools, not on those of the transactions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

# In these states a server connection is a backend of Postgres; those that forward a cancel are not.
_ESTABLISHED_STATES = "active|idle|used|testing|being_canceled"


@dataclass(frozen=True)
class Series:
    """Series of one stack: `job` scrapes its PgBouncer, `postgres_job` its server."""

    job: str
    postgres_job: str

    def clients(self, **labels: str) -> str:
        """Clients in pools, those that wait included."""
        return self._pools("client_(active|waiting)_connections", labels)

    def waiting(self, **labels: str) -> str:
        """Clients that wait for a backend."""
        return self._pools("client_waiting_connections", labels)

    def longest_wait(self, **labels: str) -> str:
        """Seconds that the client waits that has waited longest, per pool."""
        return self._pools("client_maxwait_seconds", labels)

    def backends(self, **labels: str) -> str:
        """Server connections in any state, those that are logging in included."""
        return self._pools(f"server_({_ESTABLISHED_STATES}|login)_connections", labels)

    def established_backends(self, **labels: str) -> str:
        """Server connections whose login has succeeded."""
        return self._pools(f"server_({_ESTABLISHED_STATES})_connections", labels)

    def busy_backends(self, **labels: str) -> str:
        """Server connections that are linked to a client."""
        return self._pools("server_active_connections", labels)

    def transactions(self, **labels: str) -> str:
        """Counter of finished transactions, per entry."""
        names = "pgbouncer_stats_transactions_total|pgbouncer_stats_totals_sql_transactions_pooled_total"
        return _selector(names, {"job": self.job} | labels)

    def pooler_up(self) -> str:
        """1 while the exporter gets its statistics from PgBouncer."""
        return f"pgbouncer_up{_braces({'job': self.job})}"

    def postgres_up(self) -> str:
        """1 while the exporter gets its statistics from Postgres."""
        return f"pg_up{_braces({'job': self.postgres_job})}"

    def connections(self, matchers: str = "", **labels: str) -> str:
        """Connections of clients that Postgres holds. `matchers`: more of them, as PromQL."""
        all_labels = {"job": self.postgres_job, "backend_type": "client backend"} | labels
        return f"pg_stat_activity_count{_braces(all_labels, matchers)}"

    def _pools(self, suffix: str, labels: dict[str, str]) -> str:
        return _selector(f"pgbouncer_pools_{suffix}", {"job": self.job} | labels)


def _selector(names: str, labels: dict[str, str]) -> str:
    if "|" not in names:
        return names + _braces(labels)
    return "{" + f'__name__=~"{names}", ' + _braces(labels)[1:]


def _braces(labels: dict[str, str], matchers: str = "") -> str:
    parts = [f"{name}={quoted(value)}" for name, value in labels.items()]
    return "{" + ", ".join([*parts, *([matchers] if matchers else [])]) + "}"


def quoted(text: str) -> str:
    """A string of PromQL: double quotes, escapes as in Go."""
    return json.dumps(text, ensure_ascii=False)


def one_of(label: str, values: tuple[str, ...]) -> str:
    """Matcher for a label that is one of some literal values."""
    escaped = ["".join(f"\\{c}" if c in "\\.+*?()|[]{}^$" else c for c in value) for value in values]
    return f"{label}=~{quoted('|'.join(escaped))}"
