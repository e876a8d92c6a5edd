"""What each driver needs in its DSN, by lane, and why; what it would refuse stays out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from components.drivers import Driver
from components.settings import Lane

CONNECT_TIMEOUT_SECONDS = 5
"""Short, so that a client that resolved a leaving pooler's address tries again soon."""

DIRECT, TRANSACTION, SESSION = Lane.DIRECT, Lane.TRANSACTION, Lane.SESSION


class Form(Enum):
    """How a DSN is written."""

    URI = auto()
    """scheme://user:password@host:port/database?name=value, percent-encoded."""
    KEYWORDS = auto()
    """libpq's name=value pairs, quoted with ' and \\."""
    JDBC = auto()
    """jdbc:postgresql://host:port/database?user=…&password=…, percent-encoded."""
    ADO = auto()
    """ADO.NET's Name=value; pairs, quoted with "."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a DSN with the reason why it is there."""

    name: str
    value: str
    reason: str
    lanes: tuple[Lane, ...] = (DIRECT, TRANSACTION, SESSION)
    """Where the driver needs it."""
    without_tls: bool = False
    """Left out on the direct lane when the database speaks TLS."""


@dataclass(frozen=True)
class LeftOut:
    """What the DSN does not carry, and what to do in its place."""

    what: str
    reason: str
    lanes: tuple[Lane, ...] = (DIRECT, TRANSACTION, SESSION)
    breaks: bool = False
    """Without it the driver fails on these lanes, so that a preview says it."""


@dataclass(frozen=True)
class Dialect:
    """How one driver reads a DSN."""

    form: Form = Form.URI
    scheme: str = "postgresql"
    application_name: str | None = "application_name"
    """Its parameter for the name of the application; None where a DSN has none."""
    connect_timeout: str | None = "connect_timeout"
    """Its parameter for the time to connect, in seconds; None where a DSN has none."""
    more: tuple[Parameter, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


NAME_REASON = "who it is in `SHOW CLIENTS` and `pg_stat_activity`"
TIMEOUT_REASON = "seconds; the address of a pooler that leaves is given up soon"

_CURSORS = LeftOut(
    "`dj_database_url.config(disable_server_side_cursors=True)`",
    "outside a transaction `.iterator()` opens a cursor WITH HOLD, which stays with its backend",
    lanes=(TRANSACTION,),
    breaks=True,
)
_PGBOUNCER_FLAG = LeftOut(
    "`pgbouncer=true`",
    "PgBouncer ≥ 1.21 follows prepared statements (`max_prepared_statements`); "
    "the flag would give them up and send DEALLOCATE ALL",
    lanes=(TRANSACTION, SESSION),
)
_PREPARE_THRESHOLD = LeftOut(
    "`prepareThreshold=0`",
    "PgBouncer ≥ 1.21 follows the prepared statements that it would switch off",
    lanes=(TRANSACTION, SESSION),
)

_ASSUMED_VERSION = LeftOut(
    "`assumeMinServerVersion=9.0`",
    "it moves the name into the startup message, and pgjdbc 42.7.5 then forgets it; without it the driver sends "
    "SET application_name, which PgBouncer follows",
)

DIALECTS: dict[Driver, Dialect] = {
    Driver.LIBPQ: Dialect(),
    Driver.LIBPQ_KEYWORDS: Dialect(form=Form.KEYWORDS),
    Driver.PSYCOPG2: Dialect(),
    Driver.PSYCOPG: Dialect(),
    Driver.ASYNCPG: Dialect(
        connect_timeout=None,
        left_out=(
            LeftOut(
                "`connect_timeout`: use `asyncpg.connect(dsn, timeout=5)`",
                "asyncpg sends parameters that it does not know to the server, which refuses the login",
            ),
        ),
    ),
    Driver.SQLALCHEMY_PSYCOPG2: Dialect(scheme="postgresql+psycopg2"),
    Driver.SQLALCHEMY_PSYCOPG: Dialect(scheme="postgresql+psycopg"),
    Driver.SQLALCHEMY_ASYNCPG: Dialect(
        scheme="postgresql+asyncpg",
        application_name=None,
        connect_timeout=None,
        left_out=(
            LeftOut(
                "`application_name`, `connect_timeout`: use "
                '`connect_args={"timeout": 5, "server_settings": {"application_name": …}}`',
                "SQLAlchemy hands parameters to `asyncpg.connect()` as text, which knows neither name and "
                "fails on `timeout` as text",
            ),
        ),
    ),
    Driver.DJANGO: Dialect(left_out=(_CURSORS,)),
    Driver.NODE_POSTGRES: Dialect(
        connect_timeout=None,
        left_out=(
            LeftOut(
                "`connect_timeout`: use `new Pool({connectionString, connectionTimeoutMillis: 5000})`",
                "node-postgres takes no timeout from a URL",
            ),
        ),
    ),
    Driver.POSTGRES_JS: Dialect(),
    Driver.PRISMA: Dialect(left_out=(_PGBOUNCER_FLAG,)),
    Driver.JDBC: Dialect(
        form=Form.JDBC,
        application_name="ApplicationName",
        connect_timeout="connectTimeout",
        left_out=(_PREPARE_THRESHOLD, _ASSUMED_VERSION),
    ),
    Driver.PGX: Dialect(),
    Driver.LIB_PQ: Dialect(
        more=(
            Parameter(
                "sslmode",
                "disable",
                "lib/pq asks for TLS by default, which the pooler does not speak inside its network; "
                "on the direct lane only where `admin_sslmode` is `disable`",
                without_tls=True,
            ),
            Parameter(
                "binary_parameters",
                "yes",
                "else a query with parameters is two round trips with an unnamed statement between them, "
                "and the second may come to another backend",
                lanes=(TRANSACTION,),
            ),
        )
    ),
    Driver.SQLX: Dialect(
        connect_timeout=None,
        left_out=(
            LeftOut(
                "`connect_timeout`: use `PgPoolOptions::acquire_timeout`",
                "sqlx does not know it and warns at each connect",
            ),
        ),
    ),
    Driver.TOKIO_POSTGRES: Dialect(),
    Driver.NPGSQL: Dialect(
        form=Form.ADO,
        application_name="Application Name",
        connect_timeout="Timeout",
        more=(
            Parameter(
                "No Reset On Close",
                "true",
                "else DISCARD ALL goes before the next use of each pooled connection, and resets a backend "
                "that others share",
                lanes=(TRANSACTION,),
            ),
        ),
    ),
}


def parameters(driver: Driver, lane: Lane, *, database_tls: bool = False) -> tuple[Parameter, ...]:
    """Parameters of a DSN in their order; the application's name has an empty value here."""
    dialect = DIALECTS[driver]
    found = []
    if dialect.application_name:
        found.append(Parameter(dialect.application_name, "", NAME_REASON))
    if dialect.connect_timeout:
        found.append(Parameter(dialect.connect_timeout, str(CONNECT_TIMEOUT_SECONDS), TIMEOUT_REASON))
    found += [
        parameter
        for parameter in dialect.more
        if lane in parameter.lanes and not (parameter.without_tls and lane is DIRECT and database_tls)
    ]
    return tuple(found)
