"""Verdicts of `python -m checks`: how parts make a whole, what each exit code needs, and who is past the pooler."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest

from checks.__main__ import main, report
from checks.drift import past_the_pooler
from checks.verdict import Outcome, Verdict, overall
from checks.verification import verdict
from tests.unit.stacks import settings
from toolchain.problem import Problem
from toolchain.stack import Stack, verification_table
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


@pytest.mark.parametrize(
    ("code", "stdout", "outcome"),
    [
        (0, "CHECK           RESULT  FACTS\nversion         ok      1\n", 0),
        (1, "CHECK           RESULT  FACTS\nversion         MISS    1\n", 1),
        (0, "", 2),
        (1, "", 2),
        (2, "", 2),
        (137, "CHECK           RESULT  FACTS\nversion         ok      1\n", 2),
    ],
    ids=["clean", "a miss", "silent", "Docker's own failure", "cannot be judged", "killed"],
)
def test_only_a_table_can_say_that_all_is_as_declared_or_that_something_is_not(
    code: int, stdout: str, outcome: int
) -> None:
    assert verdict(CompletedProcess([], code, stdout, "")).outcome == outcome


def test_a_job_that_did_not_run_is_quoted() -> None:
    ended = CompletedProcess([], 1, "", "Error response from daemon: network app_net not found\n")
    assert verdict(ended) == Verdict(
        Outcome.UNKNOWN,
        "cannot be judged: the job ended with exit code 1: Error response from daemon: network app_net not found",
    )


@pytest.fixture
def nothing_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an engine nor a CLI is wanted."""
    monkeypatch.setattr("toolchain.engine.ensure", lambda: None)
    monkeypatch.setattr("toolchain.prepare.pulumi", lambda: None)


@pytest.mark.usefixtures("nothing_to_install")
@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_outcome_is_the_exit_code_and_its_text_is_printed(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(lambda _: Verdict(outcome, "CHECK"), Stack("prod")) == outcome
    assert capsys.readouterr().out == "CHECK\n"


@pytest.mark.usefixtures("nothing_to_install")
@pytest.mark.parametrize(
    ("failure", "said"),
    [(Problem("no pooler"), "error: no pooler\n"), (KeyError("outputs"), "KeyError: 'outputs'\n")],
    ids=["a problem", "a mistake of ours"],
)
def test_what_fails_is_no_miss(failure: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def judge(_: Stack) -> Verdict:
        raise failure

    assert report(judge, Stack("prod")) == 2
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize("command", ["verify", "drift"])
def test_an_empty_stack_is_asked_wrongly(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--stack", ""]) == 2
    assert capsys.readouterr().err == (
        "error: STACK: is empty; name a stack, like STACK=prod, or leave it out for dev\n"
    )


def test_stopped_by_the_user_it_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("toolchain.engine.ensure", stopped)
    assert main(["verify", "--stack", "prod"]) == 130


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
