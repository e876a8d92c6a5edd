"""The drivers under test: each is one service of the stack, with a role and an entry of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Driver:
    name: str
    """Service, role and schema."""
    language: str
    package: str
    """As the language's lock file calls it."""
    dialect: str
    """Value of the service's key `driver`."""
    in_table: str


DRIVERS = (
    Driver("psycopg", "python", "psycopg", "psycopg", "psycopg 3"),
    Driver("asyncpg", "python", "asyncpg", "asyncpg", "asyncpg"),
    Driver("psycopg2", "python", "psycopg2-binary", "psycopg2", "psycopg2"),
    Driver("sqlalchemy", "python", "sqlalchemy", "sqlalchemy_psycopg", "SQLAlchemy on psycopg 3"),
    Driver("node_postgres", "javascript", "pg", "node_postgres", "node-postgres"),
    Driver("postgres_js", "javascript", "postgres", "postgres_js", "Postgres.js"),
    Driver("pgx", "go", "github.com/jackc/pgx/v5", "pgx", "pgx"),
    Driver("lib_pq", "go", "github.com/lib/pq", "lib_pq", "lib/pq"),
    Driver("pgjdbc", "java", "org.postgresql:postgresql", "jdbc", "pgJDBC"),
    Driver("vertx_pg", "java", "io.vertx:vertx-pg-client", "libpq", "Vert.x PG client"),
    Driver(
        "vertx_pg_proxy",
        "java",
        "io.vertx:vertx-pg-client",
        "libpq",
        "Vert.x PG client, `useLayer7Proxy`,",
    ),
    Driver("tokio_postgres", "rust", "tokio-postgres", "tokio_postgres", "tokio-postgres"),
    Driver("sqlx", "rust", "sqlx", "sqlx", "SQLx"),
)
LANGUAGES = {"python": "Python", "javascript": "JavaScript", "go": "Go", "java": "Java", "rust": "Rust"}
"""Key of `DRIVERS=` → name in the table."""

BASE = (
    "connect",
    "mixed_2000_over_20",
    "prepared_6_each",
    "pipeline_or_batch",
    "copy",
    "transaction_error_retry",
    "cancel",
    "types",
)
CAVEATS = ("listen", "advisory_lock", "temp_table", "with_hold", "set", "sql_prepare")
CHECKS = {"transaction": BASE + CAVEATS, "session": ("connect", *CAVEATS)}
"""Lane → checks that a program reports, in this order."""
