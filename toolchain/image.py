"""The images, made of Debian packages: PgBouncer for every stack, Postgres for throwaway databases."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.floor import FLOOR
from toolchain import apt, engine
from toolchain.paths import PROJECT, cache_root
from toolchain.problem import Problem
from toolchain.processes import as_root, tail
from toolchain.steps import Step
from toolchain.steps import ensure as ensure_steps

LABEL = "pgbouncer-stack.image"
RECIPE_LABEL = "pgbouncer-stack.recipe"
VERSION_LABEL = "pgbouncer-stack.version"
FOLDER = PROJECT / "image"


@dataclass(frozen=True)
class Recipe:
    """What an image is made of."""

    repository: str
    suite: str
    packages: Sequence[str]
    version_command: Sequence[str]
    version_pattern: str
    files: Sequence[tuple[str, str]] = ()  # (below image/, path in the image)
    changes: Sequence[str] = ()  # Dockerfile instructions of `docker import --change`

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    def fingerprint(self) -> str:
        """Changes with everything that goes into the image, so that an outdated one is built again."""
        parts = [self.suite, *self.packages, *(target for _, target in self.files), *self.changes]
        digest = hashlib.sha256("\n".join(parts).encode())
        for source in ("rootfs.sh", *(source for source, _ in self.files)):
            digest.update((FOLDER / source).read_bytes())
        return digest.hexdigest()[:16]


POOLER = Recipe(
    repository="pgbouncer-stack/pgbouncer",
    suite="forky",
    packages=("pgbouncer", "postgresql-client", "ca-certificates"),
    version_command=("pgbouncer", "--version"),
    version_pattern=r"^PgBouncer (\d+\.\d+\.\d+)",
    changes=('CMD ["pgbouncer", "--version"]', "USER 65532:65532", "ENV LANG=C.UTF-8"),
)
DATABASE = Recipe(
    repository="pgbouncer-stack/postgres",
    suite="trixie",
    packages=("postgresql-17", "ca-certificates"),
    version_command=("postgres", "--version"),
    version_pattern=r"\(PostgreSQL\) (\d+)\.",
    files=(("postgres-entrypoint.sh", "usr/local/bin/postgres-entrypoint"),),
    changes=(
        'ENTRYPOINT ["postgres-entrypoint"]',
        "USER postgres",
        "ENV LANG=C.UTF-8 PGHOST=/tmp",
        "EXPOSE 5432",
    ),
)


def pooler_image() -> str:
    """Reference of the PgBouncer image, built if the engine has none of this recipe."""
    return images(POOLER)[0]


def database_image() -> str:
    """Reference of the Postgres image for throwaway databases, built if the engine has none of this recipe."""
    return images(DATABASE)[0]


def images(*recipes: Recipe, rebuild: bool = False) -> list[str]:
    """References of the images; the missing ones are built side by side."""
    missing = [recipe for recipe in recipes if rebuild or existing(recipe) is None]

    def build_all() -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(build, mirror=apt.debian_mirror()), missing))

    if missing:
        _require_debootstrap()
        names = " and ".join(recipe.name for recipe in missing)
        ensure_steps(
            Step(f"images {names}: building from Debian packages", "about 2 min", lambda: False, build_all)
        )
    return [reference for recipe in recipes if (reference := existing(recipe))]


def existing(recipe: Recipe) -> str | None:
    """The image on the engine that was built from exactly this recipe."""
    ids = engine.docker("image", "ls", "-q", f"--filter=label={RECIPE_LABEL}={recipe.fingerprint()}")
    for one in set(ids.split()):
        labels, tags = json.loads(
            engine.docker("image", "inspect", "--format=[{{json .Config.Labels}}, {{json .RepoTags}}]", one)
        )
        # Images that others have derived from ours inherit the labels, but not the name.
        if (reference := f"{recipe.repository}:{labels.get(VERSION_LABEL)}") in (tags or []):
            return reference
    return None


def build(recipe: Recipe, mirror: str | None) -> str:
    """Builds one image; its tag and a label are the version that its program reports."""
    work = cache_root() / "images"
    work.mkdir(parents=True, exist_ok=True)
    imported = _import(recipe, mirror, work)
    trial = engine.docker("create", "--network=none", "--entrypoint=", imported, *recipe.version_command)
    try:
        version = version_in(engine.docker("start", "--attach", trial), recipe.version_pattern)
        if recipe is POOLER and as_numbers(version) < FLOOR:
            raise Problem(
                f"Debian {recipe.suite} has PgBouncer {version}, older than {'.'.join(map(str, FLOOR))}, which logs "
                "in the wrong users (CVE-2026-107350); build from a mirror that is up to date"
            )
        reference = f"{recipe.repository}:{version}"
        # The trial's own command must not become the image's.
        changes = [*recipe.changes, f"LABEL {VERSION_LABEL}={version}"]
        engine.docker("commit", *(f"--change={change}" for change in changes), trial, reference)
    finally:
        engine.docker("rm", "--force", trial)
    # The image that had this tag before is nameless now; those that containers run on stay.
    engine.docker("image", "prune", "--force", f"--filter=label={LABEL}={recipe.name}")
    return reference


def version_in(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise Problem(f"the new image does not say its version; it printed: {text.strip()[:200]}")
    return found[1]


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _import(recipe: Recipe, mirror: str | None, work: Path) -> str:
    """Pipes a new root filesystem into the engine; returns the id of the image."""
    log = work / f"{recipe.name}.log"
    files = [f"{FOLDER / source}:{target}" for source, target in recipe.files]
    settings = [f"WORK={work}", *([f"MIRROR={mirror}"] if mirror else [])]
    make = as_root(
        ["env", *settings, str(FOLDER / "rootfs.sh"), recipe.suite, ",".join(recipe.packages), *files]
    )
    changes = [*recipe.changes, f"LABEL {LABEL}={recipe.name} {RECIPE_LABEL}={recipe.fingerprint()}"]
    with log.open("w") as errors:
        filesystem = subprocess.Popen(make, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        take = ["docker", "import", *(f"--change={change}" for change in changes), "-"]
        imported = subprocess.run(
            take, stdin=filesystem.stdout, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        if filesystem.stdout:
            filesystem.stdout.close()
        failed = filesystem.wait() != 0
    if failed or imported.returncode:
        if imported.returncode == 0:  # half an archive is an image, too
            engine.docker("image", "rm", imported.stdout.strip())
        raise Problem(
            f"building the image {recipe.name} failed; all of it is in {log}\n{tail(log.read_text(errors='replace'))}"
        )
    return imported.stdout.strip()


def _require_debootstrap() -> None:
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian keeps it, off the PATH of ordinary users
    if sys.platform != "linux":
        raise Problem(
            "the images are made with debootstrap, which needs Linux; set `image` to one from your registry instead"
        )
    if not shutil.which("debootstrap"):
        apt.install(["debootstrap", "debian-archive-keyring"], "building the images")
