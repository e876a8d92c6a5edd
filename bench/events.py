"""What clients notice of each event: `make bench` prints the table that stands in the README.

A throwaway database and a real stack; eight clients of eight users with a backend each, so that nobody queues.
Every event is compared with the same load in peace in the same run: the machine's own noise is in both.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import Deployment
from tests.e2e.load import Report, busy
from tests.e2e.test_changes import with_addresses
from toolchain import prepare
from toolchain.engine import docker
from toolchain.report import table

CLIENTS = 8
PEACE_SECONDS = 8


def main() -> None:
    prepare.everything()
    with tempfile.TemporaryDirectory() as folder, closing(iter_deployment(Path(folder))) as deployments:
        up = next(deployments)
        up.up({"services": pooled(up.config["services"], extra=2)})
        other = up.config["image"] + "-bench"
        docker("tag", up.config["image"], other)
        try:
            rows = [
                measured("nothing, for comparison", up, "transaction", lambda: time.sleep(PEACE_SECONDS)),
                measured(
                    "pool size changed, entry added",
                    up,
                    "transaction",
                    lambda: up.up({"services": pooled(up.config["services"], extra=3)}),
                ),
                measured(
                    "timeout changed",
                    up,
                    "transaction",
                    lambda: up.up({"settings": {"query_wait_timeout": 15}}),
                ),
                measured("auth password rotated", up, "transaction", lambda: up.up({"rotation": 2})),
                measured("image upgraded", up, "transaction", lambda: up.up({"image": other})),
                measured(
                    "image upgraded, drivers that try one address only",
                    up,
                    "transaction",
                    lambda: up.up({"image": other.removesuffix("-bench")}),
                    found=with_one_address,
                ),
                measured("image upgraded", up, "session", lambda: up.up({"image": other}), clients=3),
                measured("database restarted, unplanned", up, "transaction", lambda: restart_database(up)),
            ]
        finally:
            docker("image", "rm", "--force", other)
    header = ("event", "lane", "transactions", "cut", "closed between", "refused", "longest stall, ms")
    print(table(header, rows))


def iter_deployment(folder: Path) -> Generator[Deployment, None, None]:
    """The deployment; it is removed when the generator is closed."""
    yield from prepared(make_deployment("test-bench", folder))


def pooled(services: dict[str, dict[str, object]], extra: int) -> dict[str, dict[str, object]]:
    """The services with one backend for each user of the load, and `extra` backends for reporter."""
    found = {
        name: body | ({"pool_size": 1} if name.startswith("service_") else {})
        for name, body in services.items()
    }
    return found | {"reporter": {"user": "postgres", "route": "transaction", "pool_size": extra}}


def measured(
    event: str,
    up: Deployment,
    lane: str,
    happen: Callable[[], object],
    clients: int = CLIENTS,
    found: Callable[[Deployment, str], str] = with_addresses,
) -> tuple[str, ...]:
    """One row: the load runs a second before the event, during it and two seconds after.

    `found` gives a DSN the addresses that a driver of that kind would try.
    """
    lanes, turns = up.outputs()["lanes"], iter(range(1_000_000_000))
    dsns = [lanes[f"service_{number + 1}"][lane] for number in range(clients)]
    with busy(lambda: found(up, dsns[next(turns) % clients]), clients) as report:
        time.sleep(1)
        happen()
        time.sleep(2)
    return (event, lane, *counts(report))


def with_one_address(up: Deployment, dsn: str) -> str:
    """What a driver sees that takes any one of the addresses of a name."""
    parts: dict[str, Any] = conninfo_to_dict(dsn)
    return make_conninfo(**parts | {"hostaddr": random.choice(up.pooler_addresses())})  # noqa: S311 no secret


def counts(report: Report) -> tuple[str, ...]:
    return (
        str(report.transactions),
        str(len(report.cut)),
        str(len(report.closed_between)),
        str(len(report.refused)),
        f"{report.longest_stall * 1000:.0f}",
    )


def restart_database(up: Deployment) -> None:
    docker("restart", up.database.name)
    up.database.wait()


if __name__ == "__main__":
    main()
