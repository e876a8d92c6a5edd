"""How the stand-in language host starts a policy pack."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from google.protobuf import struct_pb2  # type: ignore[import-untyped]  # it ships no types
from pulumi.runtime.proto import analyzer_pb2, language_pb2
from standin.policy_pack import PackError, Program, stack_variables


def request(folder: Path, **options: str) -> language_pb2.RunPluginRequest:
    """What the engine sends for a pack in a folder."""
    given = struct_pb2.Struct()
    given.update(options)
    return language_pb2.RunPluginRequest(
        args=["127.0.0.1:40000"],
        env=["PATH=/usr/bin", "EQUATION=a=b"],
        kind="analyzer",
        info=language_pb2.ProgramInfo(
            root_directory=str(folder), program_directory=str(folder), entry_point=".", options=given
        ),
    )


def with_environment(folder: Path) -> Path:
    """A pack's folder with something in place of its interpreter."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return folder


def test_a_pack_runs_on_the_python_of_its_own_environment(tmp_path: Path) -> None:
    program = Program.of(request(with_environment(tmp_path), virtualenv=".venv"))
    assert program.interpreter == tmp_path / ".venv" / "bin" / "python"


def test_a_pack_without_an_environment_of_its_own_runs_on_the_python_of_the_path(tmp_path: Path) -> None:
    assert Program.of(request(tmp_path)).interpreter == Path("python3")


def test_an_environment_that_is_not_there_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(PackError) as refused:
        Program.of(request(tmp_path, virtualenv=".venv"))
    assert str(refused.value) == (
        f"the policy pack's environment {tmp_path}/.venv is not there; "
        "make it with `make policy`, or `python3 -m venv` and `pip install -r requirements.txt`"
    )


def test_variables_of_the_engine_are_handed_on_as_they_are(tmp_path: Path) -> None:
    assert Program.of(request(tmp_path)).environment["EQUATION"] == "a=b"


def test_a_pack_finds_the_stacks_configuration_where_the_sdk_looks_for_it() -> None:
    configuration = analyzer_pb2.AnalyzerStackConfigureRequest(
        stack="prod", project="pgbouncer", dry_run=True, config={"pgbouncer:max_backends": "25"}
    )
    variables = stack_variables(configuration)
    assert json.loads(variables.pop("PULUMI_CONFIG")) == {"pgbouncer:max_backends": "25"}
    assert variables == {"PULUMI_PROJECT": "pgbouncer", "PULUMI_STACK": "prod", "PULUMI_DRY_RUN": "true"}


def test_a_pack_that_is_asked_about_no_stack_gets_no_configuration() -> None:
    assert stack_variables(None) == {}
