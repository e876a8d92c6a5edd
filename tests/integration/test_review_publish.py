"""Comments and issues through the real client, against a server that speaks GitHub's REST API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from review import publish
from review.publish import Host
from tests.integration.github import BOT, REPOSITORY, TOKEN, GitHub, serving
from toolchain.paths import PROJECT
from toolchain.problem import Problem

PROD = "<!-- pgbouncer-stack preview of prod -->\n"
DRIFT = "<!-- pgbouncer-stack drift of prod -->\n"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def host(github: GitHub) -> Host:
    return Host(github.url, REPOSITORY, TOKEN)


def test_the_first_review_is_a_new_comment(github: GitHub, host: Host) -> None:
    publish.comment(host, "prod", 7, "first\n")
    assert github.bodies() == [f"{PROD}first\n"]


def test_the_next_review_takes_the_place_of_the_last(github: GitHub, host: Host) -> None:
    publish.comment(host, "prod", 7, "first\n")
    publish.comment(host, "prod", 7, "second\n")
    assert github.bodies() == [f"{PROD}second\n"]


def test_the_same_review_again_writes_nothing(github: GitHub, host: Host) -> None:
    for _ in range(2):
        publish.comment(host, "prod", 7, "first\n")
    assert github.written == ["POST /issues/7/comments"]


def test_two_stacks_have_a_comment_each(github: GitHub, host: Host) -> None:
    for stack, text in (("prod", "a\n"), ("prod-eu", "b\n"), ("prod", "c\n"), ("prod-eu", "d\n")):
        publish.comment(host, stack, 7, text)
    assert github.bodies() == [f"{PROD}c\n", "<!-- pgbouncer-stack preview of prod-eu -->\nd\n"]


@pytest.mark.parametrize("author", ["mallory", None], ids=["a person", "a deleted account"])
def test_a_comment_of_somebody_else_with_the_marker_is_left_alone(
    github: GitHub, host: Host, author: str | None
) -> None:
    github.add_comment(7, author, f"{PROD}not ours")
    publish.comment(host, "prod", 7, "ours\n")
    assert github.bodies() == [f"{PROD}not ours", f"{PROD}ours\n"]


def test_our_own_quotation_of_a_review_is_left_alone(github: GitHub, host: Host) -> None:
    github.add_comment(7, BOT, f"> {PROD}> quoted")
    publish.comment(host, "prod", 7, "ours\n")
    assert github.bodies()[0] == f"> {PROD}> quoted"


def test_the_comment_is_found_behind_two_full_pages_of_others(github: GitHub, host: Host) -> None:
    for number in range(230):
        github.add_comment(7, "somebody", f"comment {number}")
    github.add_comment(7, BOT, f"{PROD}old")
    publish.comment(host, "prod", 7, "new\n")
    assert len(github.bodies()) == 231
    assert github.bodies()[-1] == f"{PROD}new\n"


def test_another_login_is_named_where_a_token_is_not_that_of_actions(github: GitHub, host: Host) -> None:
    github.add_comment(7, "team-bot", f"{PROD}old")
    publish.comment(replace(host, author="team-bot"), "prod", 7, "new\n")
    assert github.bodies() == [f"{PROD}new\n"]


def test_the_commit_stands_below_the_review(github: GitHub, host: Host) -> None:
    publish.comment(host, "prod", 7, "first\n", "0123456789abcdef0123456789abcdef01234567")
    assert github.bodies() == [f"{PROD}first\n\n<sub>For commit `0123456789ab`.</sub>\n"]


def test_drift_opens_one_issue(github: GitHub, host: Host) -> None:
    publish.drift(host, "prod", "role x: gone\n", clean=False)
    opened = [one for one in github.issues.values() if one["title"] == "PgBouncer: stack prod has drifted"]
    assert [one["body"].startswith(DRIFT) for one in opened] == [True]


def test_drift_of_the_next_night_renews_the_same_issue(github: GitHub, host: Host) -> None:
    publish.drift(host, "prod", "role x: gone\n", clean=False)
    publish.drift(host, "prod", "role y: gone\n", clean=False)
    (body,) = [one["body"] for one in github.issues.values() if (one["body"] or "").startswith(DRIFT)]
    assert "role y: gone" in body
    assert "role x" not in body


def test_drift_of_another_stack_is_another_issue(github: GitHub, host: Host) -> None:
    publish.drift(host, "prod", "x\n", clean=False)
    publish.drift(host, "prod-eu", "x\n", clean=False)
    assert [one["title"] for one in github.issues.values()][1:] == [
        "PgBouncer: stack prod has drifted",
        "PgBouncer: stack prod-eu has drifted",
    ]


def test_an_issue_without_a_text_is_none_of_ours(github: GitHub, host: Host) -> None:
    github.add_issue(8, BOT, None)
    publish.drift(host, "prod", "x\n", clean=False)
    assert github.issues[8]["body"] is None


def test_a_clean_night_closes_the_issue_with_a_word(github: GitHub, host: Host) -> None:
    issue = github.add_issue(8, BOT, f"{DRIFT}x")
    publish.drift(host, "prod", "", clean=True)
    assert (issue["state"], github.bodies(8)) == ("closed", ["The last check found no drift."])


def test_a_clean_night_without_an_issue_writes_nothing(github: GitHub, host: Host) -> None:
    publish.drift(host, "prod", "", clean=True)
    assert github.written == []


def test_drift_after_a_closed_issue_opens_another(github: GitHub, host: Host) -> None:
    github.add_issue(8, BOT, f"{DRIFT}x")["state"] = "closed"
    publish.drift(host, "prod", "y\n", clean=False)
    assert github.written == ["POST /issues"]


def test_a_refusal_names_the_status_and_the_permissions(github: GitHub, host: Host) -> None:
    github.refuses = 403
    with pytest.raises(Problem) as refused:
        publish.comment(host, "prod", 7, "x")
    assert str(refused.value) == (
        "GitHub answered 403 (Resource not accessible by integration) for team/pgbouncer; "
        "look at the number, and at `permissions:` of the job"
    )


def test_a_wrong_token_is_refused_without_repeating_it(host: Host) -> None:
    with pytest.raises(Problem) as refused:
        publish.comment(replace(host, token="sentinel-wrong"), "prod", 7, "x")
    assert "GitHub answered 401 (Bad credentials)" in str(refused.value)
    assert "sentinel" not in str(refused.value)


def test_a_pull_request_that_is_not_there_is_a_clear_error(host: Host) -> None:
    with pytest.raises(Problem, match=r"GitHub answered 404 \(Not Found\)"):
        publish.comment(host, "prod", 404, "x")


def test_a_host_that_does_not_answer_is_a_clear_error(host: Host) -> None:
    with serving() as gone:
        pass
    with pytest.raises(Problem, match="cannot be reached"):
        publish.comment(replace(host, api=gone.url), "prod", 7, "x")


def run(github: GitHub, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a workflow runs it."""
    given = {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": TOKEN,
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "review", *arguments],
        cwd=PROJECT,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_of_the_preview_workflow_comments(github: GitHub, tmp_path: Path) -> None:
    text = tmp_path / "comment.md"
    text.write_text("words\n")
    ended = run(github, "comment", "--stack", "prod", "--file", str(text), "--number", "7", "--commit", "abc")
    assert (ended.returncode, github.bodies()) == (0, [f"{PROD}words\n\n<sub>For commit `abc`.</sub>\n"])


def test_the_command_of_the_drift_workflow_opens_and_closes(github: GitHub, tmp_path: Path) -> None:
    said = tmp_path / "drift.txt"
    said.write_text("role x: gone\n")
    for result in ("drift", "clean"):
        assert (
            run(github, "drift", "--stack", "prod", "--file", str(said), "--result", result).returncode == 0
        )
    assert github.issues[max(github.issues)]["state"] == "closed"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("comment", "--file", "x", "--number", "7"), {"GITHUB_TOKEN": ""}, "GITHUB_TOKEN: not set"),
        (("comment", "--file", "/nowhere/x.md", "--number", "7"), {}, "--file /nowhere/x.md: cannot be read"),
        (("comment", "--file", "x", "--number", "seven"), {}, "invalid int value: 'seven'"),
        (("drift", "--file", "x", "--result", "maybe"), {}, "invalid choice: 'maybe'"),
        (("write", "--stack", ""), {}, "STACK: is empty; name a stack, like STACK=prod"),
        (("write", "--stack", "nope"), {}, "Pulumi.nope.yaml does not exist"),
        ((), {}, "the following arguments are required: command"),
    ],
    ids=["no token", "no file", "no number", "no result", "empty stack", "no stack", "no command"],
)
def test_what_is_asked_wrongly_ends_with_2_and_says_why(
    github: GitHub, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    ended = run(github, *arguments, **environment)
    assert (ended.returncode, said in ended.stderr) == (2, True)
