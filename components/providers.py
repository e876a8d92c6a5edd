"""The two servers that the stack changes: as explicit providers, and as a job reaches the database."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql

from components.settings import Settings
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
