"""`make verify` and `make drift` on a whole stack: silent when it is clean, and each seeded fault is named.

Every check has its fault in integration/test_verify.py; here are those that go through Pulumi, Docker and the state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from checks import drift, verification
from checks.__main__ import report
from checks.verdict import Outcome, Verdict
from tests.e2e.conftest import PASSWORDS
from tests.e2e.deployment import Deployment
from toolchain import leftovers
from toolchain.dev_database import literal
from toolchain.engine import docker
from toolchain.stack import Stack, failed_jobs, verification_table

FUNCTION = "user_lookup(i_username text)"


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


@pytest.fixture(scope="module")
def stack(up: Deployment) -> Stack:
    return Stack(up.stack, up.environment(), up.folder)


@pytest.fixture(scope="module")
def clean(stack: Stack) -> Verdict:
    """What `make drift` says of the stack before any fault; the verification is a part of it."""
    return drift.drift(stack)


@contextmanager
def seeded(up: Deployment, seed: str, undo: str) -> Iterator[None]:
    up.database.sql(seed)
    try:
        yield
    finally:
        up.database.sql(undo)


def misses(text: str) -> list[str]:
    return sorted(re.findall(r"^MISS +(.+)$", text, re.MULTILINE))


def headings(text: str) -> list[str]:
    return re.findall(r"^(?:Pulumi's resources|Verification|Past the pooler): .*$", text, re.MULTILINE)


def test_the_update_has_verified_itself(stack: Stack, up: Deployment) -> None:
    table = verification_table(stack.state())
    assert re.findall(r"^(?:logins|prepared|backends) .*$", table, re.MULTILINE) == [
        "backends        ok      2",
        f"logins          ok      {len(up.config['services']) - 1}, 1 not judged",
        f"prepared        ok      {len(up.config['services']) - 1}",
    ]


def test_a_clean_stack_has_not_drifted(clean: Verdict) -> None:
    assert headings(clean.text) == [
        "Pulumi's resources: as declared",
        "Verification: as declared",
        "Past the pooler: as declared",
    ]
    assert clean.outcome == Outcome.AS_DECLARED


def test_a_report_holds_no_secret(clean: Verdict) -> None:
    assert "sentinel" not in clean.text


@pytest.mark.usefixtures("clean")
def test_no_container_of_a_verification_stays(up: Deployment) -> None:
    label = "label=pgbouncer-stack.purpose=compares what is declared with what is, once"
    assert (
        docker(
            "ps", "--all", "--quiet", f"--filter={label}", f"--filter=label=pgbouncer-stack.stack={up.stack}"
        )
        == ""
    )


FAULTS = {
    "body of the function": (
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('pgbouncer.user_lookup(text)'::regprocedure), "
        "'No row for', 'Rows for'); END $$;",
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('pgbouncer.user_lookup(text)'::regprocedure), "
        "'Rows for', 'No row for'); END $$;",
        f"function: {FUNCTION} body",
    ),
    "EXECUTE granted to PUBLIC": (
        "GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO PUBLIC;",
        "REVOKE EXECUTE ON FUNCTION pgbouncer.user_lookup(text) FROM PUBLIC;",
        f"grants: {FUNCTION}: PUBLIC",
    ),
    "auth role made superuser": (
        "ALTER ROLE pgbouncer_auth_a SUPERUSER;",
        "ALTER ROLE pgbouncer_auth_a NOSUPERUSER;",
        "roles: pgbouncer_auth_a",
    ),
    "a service's password changed": (
        "ALTER ROLE grafana_ro PASSWORD 'another';",
        f"ALTER ROLE grafana_ro PASSWORD {literal(PASSWORDS['grafana_ro'])};",
        "logins: grafana",
    ),
}


@pytest.mark.parametrize(("seed", "undo", "caught"), FAULTS.values(), ids=FAULTS)
def test_a_seeded_fault_is_named_and_nothing_else_is(
    up: Deployment, stack: Stack, seed: str, undo: str, caught: str
) -> None:
    with seeded(up, seed, undo):
        verdict = verification.verify(stack)
    assert (verdict.outcome, misses(verdict.text)) == (Outcome.MISS, [caught])


def test_a_file_edited_in_the_volume_is_named(up: Deployment, stack: Stack) -> None:
    def on_volume(command: str) -> None:
        [name] = [
            one["id"] for one in up.state() if one["urn"].endswith("::pgbouncer-config") and "id" in one
        ]
        volume = f"--volume={name}:/config"
        docker(
            "run",
            "--rm",
            "--network=none",
            volume,
            "--entrypoint=/bin/sh",
            up.config["image"],
            "-c",
            command,
        )

    file = "/config/live/pgbouncer.ini"
    on_volume(f"cp {file} /config/kept && chmod u+w {file} && echo '; by hand' >>{file}")
    try:
        verdict = verification.verify(stack)
    finally:
        on_volume(f"cat /config/kept >{file} && rm -f /config/kept && chmod 0400 {file}")
    assert (verdict.outcome, misses(verdict.text)) == (Outcome.MISS, ["files: pgbouncer.ini"])


def test_drift_names_a_changed_role_in_pulumi_and_a_service_past_the_pooler(
    up: Deployment, stack: Stack
) -> None:
    fault = ("ALTER ROLE pgbouncer_services LOGIN;", "ALTER ROLE pgbouncer_services NOLOGIN;")
    with seeded(up, *fault), psycopg.connect(up.lane("service_1", "direct")):
        found = drift.drift(stack)
    assert headings(found.text) == [
        "Pulumi's resources: not as declared",
        "Verification: not as declared",
        "Past the pooler: not as declared",
    ], found.text
    assert "service_1: bypassing its lane: 1; redeploy with its DSN" in found.text
    assert misses(found.text) == ["roles: pgbouncer_services"]
    assert (found.outcome, "sentinel" in found.text) == (Outcome.MISS, False)


def test_exit_codes_tell_as_declared_from_a_miss_and_from_what_cannot_be_judged(
    up: Deployment, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [report(verification.verify, stack)]
    with seeded(up, "CREATE ROLE pgbouncer_auth_b;", "DROP ROLE pgbouncer_auth_b;"):
        codes.append(report(verification.verify, stack))
    up.write_config({"rotation": 2})
    codes.append(report(verification.verify, stack))
    up.write_config({"rotation": 1})
    assert codes == [0, 1, 2]
    assert capsys.readouterr().err == (
        f"error: stack {up.stack} has no password of rotation 2 in its state; run `make up STACK={up.stack}` first\n"
    )


def test_an_update_with_a_miss_fails_and_the_next_make_up_verifies_again(
    up: Deployment, stack: Stack
) -> None:
    fault, undo = (
        "ALTER ROLE user_2 PASSWORD 'another';",
        f"ALTER ROLE user_2 PASSWORD {literal(PASSWORDS['user_2'])};",
    )
    with seeded(up, fault, undo):
        said = up.failed_up({"max_backends": 24})
    assert "pgbouncer-verify failed (exit code 1)" in said
    assert "MISS        logins: service_2" in said
    assert "compare the role's password with passwords.USER of the stack" in said
    again = leftovers.recover(stack, stack.state())
    assert [urn.rpartition("::")[2] for urn in again] == ["pgbouncer-verify"]
    up.up(arguments=[f"--replace={urn}" for urn in again])
    assert failed_jobs(stack.state()) == []
