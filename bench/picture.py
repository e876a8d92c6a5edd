"""Draws docs/watch.svg: what `make watch` shows of a real stack under more load than its pools take.

A throwaway database and stack, removed afterwards. `make picture` calls it.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from components.settings import Settings, load
from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import PROJECT, Deployment
from toolchain import prepare
from toolchain.dev_database import literal
from views import look, picture
from views.pools import Look

PASSWORD = "of-the-picture"  # noqa: S105 of a database that lives for a minute
SERVICES: dict[str, dict[str, object]] = {
    "webhook_receiver": {"user": "webhook_receiver", "route": "transaction", "pool_size": 4},
    "ingest_worker": {"user": "ingest_worker", "route": "transaction"},
    "dashboard_api": {"user": "dashboard_api", "route": "transaction"},
    "gateway": {"user": "gateway", "route": "transaction"},
    "grafana": {"user": "grafana_ro", "route": "session"},
    "analytics_mcp": {"user": "analytics_ro", "route": "direct"},
}
CLIENTS = {"webhook_receiver": 9, "ingest_worker": 5, "dashboard_api": 4, "gateway": 2, "grafana": 2}
"""Clients that work at once; webhook_receiver has more than its pool."""
IDLE_DIRECT = 5
PATIENCE_SECONDS = 60


def main() -> None:
    prepare.everything()
    with tempfile.TemporaryDirectory() as folder, closing(iter_deployment(Path(folder))) as deployments:
        up = next(deployments)
        make_roles(up)
        up.up()
        with load_on(up):
            found = wait_for_waits(up)
    picture.draw(found, PROJECT / "docs" / "watch.svg")
    print("docs/watch.svg is drawn")


def iter_deployment(folder: Path) -> Generator[Deployment, None, None]:
    """The deployment; it is removed when the generator is closed."""
    made = make_deployment("test-picture", folder)
    made.config |= {"services": SERVICES, "max_backends": 20, "superusers": []}
    made.secrets = {"admin_password": made.secrets["admin_password"]}
    yield from prepared(made)


def make_roles(up: Deployment) -> None:
    new = ("webhook_receiver", "ingest_worker", "dashboard_api", "gateway")
    up.database.sql("".join(f"CREATE ROLE {role} LOGIN;\n" for role in new))
    users = (str(body["user"]) for body in SERVICES.values())
    up.database.sql("".join(f"ALTER ROLE {user} PASSWORD {literal(PASSWORD)};\n" for user in users))


@contextmanager
def load_on(up: Deployment) -> Iterator[None]:
    """Clients that sleep in short transactions, one that holds its backend, and idle direct ones."""
    stop, lanes = threading.Event(), up.outputs()["lanes"]

    def dsn(service: str, lane: str | None = None) -> str:
        chosen = lanes[service][lane or str(SERVICES[service]["route"])]
        return make_conninfo(up.reachable(chosen), password=PASSWORD)

    workers = [
        threading.Thread(target=work, args=(dsn(service), stop), daemon=True)
        for service, number in CLIENTS.items()
        for _ in range(number)
    ]
    with ExitStack() as connected:
        holder = connected.enter_context(psycopg.connect(dsn("ingest_worker")))
        holder.execute("SELECT 1")  # opens a transaction, and forgets it
        for _ in range(IDLE_DIRECT):
            connected.enter_context(psycopg.connect(dsn("analytics_mcp"), autocommit=True)).execute(
                "SELECT 1"
            )
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            stop.set()
            for worker in workers:
                worker.join()


def work(dsn: str, stop: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as client:
        while not stop.is_set():
            client.execute("SELECT pg_sleep(0.7)")
            stop.wait(0.1)


def wait_for_waits(up: Deployment) -> Look:
    """The first look at which somebody waits for long enough to be seen."""
    end = time.monotonic() + PATIENCE_SECONDS
    time.sleep(8)  # the forgotten transaction grows old
    while True:
        found = look.take(up.stack, settings_of(up))
        if found.waiting and found.longest_wait >= 0.3:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"nobody waited within {PATIENCE_SECONDS} s; run this again")


def settings_of(up: Deployment) -> Settings:
    values = up.config | {"admin_password": up.secrets["admin_password"]}
    return load(
        {key: json.dumps(value) if key in Settings.json_keys else str(value) for key, value in values.items()}
    )


if __name__ == "__main__":
    main()
