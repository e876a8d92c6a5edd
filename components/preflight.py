"""What an update finds out before it changes anything: database, rights, network and alias.

Previews never come here: they work from the configuration alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import docker
import psycopg
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from components.settings import Lane, Settings, SettingsError

MINIMUM_SERVER_VERSION = 140000
"""`client_connection_check_interval` is new in Postgres 14; the cap needs it."""

OWN_APPLICATION = "pgbouncer-stack"
"""application_name of the deployment's own connections; the views leave them out."""

_CONNECT_TIMEOUT_SECONDS = 5


def check(settings: Settings, stack: str) -> None:
    """Raise SettingsError with every finding; changes nothing."""
    findings = [*_check_database(settings), *_check_engine(settings, stack)]
    if findings:
        raise SettingsError("\n".join(findings))


def connect(settings: Settings) -> psycopg.Connection[tuple[object, ...]]:
    """Admin connection to the shared database; SettingsError says which key to correct."""
    where = f"{settings.admin_host}:{settings.admin_port}"
    try:
        return psycopg.connect(
            host=settings.admin_host,
            port=settings.admin_port,
            user=settings.admin_user,
            password=settings.admin_password.get_secret_value(),
            dbname=settings.database,
            sslmode=settings.admin_sslmode,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            application_name=OWN_APPLICATION,
            autocommit=True,
        )
    except psycopg.OperationalError as refused:
        text = " ".join(str(refused).split())
        if "password authentication failed" in text or "no password supplied" in text:
            raise SettingsError(
                f"admin_password: was refused for {settings.admin_user} at {where}; "
                "set it with `pulumi config set --secret admin_password`"
            ) from None
        if f'database "{settings.database}" does not exist' in text:
            raise SettingsError(
                f"database: {settings.database} does not exist at {where}; correct the name"
            ) from None
        raise SettingsError(
            f"admin_host, admin_port: no Postgres reached at {where} ({text}); "
            "publish its port, give the container's address, or open an SSH tunnel"
        ) from None


def _check_database(settings: Settings) -> list[str]:
    with connect(settings) as connection:
        return [
            *_check_server(settings, connection),
            *_check_roles(settings, connection),
            *_check_databases(settings, connection),
        ]


def _check_server(settings: Settings, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[str]:
    version = connection.info.server_version
    if version < MINIMUM_SERVER_VERSION:
        yield f"database: the server is version {version // 10000}; PgBouncer's cap needs 14 or later"
        return
    limits = {
        str(name): int(str(value))
        for name, value in connection.execute(
            "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN "
            "('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
        )
    }
    if limits["max_connections"] != settings.max_connections:
        yield (
            f"max_connections: declared {settings.max_connections}, the server has {limits['max_connections']}; "
            f"run `pulumi config set max_connections {limits['max_connections']}`"
        )
    reserved = limits["superuser_reserved_connections"] + limits.get("reserved_connections", 0)
    if reserved != settings.reserved_connections:
        yield (
            f"reserved_connections: declared {settings.reserved_connections}, the server has {reserved}; "
            f"run `pulumi config set reserved_connections {reserved}`"
        )
    row = connection.execute(
        "SELECT rolsuper OR rolcreaterole, "
        "pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT'), "
        "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') "
        "FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    rights = ("create roles", "read pg_authid", f"create a schema in {settings.database}")
    missing = [right for right, held in zip(rights, row or (), strict=False) if not held]
    if missing:
        yield (
            f"admin_user: {settings.admin_user} may not {' or '.join(missing)}; "
            "use a superuser, or grant what is missing"
        )


def _check_roles(settings: Settings, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[str]:
    is_superuser = {
        str(name): bool(value)
        for name, value in connection.execute(
            "SELECT rolname, rolsuper FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)",
            [list(settings.users())],
        )
    }
    for name, service in settings.services.items():
        if service.user not in is_superuser:
            yield (
                f'services.{name}.user: role "{service.user}" does not exist on the server; '
                "create it or correct the name"
            )
        elif (
            service.route is not Lane.DIRECT
            and is_superuser[service.user]
            and service.user not in settings.superusers
        ):
            yield (
                f'services.{name}.user: "{service.user}" is a superuser and would not get in; '
                "give the service a role of its own, or add it to superusers"
            )


def _check_databases(settings: Settings, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[str]:
    """Further databases exist, and this deployment may set their check interval."""
    if not settings.databases:
        return
    may_alter = {
        str(name): bool(value)
        for name, value in connection.execute(
            "SELECT datname, pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database "
            "WHERE datname = ANY(%s)",
            [list(settings.dbnames())],
        )
    }
    for name, body in settings.databases.items():
        if body.dbname not in may_alter:
            yield (
                f"databases.{name}.dbname: {body.dbname} does not exist on the server; "
                "create it or correct the name"
            )
        elif not may_alter[body.dbname]:
            yield (
                f"admin_user: {settings.admin_user} may not alter the database {body.dbname}; "
                "use a superuser, or make it a member of the owner"
            )


def refuse_existing(settings: Settings) -> None:
    """Called before the first database object is created: nothing of the same name may be there already."""
    names = settings.names
    roles = [*names.auth_roles, names.services_group, names.superusers_group, names.monitor_role]
    with connect(settings) as connection:
        found = [
            f'role "{row[0]}"'
            for row in connection.execute(
                "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s) ORDER BY 1", [roles]
            )
        ]
        found += [
            f'schema "{row[0]}"'
            for row in connection.execute(
                "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = %s", [names.schema]
            )
        ]
    if found:
        raise SettingsError(
            f"name: {', '.join(found)} is already there and not in this stack's state. "
            "Made by hand or by another stack? Give this one a name of its own beside it: "
            f"`pulumi config set name {settings.name}_pulumi`, move the services over, then drop the old objects. "
            "Left over from a lost state? See 'Adopt what is there' in README.md"
        )


def _check_engine(settings: Settings, stack: str) -> list[str]:
    try:
        client = (
            docker.DockerClient(base_url=settings.docker_host, use_ssh_client=True)
            if settings.docker_host
            else docker.from_env()
        )
        return [*_check_image(settings, client), *_check_network(settings, stack, client)]
    except DockerException as refused:
        where = settings.docker_host or "the default socket"
        return [f"docker_host: no Docker engine reached at {where} ({refused}); start it or correct the key"]


def _check_image(settings: Settings, client: docker.DockerClient) -> Iterator[str]:
    wanted = [("image", settings.image, "build it with `make image`")]
    if settings.metrics:
        wanted.append(("metrics.image", settings.metrics.image, "build it with `make exporters`"))
        if settings.metrics.postgres_image:
            wanted.append(
                ("metrics.postgres_image", settings.metrics.postgres_image, "build it with `make exporters`")
            )
    for key, reference, how in wanted:
        try:
            client.images.get(reference)
        except ImageNotFound:
            try:
                client.images.get_registry_data(reference)
            except APIError as refused:
                yield (
                    f"{key}: {reference} is not on the engine and cannot be pulled ({refused.explanation}); "
                    f"{how}, or name one that your engine can pull"
                )


def _check_network(settings: Settings, stack: str, client: docker.DockerClient) -> Iterator[str]:
    try:
        network = client.networks.get(settings.network)
    except NotFound:
        yield f"network: {settings.network} does not exist on the engine; name the database's network"
        return
    for identifier in network.attrs.get("Containers") or {}:
        member = client.containers.get(identifier)
        if member.name == settings.adopts:
            continue
        if member.labels.get("pgbouncer-stack.stack") != stack and settings.alias in _answers_to(
            member, str(network.name)
        ):
            yield (
                f'alias: "{settings.alias}" is answered by container {member.name} already, which is not of this '
                "stack; stop it, take it over step by step (`adopts`, see 'Adopt what is there' in README.md), or "
                "`pulumi config set alias` to another name until the services have moved"
            )


def _answers_to(member: Container, network: str) -> set[str]:
    attached = member.attrs["NetworkSettings"]["Networks"].get(network, {})
    return {str(member.name), *(attached.get("Aliases") or ()), *(attached.get("DNSNames") or ())}
