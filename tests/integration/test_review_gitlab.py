"""Notes of a merge request, against a server that speaks GitLab's REST API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from review import gitlab
from review.gitlab import Project
from tests.integration.gitlab import ME, NOTES, OTHER, TOKEN, GitLab, serving
from toolchain.paths import PROJECT
from toolchain.problem import Problem

PROD = "<!-- pgbouncer-stack preview of prod -->\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitLab]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving() as found:
        yield found


@pytest.fixture
def project(server: GitLab) -> Project:
    return Project(server.url, "42", TOKEN)


def test_the_next_review_takes_the_place_of_the_last(server: GitLab, project: Project) -> None:
    gitlab.comment(project, "prod", 7, "first\n")
    gitlab.comment(project, "prod", 7, "second\n")
    assert server.bodies() == [f"{PROD}second\n"]


def test_the_same_review_again_writes_nothing(server: GitLab, project: Project) -> None:
    for _ in range(2):
        gitlab.comment(project, "prod", 7, "first\n")
    assert server.written == [f"POST {NOTES}"]


def test_two_stacks_have_a_note_each(server: GitLab, project: Project) -> None:
    for stack, text in (("prod", "a\n"), ("prod-eu", "b\n"), ("prod", "c\n")):
        gitlab.comment(project, stack, 7, text)
    assert server.bodies() == [f"{PROD}c\n", "<!-- pgbouncer-stack preview of prod-eu -->\nb\n"]


def test_a_note_of_somebody_else_with_the_marker_is_left_alone(server: GitLab, project: Project) -> None:
    server.add(OTHER, f"{PROD}not ours")
    gitlab.comment(project, "prod", 7, "ours\n")
    assert server.bodies() == [f"{PROD}not ours", f"{PROD}ours\n"]


def test_the_note_is_found_behind_two_full_pages_of_others(server: GitLab, project: Project) -> None:
    for number in range(230):
        server.add(OTHER, f"note {number}")
    server.add(ME, f"{PROD}old")
    gitlab.comment(project, "prod", 7, "new\n")
    assert (len(server.bodies()), server.bodies()[-1]) == (231, f"{PROD}new\n")


def test_a_wrong_token_is_refused_without_repeating_it(project: Project) -> None:
    with pytest.raises(Problem) as refused:
        gitlab.comment(replace(project, token="sentinel-wrong"), "prod", 7, "x")
    assert str(refused.value) == (
        "GitLab answered 401 for GET /user; look at the number, and at role and scope of GITLAB_TOKEN"
    )


def test_a_merge_request_that_is_not_there_is_a_clear_error(project: Project) -> None:
    with pytest.raises(Problem, match="GitLab answered 404 for GET /projects/42/merge_requests/404/notes"):
        gitlab.comment(project, "prod", 404, "x")


def test_a_host_that_does_not_answer_is_a_clear_error(project: Project) -> None:
    with serving() as gone:
        pass
    with pytest.raises(Problem, match="cannot be reached"):
        gitlab.comment(replace(project, api=gone.url), "prod", 7, "x")


def run(text: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command of the documented job."""
    command = [
        "comment",
        "--host",
        "gitlab",
        "--stack",
        "prod",
        "--file",
        str(text),
        "--number",
        "7",
        "--commit",
        "abc",
    ]
    return subprocess.run(
        [sys.executable, "-m", "review", *command],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_of_the_documented_job_comments(server: GitLab, tmp_path: Path) -> None:
    text = tmp_path / "comment.md"
    text.write_text("words\n")
    ended = run(text, CI_API_V4_URL=server.url, CI_PROJECT_ID="42", GITLAB_TOKEN=TOKEN)
    assert (ended.returncode, server.bodies()) == (0, [f"{PROD}words\n\n<sub>For commit `abc`.</sub>\n"])


def test_a_missing_variable_ends_with_2_and_is_named(tmp_path: Path) -> None:
    ended = run(
        tmp_path / "comment.md", CI_API_V4_URL="http://127.0.0.1", CI_PROJECT_ID="42", GITLAB_TOKEN=""
    )
    assert (ended.returncode, "GITLAB_TOKEN: not set" in ended.stderr) == (2, True)
