"""The linter of the workflows, as it is built here, finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain import actionlint, prepare


@pytest.fixture(scope="module", autouse=True)
def toolchain() -> None:
    prepare.python()


BROKEN = """\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: {script}
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo ${{ github.event.pull_request.title }}", "potentially untrusted"),
        ("echo ${{ secret.TOKEN }}", 'undefined variable "secret"'),
        ("echo $UNQUOTED", "SC2086"),
    ],
    ids=["script injection", "misspelt expression", "shell"],
)
def test_a_broken_workflow_is_refused_with_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], script: str, said: str
) -> None:
    file = tmp_path / "broken.yml"
    file.write_text(BROKEN.replace("{script}", script))
    assert actionlint.lint([file]) == 1
    assert said in capfd.readouterr().out


def test_the_workflows_of_the_project_pass() -> None:
    assert actionlint.lint() == 0
