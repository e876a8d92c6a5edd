"""What a reviewer should hesitate at; one sentence each, not yet escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import warnings as of_the_program
from components.budget import Budget
from components.entries import divide
from components.floor import FLOOR, image_tag_version, known_cves
from components.settings import Lane, Settings

NEARLY_FULL = 0.9
"""Share of a limit from which on it is said."""

BUILT_HERE = "pgbouncer-stack/"
"""Repositories of `make image` and `make exporters`: what comes from no registry has no digest to pin."""


def of_update(settings: Settings, budget: Budget, running_image: str) -> list[str]:
    """The program's own warnings, and what only matters before an update; `running_image` is empty at first."""
    return [
        *of_the_program.warnings(settings, budget),
        *_nearly_full(settings, budget),
        *of_image(settings.image),
        *_of_running(running_image, settings.image),
        *_unpinned(settings),
    ]


def of_image(image: str) -> Iterator[str]:
    """A version with known CVEs, also when the rest of the configuration cannot be read."""
    if cves := _cves(image):
        floor = ".".join(map(str, FLOOR))
        yield f"image: {image} has {', '.join(cves)}; use {floor} or later"


def _of_running(running: str, wanted: str) -> Iterator[str]:
    if running != wanted and (cves := _cves(running)) and not _cves(wanted):
        yield f"image: {running}, which runs now, has {', '.join(cves)}; this update ends that"


def _cves(image: str) -> list[str]:
    version = image_tag_version(image)
    return known_cves(version) if version else []


def _nearly_full(settings: Settings, budget: Budget) -> Iterator[str]:
    shared = next(iter(divide(settings).entries)).max_db_connections
    users = {
        service.user
        for service in settings.services.values()
        if service.route is Lane.TRANSACTION and service.pool_size is None and not service.database
    }
    free = shared - max(1, len(users))
    if free <= (1 - NEARLY_FULL) * settings.max_backends:
        taken = settings.max_backends - free
        yield (
            f"max_backends: {taken} of {settings.max_backends} are given to lookups, pools and one for each user; "
            f"the next ones may take {free}, then max_backends has to be raised"
        )
    if not budget.overcommitted and budget.total >= NEARLY_FULL * budget.max_connections:
        yield f"budget: {budget.total} of {budget.max_connections} connections of the server are spoken for"


def _unpinned(settings: Settings) -> Iterator[str]:
    for key, image in _images(settings):
        if "@sha256:" not in image and not image.startswith(BUILT_HERE):
            yield f"{key}: {image} has no digest, so its tag can lead to another image tomorrow; add @sha256:…"


def _images(settings: Settings) -> Iterator[tuple[str, str]]:
    """(key, reference) of every image that the stack runs."""
    yield "image", settings.image
    if settings.metrics:
        yield "metrics.image", settings.metrics.image
        if settings.metrics.postgres_image:
            yield "metrics.postgres_image", settings.metrics.postgres_image


def image_of(config: Mapping[str, object]) -> str:
    """The configured image of `pulumi config --json`, whatever else is wrong there."""
    entry = config.get("pgbouncer:image")
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return value if isinstance(value, str) else ""
