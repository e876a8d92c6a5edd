"""A connection that sees what every role does; all that can go wrong with it is one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from components import preflight
from components.settings import Settings, SettingsError
from toolchain.problem import Problem

Connection = psycopg.Connection[tuple[object, ...]]

_SQL = Path(__file__).parent / "sql"


@contextmanager
def statistics(settings: Settings, database: str | None = None) -> Iterator[Connection]:
    """The deployment's connection to a database of the stack, its own by default.

    A Problem when it is not reached, ends in between, or is not shown what others do.
    """
    chosen = settings.model_copy(update={"database": database}) if database else settings
    try:
        with preflight.connect(chosen) as connection:
            if connection.execute(query("may_see")).fetchone() != (True,):
                raise Problem(
                    f"admin_user {settings.admin_user} may not see other sessions; "
                    f"as a superuser run GRANT pg_monitor TO {settings.admin_user}"
                )
            yield connection
    except SettingsError as refused:
        raise Problem(str(refused)) from None
    except psycopg.Error as refused:
        said = " ".join(str(refused).split())
        raise Problem(f"Postgres did not answer to the end ({said}); run this again") from None


def query(name: str) -> str:
    """Text of a file in views/sql."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
