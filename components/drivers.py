"""The drivers whose dialect of a DSN the stack writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.settings import Settings


class Driver(StrEnum):
    """`driver` of a service: what will read its DSN. What each one gets, and why: dialects.py."""

    LIBPQ = "libpq"
    LIBPQ_KEYWORDS = "libpq_keywords"
    PSYCOPG2 = "psycopg2"
    PSYCOPG = "psycopg"
    ASYNCPG = "asyncpg"
    SQLALCHEMY_PSYCOPG2 = "sqlalchemy_psycopg2"
    SQLALCHEMY_PSYCOPG = "sqlalchemy_psycopg"
    SQLALCHEMY_ASYNCPG = "sqlalchemy_asyncpg"
    DJANGO = "django"
    NODE_POSTGRES = "node_postgres"
    POSTGRES_JS = "postgres_js"
    PRISMA = "prisma"
    JDBC = "jdbc"
    PGX = "pgx"
    LIB_PQ = "lib_pq"
    SQLX = "sqlx"
    TOKIO_POSTGRES = "tokio_postgres"
    NPGSQL = "npgsql"


DATABASE_AS_IT_STANDS = frozenset(
    {
        Driver.SQLALCHEMY_PSYCOPG2,
        Driver.SQLALCHEMY_PSYCOPG,
        Driver.SQLALCHEMY_ASYNCPG,
        Driver.NODE_POSTGRES,
        Driver.POSTGRES_JS,
        Driver.PRISMA,
    }
)
"""They do not, or not in every version, percent-decode the database's name in a URL."""


PREPARES_BY_ITSELF = frozenset(
    {
        Driver.PSYCOPG,
        Driver.ASYNCPG,
        Driver.SQLALCHEMY_PSYCOPG,
        Driver.SQLALCHEMY_ASYNCPG,
        Driver.POSTGRES_JS,
        Driver.PRISMA,
        Driver.JDBC,
        Driver.PGX,
        Driver.SQLX,
        Driver.TOKIO_POSTGRES,
    }
)
"""They prepare statements by name without being asked; the transaction lane follows them while
`max_prepared_statements` is not 0."""


def refuse_drivers(settings: Settings) -> Iterator[str]:
    """One line for each service whose driver could not work on its route or read the name of its database."""
    follows = settings.settings.get("max_prepared_statements") != "0"
    for name, service in settings.services.items():
        if service.route == "transaction" and service.driver in PREPARES_BY_ITSELF and not follows:
            yield (
                f"services.{name}.route: {service.driver.value} prepares statements by name, which transaction cannot "
                "give while settings.max_prepared_statements is 0; remove that setting, or use session or direct"
            )
        if service.database and service.database not in settings.databases:
            continue  # refuse_routes says so
        dbname = settings.dbname(service)
        if service.driver in DATABASE_AS_IT_STANDS and not re.fullmatch(r"[A-Za-z0-9_.~-]+", dbname):
            yield (
                f"services.{name}.driver: {service.driver.value} does not decode the name of a database, and "
                f"{json.dumps(dbname)} has characters that a URL must encode; use another driver, "
                "or a database whose name has A-Z, a-z, 0-9, _, . and - only"
            )
