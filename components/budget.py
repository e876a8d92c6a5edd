"""The connection budget: what the server's `max_connections` is spent on at this step of the cutover."""

from __future__ import annotations

from dataclasses import dataclass

from components.settings import Lane, Settings, SettingsError

MONITOR_CONNECTIONS = 2
"""Most connections of the exporter of Postgres, and the CONNECTION LIMIT of its role: it holds one, and its
collectors open one more while they are scraped."""


@dataclass(frozen=True)
class Budget:
    """Connections by spender, with the verdict. `table()` is what reviewers read."""

    max_connections: int
    committed: tuple[tuple[str, int], ...]
    """What this stack and the server itself may take at once."""
    direct: tuple[tuple[str, int], ...]
    """service → connections it declares while it is on the direct lane."""

    @property
    def total(self) -> int:
        """Connections if everybody takes its share at the same moment."""
        return sum(size for _, size in self.committed + self.direct)

    @property
    def overcommitted(self) -> int:
        """Connections beyond `max_connections`; 0 when it fits."""
        return max(0, self.total - self.max_connections)

    def table(self) -> str:
        """Aligned text, one spender per line, ending with the sum and the verdict."""
        rows = [*self.committed, *((f"direct: {name}", size) for name, size in self.direct)]
        rows.append(("sum", self.total))
        width = max(len(label) for label, _ in rows)
        lines = [f"{label:<{width}}  {size:>5}" for label, size in rows]
        verdict = f"over by {self.overcommitted}" if self.overcommitted else "fits"
        lines.append(f"{'max_connections':<{width}}  {self.max_connections:>5}  {verdict}")
        return "\n".join(lines)


def prove(settings: Settings) -> Budget:
    """Compute the budget; raises SettingsError when the pooler alone, or with `budget: strict` all, cannot fit."""
    processes = 1 if settings.ports else 2
    exporter = (("exporter of Postgres", MONITOR_CONNECTIONS),) if settings.reads_postgres else ()
    committed = (
        (
            f"pooler: max_backends {settings.max_backends}"
            + (" x 2 while an update overlaps" if processes == 2 else ""),
            settings.max_backends * processes,
        ),
        *exporter,
        ("this deployment during an update", settings.deployment_connections),
        ("reserved by the server", settings.reserved_connections),
    )
    direct = tuple(
        (name, service.direct_connections)
        for name, service in settings.services.items()
        if service.route is Lane.DIRECT and service.direct_connections
    )
    budget = Budget(settings.max_connections, committed, direct)
    spent = sum(size for _, size in committed)
    if spent > settings.max_connections:
        rest = settings.max_connections - (spent - settings.max_backends * processes)
        fits = rest // processes
        fix = (
            f"lower max_backends to {fits}, or raise max_connections of the server to {spent}"
            if fits > 0
            else f"raise max_connections of the server to {spent}"
        )
        raise SettingsError(
            f"max_backends: {settings.max_backends} does not fit into max_connections "
            f"({settings.max_connections}); {fix}\n{budget.table()}"
        )
    if budget.overcommitted and settings.budget == "strict":
        raise SettingsError(f"budget: strict, and {overcommitment(budget)}\n{budget.table()}")
    return budget


def overcommitment(budget: Budget) -> str:
    """One sentence: how far declared direct connections cross the limit, and which route ends it."""
    heaviest = max(budget.direct, key=lambda row: row[1], default=("", 0))
    return (
        f"declared connections cross max_connections by {budget.overcommitted} "
        f"({budget.total} of {budget.max_connections}); the largest step down is "
        f"services.{heaviest[0]}.route: transaction (-{heaviest[1]})"
    )
