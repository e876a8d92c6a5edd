"""The policy pack through `pulumi preview --policy-pack`: a seeded fault per rule, and none on a clean stack.

Every preview is of the real program, with at most one fault in it; nothing is deployed, so no database is needed.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import make_deployment
from tests.e2e.deployment import PROJECT, Deployment
from toolchain import exporter_image, prepare

PACK = PROJECT / "policy"
EXCEPTIONS = [entry["name"] for entry in json.loads((PACK / "exceptions.json").read_text(encoding="utf-8"))]


@dataclass(frozen=True)
class Judgement:
    """What a preview with the pack says."""

    exit_code: int
    output: str

    @property
    def violations(self) -> list[tuple[str, str, str]]:
        """(level, rule, resource), in the order in which they are shown."""
        return re.findall(r"- \[(\w+)\]\s+([\w-]+)\s+\(\S+: (\S+)\)", self.output)

    @property
    def containers(self) -> list[str]:
        """Names of those that would be made."""
        return re.findall(r"docker:index:Container +(\S+) +create", self.output)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A configured stack of the seeded program, never deployed."""
    prepare.policy_pack()
    made = make_deployment("test-policy", tmp_path_factory.mktemp("policy"))
    made.init()
    (made.folder / "__main__.py").unlink()
    (made.folder / "__main__.py").symlink_to(PROJECT / "tests" / "e2e" / "seeded_program.py")
    yield made
    made.remove()


def judge(stack: Deployment, fault: str = "", **config: object) -> Judgement:
    """Preview with one seeded fault, or with one change of the configuration."""
    kept = dict(stack.config)
    stack.write_config(config)
    stack.config = kept
    ended = subprocess.run(
        ["pulumi", "preview", "--suppress-outputs", "--non-interactive", "--policy-pack", str(PACK)],
        cwd=stack.folder,
        env={**stack.environment(), "SEEDED_FAULT": fault},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Judgement(ended.returncode, ended.stdout)


@pytest.fixture(scope="module")
def clean(stack: Deployment) -> Judgement:
    """Without a fault, and with every container that the program can make."""
    exporters = exporter_image.reference()
    services = stack.config["services"]
    return judge(
        stack,
        metrics={"image": exporters, "postgres_image": exporters},
        managed_passwords=["user_1"],
        services={**services, "service_1": {**services["service_1"], "read_only": True}},
    )


def test_no_rule_cries_on_a_clean_stack(clean: Judgement) -> None:
    assert "✅ pgbouncer-stack@v1.0.0" in clean.output, clean.output


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_a_clean_stack_has_a_container_for_every_named_exception(clean: Judgement, name: str) -> None:
    assert fnmatch.filter(clean.containers, name), clean.output


def test_a_clean_preview_ends_well(clean: Judgement) -> None:
    assert clean.exit_code == 0


@pytest.mark.parametrize(
    ("fault", "rule", "resource"),
    [
        ("old image", "image-pinned-and-above-floor", "pgbouncer-pooler"),
        ("host network", "no-port-on-every-address", "pgbouncer-pooler"),
        ("writable root", "pooler-read-only-and-non-root", "pgbouncer-pooler"),
        ("capabilities", "pooler-read-only-and-non-root", "pgbouncer-userlist"),
        ("secret variable", "no-secret-in-env-or-labels", "pgbouncer-pooler"),
        ("password in an output", "no-known-secret-in-clear", "pgbouncer-test-policy"),
        ("open userlist", "secrets-hidden", "pgbouncer-userlist"),
        ("open password file", "secrets-hidden", "pgbouncer-check-interval"),
        ("entry without cap", "cap-on-every-entry", "pgbouncer-write"),
        ("caps over max_backends", "cap-on-every-entry", "pgbouncer-write"),
        ("wildcard entry", "no-wildcard-entry", "pgbouncer-write"),
        ("stranger among superusers", "superuser-routes-named", "pgbouncer-superusers-postgres"),
    ],
)
def test_a_seeded_fault_is_caught_by_its_own_rule_alone(
    stack: Deployment, fault: str, rule: str, resource: str
) -> None:
    found = judge(stack, fault)
    assert found.violations == [("mandatory", rule, resource)], found.output


@pytest.fixture(scope="module")
def labelled(stack: Deployment) -> Judgement:
    return judge(stack, "password in a label")


def test_a_password_whose_mark_got_lost_is_caught_in_a_label(labelled: Judgement) -> None:
    assert labelled.violations == [("mandatory", "no-secret-in-env-or-labels", "pgbouncer-pooler")]


@pytest.fixture(scope="module")
def everywhere(stack: Deployment) -> Judgement:
    """A fault that the configuration alone can make."""
    return judge(stack, ports=["0.0.0.0:6432"])


def test_a_port_on_every_address_is_caught(everywhere: Judgement) -> None:
    assert everywhere.violations == [("mandatory", "no-port-on-every-address", "pgbouncer-pooler")]


def test_a_violation_ends_the_preview_with_exit_code_1(everywhere: Judgement) -> None:
    assert everywhere.exit_code == 1


def test_a_violation_says_what_where_and_the_fix(everywhere: Judgement) -> None:
    assert (
        "ports: 0.0.0.0:6432 publishes the pooler on every address of the host, past its firewall; "
        "set ports to one address, like 127.0.0.1:6432"
    ) in everywhere.output


def test_a_superuser_on_a_pooled_lane_that_nobody_named_is_caught(stack: Deployment) -> None:
    assert judge(stack, superusers=[]).violations == [
        ("mandatory", "superuser-routes-named", "pgbouncer-services-postgres")
    ]


def test_a_missing_digest_is_advice(stack: Deployment) -> None:
    found = judge(stack, "no digest")
    assert (found.exit_code, found.violations) == (
        0,
        [("advisory", "image-has-a-digest", "pgbouncer-pooler")],
    )


def test_a_violation_shows_no_password(labelled: Judgement) -> None:
    assert "sentinel" not in labelled.output


def test_the_pack_ends_with_the_preview(clean: Judgement) -> None:
    assert clean.exit_code == 0
    end = time.monotonic() + 60
    while running := [
        command for command in _commands() if "pulumi.policy" in command and str(PACK) in command
    ]:
        assert time.monotonic() < end, running
        time.sleep(0.1)


def _commands() -> Iterator[str]:
    """Command lines of all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended since it was listed
            yield (process / "cmdline").read_text().replace("\0", " ")
