"""`make dashboard-picture`: a throwaway stack under load, scraped by a Prometheus, drawn as docs/dashboard.png."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from components.metrics import POOLER_PURPOSE, POSTGRES_PURPOSE
from monitoring import picture, rules, scrape
from monitoring.panels import panels
from monitoring.prometheus import Prometheus
from tests import prometheus_server
from tests.e2e.conftest import make_deployment, prepared
from tests.e2e.deployment import Deployment
from tests.e2e.load import busy
from tests.e2e.test_metrics import SERIES, exporter, settings_of
from toolchain import exporter_image, prepare
from toolchain.paths import PROJECT

PHASE_SECONDS = 45
HELD_SECONDS = 14  # less than query_wait_timeout
PICTURE = PROJECT / "docs" / "dashboard.png"


def main() -> None:
    prepare.everything()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stack").mkdir()
        for up in prepared(make_deployment("test-bench-dashboard", Path(folder) / "stack")):
            image = exporter_image.reference()
            up.up({"metrics": {"image": image, "postgres_image": image}})
            addresses = {
                "pgbouncer-exporter": up.address(exporter(up, POOLER_PURPOSE)),
                "pgbouncer-postgres-exporter": up.address(exporter(up, POSTGRES_PURPOSE)),
            }
            settings = settings_of(up)
            scraping = scrape.render(settings, SERIES.job)
            alerting = rules.render(settings, up.stack, SERIES)
            with prometheus_server.running(Path(folder), scraping, alerting, addresses) as prometheus:
                draw(up, prometheus)


def draw(up: Deployment, prometheus: Prometheus) -> None:
    """Four phases of one length: quiet, some clients, more clients than backends and some past the pooler, quiet."""
    started = time.time()
    time.sleep(PHASE_SECONDS / 3)
    with load(up, {f"service_{number}": 2 for number in range(1, 5)} | {"reporter": 1, "grafana": 2}):
        time.sleep(PHASE_SECONDS)
        with load(up, {f"service_{number}": 4 for number in range(5, 9)} | {"reporter": 5}), past(up, 4):
            time.sleep(PHASE_SECONDS - HELD_SECONDS)
            hold(up)
        time.sleep(PHASE_SECONDS)
    time.sleep(PHASE_SECONDS / 3)
    shown = panels(settings_of(up), SERIES)
    picture.draw(prometheus, shown, "PgBouncer: a stack under load", started, time.time(), PICTURE)


@contextmanager
def load(up: Deployment, clients: dict[str, int]) -> Iterator[None]:
    """Busy clients of services, each on its route."""
    with ExitStack() as stack:
        for service, number in clients.items():
            dsn = up.lane(service, "session" if service == "grafana" else "transaction")
            stack.enter_context(busy(lambda dsn=dsn: dsn, number))  # type: ignore[misc] # binds this turn's dsn
        yield


def hold(up: Deployment) -> None:
    """Transactions that keep both backends of a service for a while, so that its other clients wait."""
    dsn = up.lane("reporter", "transaction")
    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
        for holder in (first, second):
            holder.execute("SELECT 1")
        time.sleep(HELD_SECONDS)


@contextmanager
def past(up: Deployment, number: int) -> Iterator[None]:
    """Connections of a pooled service that come past the pooler."""
    dsn = up.lane("service_2", "direct")
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(psycopg.connect(dsn, autocommit=True))
        yield


if __name__ == "__main__":
    main()
