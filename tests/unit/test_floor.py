"""Versions in image tags."""

from __future__ import annotations

import pytest

from components.floor import Version, image_tag_version, is_below_floor, known_cves


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("pgbouncer:1.26.1", (1, 26, 1)),
        ("pgbouncer:v1.26.1", (1, 26, 1)),
        ("pgbouncer:1.27", (1, 27, 0)),
        ("pgbouncer:1.26.1-2", (1, 26, 1)),
        ("pgbouncer:1.26.1_alpine3.22", (1, 26, 1)),
        ("pgbouncer:1.100.20", (1, 100, 20)),
        ("team/pgbouncer:2.0.0", (2, 0, 0)),
        ("registry:5000/team/pgbouncer:1.26.1-2@sha256:0123", (1, 26, 1)),
    ],
)
def test_the_version_is_read_from_the_tag(reference: str, version: Version) -> None:
    assert image_tag_version(reference) == version


@pytest.mark.parametrize(
    "reference",
    [
        "pgbouncer",
        "pgbouncer:latest",
        "pgbouncer:1",
        "pgbouncer:stable-1.26.1",
        "registry:5000/pgbouncer",
        "registry:1.26/pgbouncer",
        "pgbouncer@sha256:1.26.1",
        ":1.26.1",
        "",
    ],
)
def test_what_is_no_tag_with_a_version_has_none(reference: str) -> None:
    assert image_tag_version(reference) is None


@pytest.mark.parametrize("version", [(1, 26, 0), (1, 25, 9), (1, 9, 99), (0, 99, 99)])
def test_a_version_before_1_26_1_is_below_the_floor(version: Version) -> None:
    assert is_below_floor(version)


@pytest.mark.parametrize("version", [(1, 26, 1), (1, 26, 10), (1, 27, 0), (1, 100, 0), (2, 0, 0)])
def test_version_1_26_1_and_later_are_not_below_the_floor(version: Version) -> None:
    assert not is_below_floor(version)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((1, 27, 0), []),
        ((1, 26, 1), []),
        ((1, 26, 0), ["CVE-2026-107348", "CVE-2026-107349", "CVE-2026-107350"]),
        (
            (1, 25, 2),
            [
                "CVE-2026-19888",
                "CVE-2026-6668",
                "CVE-2026-6669",
                "CVE-2026-107348",
                "CVE-2026-107349",
                "CVE-2026-107350",
            ],
        ),
    ],
)
def test_a_version_has_the_holes_that_later_ones_fix(version: Version, expected: list[str]) -> None:
    assert known_cves(version) == expected


def test_the_oldest_versions_have_every_hole() -> None:
    assert len(known_cves((1, 18, 0))) == 12
