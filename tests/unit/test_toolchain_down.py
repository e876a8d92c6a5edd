"""`make down` and the env files of its stack, on an engine and a backend that only answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toolchain import down, engine, leftovers, passphrase, pooler_console, prepare
from toolchain.problem import Problem
from toolchain.stack import Stack


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with stack prod, which is up, and an env file of its service web; nobody is connected."""
    (tmp_path / "Pulumi.prod.yaml").touch()
    (tmp_path / ".env.prod.web").write_text("DATABASE_URL='postgresql://pgbouncer/app'\n")
    up: dict[str, Any] = {"deployment": {"resources": [{"urn": "urn:pulumi:prod::pgbouncer::a::b"}]}}
    monkeypatch.setenv("PGBOUNCER_STACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(down, "Stack", lambda name: Stack(name, {"PATH": ""}, tmp_path))
    monkeypatch.setattr(Stack, "state", lambda _: up)
    monkeypatch.setattr(Stack, "show", lambda *_: 0)
    monkeypatch.setattr(prepare, "pulumi", lambda: None)
    monkeypatch.setattr(engine, "ensure", lambda: None)
    monkeypatch.setattr(passphrase, "ensure", lambda _: None)
    monkeypatch.setattr(leftovers, "recover", lambda *_: [])
    monkeypatch.setattr(pooler_console, "clients", lambda _: [])
    return tmp_path


def test_the_env_files_go_with_their_stack(folder: Path) -> None:
    down.down("prod", force=False)
    assert not (folder / ".env.prod.web").exists()


@pytest.mark.usefixtures("folder")
def test_the_env_files_that_went_are_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    down.down("prod", force=False)
    assert capsys.readouterr().err.splitlines()[:2] == [
        "stack prod: removed its resources",
        "stack prod: removed .env.prod.web, written by `make env`",
    ]


def test_a_stack_that_could_not_be_destroyed_keeps_its_env_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "show", lambda *_: 255)
    with pytest.raises(Problem, match="could not be destroyed"):
        down.down("prod", force=False)
    assert (folder / ".env.prod.web").exists()


def test_a_stack_with_clients_keeps_its_env_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooler_console, "clients", lambda _: ["web from 10.0.0.5"])
    with pytest.raises(Problem, match="has clients"):
        down.down("prod", force=False)
    assert (folder / ".env.prod.web").exists()


def test_an_env_file_that_an_earlier_run_left_goes_though_the_stack_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "state", lambda _: None)
    down.down("prod", force=False)
    assert not (folder / ".env.prod.web").exists()
