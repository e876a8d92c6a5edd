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


def refuse_drivers(settings: Settings) -> Iterator[str]:
    """One line for each service whose driver could not read the name of its database."""
    for name, service in settings.services.items():
        if service.database and service.database not in settings.databases:
            continue  # refuse_routes says so
        dbname = settings.dbname(service)
        if service.driver in DATABASE_AS_IT_STANDS and not re.fullmatch(r"[A-Za-z0-9_.~-]+", dbname):
            yield (
                f"services.{name}.driver: {service.driver.value} does not decode the name of a database, and "
                f"{json.dumps(dbname)} has characters that a URL must encode; use another driver, "
                "or a database whose name has A-Z, a-z, 0-9, _, . and - only"
            )
