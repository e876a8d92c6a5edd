"""`make rules`, `make dashboard` and `make scrape`: what they write, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from monitoring import __main__ as command
from tests.unit.stacks import settings


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stack prod is the smallest one, with the exporter of PgBouncer."""
    monkeypatch.setattr("toolchain.prepare.pulumi", lambda: None)
    monkeypatch.setattr(command, "settings_of", lambda _: settings(metrics={"image": "exporters:1"}))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, stack: str = "prod") -> int:
    monkeypatch.setattr("sys.argv", ["monitoring", *arguments, "--stack", stack])
    return command.main()


def test_rules_go_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "rules") == 0
    assert yaml.safe_load(capsys.readouterr().out)["groups"][0]["name"] == "pgbouncer-prod"


def test_a_dashboard_goes_to_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, "dashboard", "--out", str(tmp_path / "board.json")) == 0
    assert json.loads((tmp_path / "board.json").read_text(encoding="utf-8"))["title"] == "PgBouncer: prod"


def test_a_job_of_ones_own_is_in_every_query(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "rules", "--job", "mine", "--postgres-job", "theirs")
    text = capsys.readouterr().out
    assert ('job="mine"' in text, 'job="theirs"' in text, 'pgbouncer-prod"' in text) == (True, True, False)


def test_a_file_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "absent" / "rules.yml")
    assert run(monkeypatch, "rules", "--out", out) == 1
    assert capsys.readouterr().err == (
        f"error: OUT={out}: No such file or directory; name a file that can be written\n"
    )


def test_a_stack_without_exporters_has_nothing_to_scrape(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "settings_of", lambda _: settings())
    assert run(monkeypatch, "scrape") == 1
    assert capsys.readouterr().err == (
        "error: metrics: is not set in stack prod, so there is no exporter to scrape; see docs/metrics.md\n"
    )


def test_an_empty_stack_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "rules", stack="") == 1
    assert capsys.readouterr().err == (
        "error: STACK: is empty; name a stack, like STACK=prod, or leave it out for dev\n"
    )


def test_stopped_by_the_user_it_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "settings_of", stopped)
    assert run(monkeypatch, "rules") == 130


def test_an_unknown_command_is_asked_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "picture")
    assert ended.value.code == 2
