"""Verdicts of `python -m checks`: how parts make a whole, and who counts as past the pooler."""

from __future__ import annotations

import pytest

from checks.__main__ import main
from checks.drift import past_the_pooler
from checks.verdict import Outcome, Verdict, overall
from tests.unit.stacks import settings
from toolchain.stack import verification_table
from views.sample import Backend, Sample

STACK = settings(
    services={"web": {"route": "transaction"}, "stays": {"route": "direct"}, "held": {"route": "session"}}
)


def sample(*backends: Backend) -> Sample:
    return Sample(1, (), backends, frozenset(), {})


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([0, 0], 0),
        ([0, 1], 1),
        ([0, 2], 2),
        ([2, 1], 1),
    ],
)
def test_a_miss_counts_more_than_a_part_that_cannot_be_judged(parts: list[int], whole: int) -> None:
    assert overall([Verdict(Outcome(part), "") for part in parts]) == whole


def test_a_pooled_service_that_reaches_postgres_directly_is_named() -> None:
    verdict = past_the_pooler(STACK, sample(Backend(1, "web", "web", "10.0.0.9", "idle", pooled=False)))
    assert verdict == Verdict(
        Outcome.MISS,
        "ROLE  APPLICATION  ADDRESS   CONNECTIONS\n"
        "web   web          10.0.0.9  1\n"
        "web: bypassing its lane: 1; redeploy with its DSN",
    )


@pytest.mark.parametrize(
    "backend",
    [
        Backend(1, "web", "web", "10.0.0.9", "idle", pooled=True),
        Backend(1, "stays", "stays", "10.0.0.9", "idle", pooled=False),
        Backend(1, "stranger", "psql", "10.0.0.9", "idle", pooled=False),
    ],
    ids=["through the pooler", "a direct service", "no service"],
)
def test_these_are_not_past_the_pooler(backend: Backend) -> None:
    assert past_the_pooler(STACK, sample(backend)) == Verdict(Outcome.AS_DECLARED, "")


@pytest.mark.parametrize("asked", [["nonsense"], ["verify", "--nonsense"], []])
def test_asked_wrongly_it_ends_with_2(asked: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2


def test_the_table_of_the_last_update_is_that_of_its_job() -> None:
    def resource(type_: str, name: str, **more: object) -> dict[str, object]:
        return {"type": type_, "urn": f"urn:pulumi:test-verify::pgbouncer::{type_}::{name}", **more}

    container = "docker:index/container:Container"
    state = {
        "deployment": {
            "resources": [
                resource("pulumi:pulumi:Stack", "pgbouncer-test-verify"),
                resource(container, "pgbouncer-verify", outputs={"containerLogs": "old\n"}, delete=True),
                resource(container, "pgbouncer-verify", outputs={"containerLogs": "CHECK\n"}),
            ]
        }
    }
    assert verification_table(state) == "CHECK"
