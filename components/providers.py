"""The two servers that the stack changes: as explicit providers, and as a job or an exporter reaches the database."""

from __future__ import annotations

from urllib.parse import quote

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql

from components.jobs import Gate
from components.metrics import MetricsArgs
from components.metrics_access import MetricsAccess
from components.settings import Exporters, Settings
from components.sql_job import DatabaseAccess


def engine(settings: Settings) -> docker.Provider:
    """Docker engine: the configured host, else DOCKER_HOST, else the local socket."""
    return docker.Provider("engine", host=settings.docker_host or None)


def database(settings: Settings) -> postgresql.Provider:
    """Postgres as this deployment reaches it; connects only when a resource needs it."""
    return postgresql.Provider(
        "database",
        host=settings.admin_host,
        port=settings.admin_port,
        username=settings.admin_user,
        password=pulumi.Output.secret(settings.admin_password.get_secret_value()),
        database=settings.database,
        sslmode=settings.admin_sslmode,
        max_connections=settings.deployment_connections,
        connect_timeout=10,
    )


def inside_network(settings: Settings) -> DatabaseAccess:
    """Postgres as a job on the engine reaches it."""
    return DatabaseAccess(
        image=settings.image,
        network=settings.network,
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database,
        user=settings.admin_user,
        password=settings.admin_password.get_secret_value(),
    )


def exporters(
    settings: Settings, images: Exporters, access: MetricsAccess, depends_on: list[Gate]
) -> MetricsArgs:
    """Pooler and Postgres as the exporters reach them, inside the network."""
    user, host = quote(settings.names.stats_user), settings.database_host
    host = f"[{host}]" if ":" in host else host
    return MetricsArgs(
        image=images.image,
        postgres_image=images.postgres_image,
        job_image=settings.image,
        user=settings.run_as,
        network=settings.network,
        alias=settings.alias,
        console=f"postgresql://{user}@{settings.alias}:{settings.port}/pgbouncer?sslmode=disable",
        database=f"{host}:{settings.database_port}/{quote(settings.database, safe='')}?sslmode=disable",
        monitor_role=settings.names.monitor_role,
        stats_password=access.stats_password,
        monitor_password=access.monitor_password,
        depends_on=depends_on,
    )
