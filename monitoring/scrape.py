"""The scrape configuration for a Prometheus on the database's Docker network."""

from __future__ import annotations

import yaml

from components.settings import Settings

POOLER_PORT = 9127
POSTGRES_PORT = 9187


def render(settings: Settings, job: str) -> str:
    """An item of `scrape_configs`; without an exporter of Postgres the one that is there has its own job."""
    targets = [f"{settings.alias}-exporter:{POOLER_PORT}"]
    if settings.metrics and settings.metrics.postgres_image:
        targets.append(f"{settings.alias}-postgres-exporter:{POSTGRES_PORT}")
    item = {"job_name": job, "scrape_interval": "15s", "static_configs": [{"targets": targets}]}
    return yaml.safe_dump([item], sort_keys=False)
