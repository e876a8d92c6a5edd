"""The verification as a resource: its order, its rights and its secrets."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker
import pytest

from components.verification import Verification, VerificationArgs
from tests.unit.engine import Engine, Registration, run


def job(engine: Engine) -> Registration:
    def program() -> None:
        before = docker.Volume("before")
        Verification(
            "p",
            VerificationArgs(
                image="team/pgbouncer:1.26.1",
                user="65532:65532",
                network="app_net",
                container=pulumi.Output.from_input("the-container"),
                volumes=[],
                arguments=["db", "5432"],
                files={"declared": pulumi.Output.from_input("fact\n")},
                secret_files={"admin.pgpass": "*:*:*:*:tr0ub4dor\n"},
                depends_on=[before],
            ),
        )

    run(engine, program)
    return engine.registered["p-verify"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("command", ["the-container", "db", "5432"]),
        ("user", "65532:65532"),
        ("groupAdds", ["0"]),
        ("networksAdvanced", [{"name": "app_net"}]),
        ("capabilities", {"adds": [], "drops": ["ALL"]}),
        ("securityOpts", ["no-new-privileges:true"]),
        ("tmpfs", {"/tmp": "mode=1777,noexec,nosuid,nodev,size=8m"}),
    ],
)
def test_the_job_is_defined_as_designed(engine: Engine, key: str, value: object) -> None:
    assert job(engine).inputs[key] == value


def test_it_runs_after_what_it_looks_at(engine: Engine) -> None:
    assert "before" in job(engine).depends_on


def test_only_the_passwords_are_staged_for_its_group_to_empty(engine: Engine) -> None:
    uploads = job(engine).inputs["uploads"]
    assert [(item["file"], item["permissions"]) for item in uploads] == [
        ("/staged/declared", "0440"),
        ("/staged/admin.pgpass", "0660"),
    ]


def test_its_uploads_are_secret(engine: Engine) -> None:
    assert job(engine).secret_inputs == {"uploads"}


def test_a_miss_fails_the_update_with_the_table(engine: Engine) -> None:
    engine.exit_codes["p-verify"] = 1
    engine.logs["p-verify"] = "MISS        version: PgBouncer\n"
    with pytest.raises(pulumi.RunError, match=r"p-verify failed \(exit code 1\):\nMISS        version"):
        job(engine)
