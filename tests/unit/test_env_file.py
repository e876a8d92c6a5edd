"""`make env SERVICE=…`: the file is private, and sh and python-dotenv read from it what was put in."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from components.drivers import Driver
from components.dsn import dsn
from components.settings import Lane
from toolchain import env_file
from toolchain.problem import Problem
from toolchain.stack import Stack

NASTY = "a$HOME `id` #'\"\\ %&;é"
ENCODED = (
    "postgresql://grafana_ro:a%24HOME%20%60id%60%20%23%27%22%5C%20%25%26%3B%C3%A9@pgbouncer:6432/db"
    "?application_name=grafana&connect_timeout=5"
)


class Known(Stack):
    """A stack whose outputs are known without the CLI."""

    def outputs(self) -> dict[str, Any]:
        found = dsn(
            user="grafana_ro",
            password=NASTY,
            host="pgbouncer",
            port=6432,
            database="db",
            application_name="grafana",
        )
        return {"grafana_dsn": found, "worker_dsn": "postgresql://worker@db:5432/db", "budget": {}}


def test_the_file_holds_the_dsn_in_single_quotes(tmp_path: Path) -> None:
    path = env_file.write(Known("prod"), "grafana", tmp_path)
    assert path.read_text() == f"DATABASE_URL='{ENCODED}'\n"


def test_the_file_is_named_by_stack_and_service(tmp_path: Path) -> None:
    env_file.write(Known("prod"), "grafana", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".env.prod.grafana"]


def test_only_its_owner_reads_the_file_even_if_an_older_one_was_open_to_all(tmp_path: Path) -> None:
    old = tmp_path / ".env.prod.grafana"
    old.touch()
    old.chmod(0o644)
    env_file.write(Known("prod"), "grafana", tmp_path)
    assert stat.S_IMODE(old.stat().st_mode) == 0o600


def test_sh_reads_the_dsn_as_it_was_written(tmp_path: Path) -> None:
    path = env_file.write(Known("prod"), "grafana", tmp_path)
    read = subprocess.run(
        ["sh", "-c", '. "$1"; printf %s "$DATABASE_URL"', "sh", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == ENCODED


def test_nothing_of_the_dsn_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env_file.write(Known("prod"), "grafana", tmp_path)
    printed = capsys.readouterr()
    assert "postgresql://" not in printed.out + printed.err


def test_an_unknown_service_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        env_file.write(Known("prod"), "grafna", tmp_path)
    assert str(refused.value) == ("SERVICE=grafna: stack prod has no such service; it has grafana, worker")


def test_an_unknown_service_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Problem):
        env_file.write(Known("prod"), "grafna", tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- removed with its stack ----------------------------------------------------------------------------------


def left(folder: Path, *files: str) -> list[str]:
    """The files that are left of these, all written by `make env`, once those of stack prod are removed."""
    for name in files:
        (folder / name).write_text("DATABASE_URL='postgresql://db/app'\n")
    env_file.remove(Known("prod", folder=folder))
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_for_a_stack_is_removed(tmp_path: Path) -> None:
    assert left(tmp_path, ".env.prod.grafana", ".env.prod.eu.worker") == []


def test_what_was_removed_is_named(tmp_path: Path) -> None:
    env_file.write(Known("prod"), "worker", tmp_path)
    env_file.write(Known("prod"), "grafana", tmp_path)
    removed = env_file.remove(Known("prod", folder=tmp_path))
    assert removed == [".env.prod.grafana", ".env.prod.worker"]


def test_files_of_another_stack_stay(tmp_path: Path) -> None:
    assert left(tmp_path, ".env.dev.grafana", ".env.prod2.grafana") == [
        ".env.dev.grafana",
        ".env.prod2.grafana",
    ]


def test_files_of_a_stack_whose_name_goes_on_after_a_dot_stay(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.eu.yaml").touch()
    assert left(tmp_path, ".env.prod.eu.web", ".env.prod.web") == [".env.prod.eu.web", "Pulumi.prod.eu.yaml"]


def test_an_env_file_that_somebody_else_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / ".env.prod.local").write_text("COLOR=blue\n")
    assert left(tmp_path) == [".env.prod.local"]


# --- every dialect -------------------------------------------------------------------------------------------


def of_dialect(driver: Driver) -> str:
    """A DSN whose password has what a URI encodes and a keyword string keeps."""
    return dsn(
        user="web",
        password='a;#%&="`é',
        host="pgbouncer",
        port=6432,
        database="db",
        application_name="web",
        driver=driver,
        lane=Lane.TRANSACTION,
    )


@pytest.mark.parametrize("driver", Driver)
def test_sh_reads_the_dsn_of_every_dialect_as_it_was_written(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(env_file.line(of_dialect(driver)))
    read = subprocess.run(
        ["sh", "-c", '. "$1"; printf %s "$DATABASE_URL"', "sh", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == of_dialect(driver)


@pytest.mark.parametrize("driver", Driver)
def test_python_dotenv_reads_the_dsn_of_every_dialect_as_it_was_written(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "env"
    path.write_text(env_file.line(of_dialect(driver)))
    assert dotenv_values(path)["DATABASE_URL"] == of_dialect(driver)


@pytest.mark.parametrize("password", ["it's", "back\\slash", "${HOME}"])
@pytest.mark.parametrize("driver", [Driver.LIBPQ_KEYWORDS, Driver.NPGSQL])
def test_a_character_that_no_env_file_can_hold_is_refused_without_the_password(
    driver: Driver, password: str
) -> None:
    with pytest.raises(Problem) as refused:
        env_file.line(
            dsn(
                user="web",
                password=password,
                host="pgbouncer",
                port=6432,
                database="db",
                application_name="web",
                driver=driver,
            )
        )
    assert str(refused.value) == (
        "DATABASE_URL: the DSN has a quote, backslash or dollar sign that an env file cannot hold for every reader; "
        "use a driver whose DSN is a URI, give the user another password, or read it with "
        "`pulumi stack output --show-secrets`"
    )
