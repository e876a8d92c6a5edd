"""The workflows, and the job that the documentation gives to GitLab."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.stacks import ROOT
from toolchain import actionlint

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCS = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")


def workflow(name: str) -> dict[str, Any]:
    """With `on` under its own name: YAML 1.1 reads the bare word as true."""
    found = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    return {("on" if key is True else str(key)): value for key, value in found.items()}


def test_these_are_the_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "drift", "preview", "up"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_names_its_tag(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    assert [
        line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ci", [{"contents": "read"}, None]),
        ("preview", [{}, {"contents": "read", "pull-requests": "write"}]),
        ("up", [{}, {"contents": "read"}]),
        ("drift", [{}, {"contents": "read", "issues": "write"}]),
    ],
)
def test_a_workflow_may_do_no_more_than_it_needs(name: str, expected: list[object]) -> None:
    found = workflow(name)
    (job,) = found["jobs"].values()
    assert [found["permissions"], job.get("permissions")] == expected


def test_a_pull_request_from_a_fork_gets_no_secret() -> None:
    found = workflow("preview")
    assert list(found["on"]) == ["pull_request"]
    assert found["jobs"]["comment"]["if"].startswith(
        "github.event.pull_request.head.repo.full_name == github.repository &&"
    )


def test_an_update_is_protected_by_an_environment_and_never_cut_off() -> None:
    found = workflow("up")
    assert found["jobs"]["up"]["environment"] == "${{ vars.PGBOUNCER_STACK || 'prod' }}"
    assert found["concurrency"]["cancel-in-progress"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_script_of_a_workflow_reads_an_expression(path: Path) -> None:
    """What somebody else wrote, like a branch's name, goes into a variable, not into the script's text."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_the_linter_that_is_built_is_the_pinned_one() -> None:
    assert actionlint.built().name == "actionlint-v1.7.12"


def script(name: str, identifier: str) -> str:
    """What the step with this id runs."""
    (job,) = workflow(name)["jobs"].values()
    (step,) = (step for step in job["steps"] if step.get("id") == identifier)
    return str(step["run"])


def ended(folder: Path, text: str, code: int) -> tuple[int, str]:
    """Exit code and outputs of a step, run as GitHub runs it, whose command ends with `code`."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    python.chmod(0o755)
    out = folder / "outputs"
    out.touch()
    run = subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "STACK": "prod", "GITHUB_OUTPUT": str(out)},
        check=False,
    )
    return run.returncode, out.read_text()


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, (0, "code=0\n")), (1, (0, "code=1\n")), (2, (2, "code=2\n")), (130, (130, "code=130\n"))],
)
def test_a_failed_preview_is_still_commented_on_and_nothing_else_is(
    tmp_path: Path, code: int, expected: tuple[int, str]
) -> None:
    assert ended(tmp_path, script("preview", "review"), code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, (0, "result=clean\n")), (1, (0, "result=drift\n")), (2, (2, "")), (130, (130, ""))],
)
def test_only_a_judged_night_touches_the_issue(tmp_path: Path, code: int, expected: tuple[int, str]) -> None:
    assert ended(tmp_path, script("drift", "check"), code) == expected


def gitlab_job() -> dict[str, Any]:
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    (job,) = yaml.safe_load(text).values()
    assert isinstance(job, dict)
    return job


def test_the_job_for_gitlab_runs_for_merge_requests_of_the_project_itself_only() -> None:
    assert gitlab_job()["rules"] == [
        {
            "if": '$CI_PIPELINE_SOURCE == "merge_request_event" '
            "&& $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"
        }
    ]


def runs_like_gitlab(folder: Path, write_code: int) -> tuple[int, list[str]]:
    """Exit code and commands of the job's script, with a python that notes what it is asked."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$3 $*" >>asked\ncase "$3" in write) exit {write_code};; esac\n')
    python.chmod(0o755)
    (folder / "python3").write_text("#!/bin/sh\n")
    (folder / "python3").chmod(0o755)
    ended = subprocess.run(
        ["sh", "-e", "-c", "\n".join(gitlab_job()["script"])],
        cwd=folder,
        env={
            "PATH": f"{folder}:/usr/bin:/bin",
            "STACK": "prod",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_COMMIT_SHA": "abc",
        },
        check=False,
    )
    return ended.returncode, [line.split()[0] for line in (folder / "asked").read_text().splitlines()]


@pytest.mark.parametrize(
    ("write_code", "expected"),
    [(0, (0, ["write", "comment"])), (1, (1, ["write", "comment"])), (2, (2, ["write"]))],
    ids=["written", "preview failed", "nothing written"],
)
def test_the_job_for_gitlab_comments_whenever_there_is_a_comment(
    tmp_path: Path, write_code: int, expected: tuple[int, list[str]]
) -> None:
    assert runs_like_gitlab(tmp_path, write_code) == expected
