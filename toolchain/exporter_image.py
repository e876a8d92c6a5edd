"""The image with both exporters, of PgBouncer from PyPI and of Postgres from Debian, without an image registry."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toolchain import image, python_env
from toolchain.paths import PROJECT, cache_root
from toolchain.processes import run_logged
from toolchain.steps import Step, ensure

LOCK = PROJECT / "toolchain" / "exporters" / "pgbouncer.txt"
PACKAGE = "prometheus_pgbouncer_exporter"
MODULES = ("__init__.py", "cli.py", "collector.py", "config.py")
INSIDE = "usr/lib/python3/dist-packages"


def reference() -> str:
    """Reference of the image, built if the engine has none of this recipe. It is both `image` and `postgres_image`."""
    ensure(Step("exporter of PgBouncer: getting it from PyPI", "a few seconds", _is_there, _install))
    return image.images(_recipe())[0]


def _recipe() -> image.Recipe:
    modules = [(str(_folder() / PACKAGE / name), f"{INSIDE}/{PACKAGE}/{name}") for name in MODULES]
    return image.Recipe(
        repository="pgbouncer-stack/exporters",
        suite=image.POOLER.suite,
        packages=(
            "prometheus-postgres-exporter",
            "python3-prometheus-client",
            "python3-psycopg2",
            "python3-pythonjsonlogger",
            "python3-yaml",
        ),
        version_command=("sh", "-c", "prometheus-postgres-exporter --version 2>&1"),
        version_pattern=r"^postgres_exporter, version (\d+\.\d+\.\d+)",
        files=(
            ("exporter-entrypoint.sh", "usr/local/bin/exporter"),
            ("pgbouncer-exporter.yml", "etc/pgbouncer-exporter.yml"),
            *modules,
        ),
        changes=(
            'ENTRYPOINT ["exporter"]',
            "USER 65532:65532",
            "ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1",
            "EXPOSE 9127 9187",
        ),
    )


def _folder() -> Path:
    return cache_root() / "exporter" / python_env.lock_hash(LOCK)[:16]


def _is_there() -> bool:
    return all((_folder() / PACKAGE / name).exists() for name in MODULES)


def _install() -> None:
    """Beside the final name first, so that an installation that was cut off is not taken for a whole one."""
    target = _folder()
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = [str(python_env.PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--no-compile", "--require-hashes", "--target", str(unfinished)]
    run_logged([*pip, "install", *options, "--requirement", str(LOCK)], "exporter", env=dict(os.environ))
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
