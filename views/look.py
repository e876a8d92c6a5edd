"""Takes a Look: asks every pooler, then Postgres. Postgres does not have to answer for the poolers to be shown."""

from __future__ import annotations

from datetime import UTC, datetime

from components.settings import Settings
from toolchain import pooler_console
from toolchain.problem import Problem
from views import consoles
from views.database import query, statistics
from views.pools import Look, Server, Transactions, pooler


def take(stack: str, settings: Settings) -> Look:
    """A Problem only when a running pooler does not answer."""
    answers = consoles.ask(pooler_console.poolers(stack))
    pids = [int(row["remote_pid"]) for answer in answers for row in answer.servers]
    server: Server | None = None
    transactions: Transactions = {}
    trouble = ""
    try:
        server, transactions = _ask_server(settings, pids)
    except Problem as refused:
        trouble = str(refused)
    now = datetime.now(UTC).strftime("%H:%M:%S")
    seen = tuple(pooler(answer, settings, transactions) for answer in answers)
    return Look(stack, now, seen, server, trouble)


def _ask_server(settings: Settings, pids: list[int]) -> tuple[Server, Transactions]:
    with statistics(settings) as connection:
        rows = connection.execute(query("server_use")).fetchall()
        open_now = connection.execute(query("transactions"), {"pids": pids}).fetchall()
    limit, reserved, connections = (int(str(value)) for value in rows[0])
    transactions = {int(str(pid)): (str(state), float(str(age))) for pid, state, age in open_now}
    return Server(connections, limit - reserved, limit), transactions
