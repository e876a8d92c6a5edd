"""What a reviewer should hesitate at."""

from __future__ import annotations

import pytest

from components.budget import prove
from review.warnings import image_of, of_image, of_update
from tests.unit.stacks import settings

PINNED = "registry.example/pgbouncer:1.26.1@sha256:" + "0" * 64


def said(running: str = "", **changes: object) -> list[str]:
    found = settings(**changes)
    return of_update(found, prove(found), running)


def test_a_small_stack_is_not_warned_about() -> None:
    assert said() == []


def test_the_warnings_of_the_program_come_first() -> None:
    found = said(
        image="team/pgbouncer:1.26.1",
        services={"web": {"user": "ann", "route": "session"}},
        superusers=["ann"],
    )
    assert found[0] == (
        "superusers: web log in as the superuser ann; a role with rights on their tables only would do"
    )


def test_a_cap_that_is_nearly_given_away_says_how_much_is_left() -> None:
    def with_pool(size: int) -> list[str]:
        return said(
            services={"web": {"route": "transaction", "pool_size": size}, "worker": {"route": "transaction"}}
        )

    assert with_pool(14) == []
    assert with_pool(15) == [
        "max_backends: 23 of 25 are given to lookups, pools and one for each user; "
        "the next ones may take 2, then max_backends has to be raised"
    ]


def test_a_budget_that_is_nearly_spent_says_so() -> None:
    assert said(services={"web": {"direct_connections": 32}}) == []
    assert said(services={"web": {"direct_connections": 33}}) == [
        "budget: 90 of 100 connections of the server are spoken for"
    ]


def test_a_budget_that_is_crossed_is_not_nearly_spent() -> None:
    found = said(services={"web": {"direct_connections": 44}})
    assert found == [
        "budget: declared connections cross max_connections by 1 (101 of 100); "
        "the largest step down is services.web.route: transaction (-44)"
    ]


def test_an_image_of_a_registry_without_a_digest_is_not_pinned() -> None:
    assert said(image="registry.example/pgbouncer:1.26.1") == [
        "image: registry.example/pgbouncer:1.26.1 has no digest, so its tag can lead to another image tomorrow; "
        "add @sha256:…"
    ]


def test_an_image_with_a_digest_is_pinned() -> None:
    assert said(image=PINNED) == []


@pytest.mark.parametrize(
    ("key", "metrics"),
    [
        ("metrics.image", {"image": "registry.example/exporter:0.9.0"}),
        (
            "metrics.postgres_image",
            {
                "image": "pgbouncer-stack/exporters:0.9.0",
                "postgres_image": "registry.example/exporter:0.9.0",
            },
        ),
    ],
    ids=["of PgBouncer", "of Postgres"],
)
def test_an_exporter_without_a_digest_is_not_pinned_either(key: str, metrics: dict[str, str]) -> None:
    assert said(metrics=metrics) == [
        f"{key}: registry.example/exporter:0.9.0 has no digest, so its tag can lead to another image tomorrow; "
        "add @sha256:…"
    ]


def test_exporters_with_a_digest_and_those_made_here_are_pinned() -> None:
    pinned = "registry.example/exporter:0.9.0@sha256:" + "0" * 64
    made_here = "pgbouncer-stack/exporters:0.11.1-abc"
    assert said(metrics={"image": pinned, "postgres_image": made_here}) == []


def test_an_old_version_names_its_cves_and_the_way_out() -> None:
    assert list(of_image("team/pgbouncer:1.26.0")) == [
        "image: team/pgbouncer:1.26.0 has CVE-2026-107348, CVE-2026-107349, CVE-2026-107350; use 1.26.1 or later"
    ]


def test_an_upgrade_says_which_cves_it_ends() -> None:
    assert said("team/pgbouncer:1.26.0") == [
        "image: team/pgbouncer:1.26.0, which runs now, has CVE-2026-107348, CVE-2026-107349, CVE-2026-107350; "
        "this update ends that"
    ]


def test_the_image_is_found_in_a_configuration_that_cannot_be_read() -> None:
    config = {
        "pgbouncer:image": {"value": "a:1.25.0", "secret": False},
        "pgbouncer:max_backends": {"value": "x"},
    }
    assert image_of(config) == "a:1.25.0"


def test_without_an_image_there_is_nothing_to_say_about_it() -> None:
    assert list(of_image(image_of({}))) == []
