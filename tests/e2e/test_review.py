"""`make review` on real previews: what each change is called, and that no secret is in any comment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from review.__main__ import write
from review.cli import Pulumi
from tests.e2e.deployment import PROJECT, Deployment


class Reviews:
    """Comments of one stack; every one that was written is kept."""

    def __init__(self, deployment: Deployment, out: Path) -> None:
        self._deployment, self._out = deployment, out
        self._declared = dict(deployment.config)
        self.written: list[str] = []

    def of(self, *, expected: int = 0, destroy: bool = False, **changes: Any) -> str:  # noqa: ANN401 any key
        """The comment for these changes to what runs; `expected` is the exit code."""
        self._deployment.config = {**self._declared, **changes}
        self._deployment.write_config()
        pulumi = Pulumi(self._deployment.stack, self._deployment.folder, self._deployment.environment())
        assert write(pulumi, str(self._out), destroy=destroy) == expected
        self.written.append(self._out.read_text(encoding="utf-8"))
        return self.written[-1]

    def service(self, name: str, **changes: object) -> dict[str, Any]:
        """The services with one of them changed."""
        services = self._declared["services"]
        return {**services, name: {**services[name], **changes}}

    def password(self, user: str, value: str) -> None:
        self._deployment.pulumi("config", "set", "--secret", "--path", f"passwords.{user}", stdin=value)

    def up(self) -> None:
        self._deployment.config = dict(self._declared)
        self._deployment.up()


@pytest.fixture(scope="module")
def first(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Reviews:
    """With the review of the first deployment in `written`."""
    reviews = Reviews(deployment, tmp_path_factory.mktemp("review") / "comment.md")
    reviews.of()
    return reviews


@pytest.fixture(scope="module")
def running(first: Reviews) -> Reviews:
    first.up()
    return first


@pytest.fixture(scope="module")
def unchanged(running: Reviews) -> str:
    """The comment when there is nothing to do."""
    return running.of()


def test_the_first_deployment(first: Reviews) -> None:
    text = first.written[0]
    assert "**First deployment: PgBouncer starts, and nobody is connected to it yet.**" in text
    assert "- On the session lane, once redeployed with their DSN: `grafana`.\n" in text
    assert "| **sum** | – | 64 |\n" in text


def test_nothing_to_do(unchanged: str) -> None:
    assert "**Nothing changes.**" in unchanged


@pytest.fixture(scope="module")
def flipped(running: Reviews) -> str:
    """The comment when one service changes its lane."""
    return running.of(services=running.service("analytics_mcp", route="transaction"))


def test_a_route_that_flips(flipped: str) -> None:
    assert "**PgBouncer and the database stay as they are; only outputs of the stack change.**" in flipped
    assert (
        "- `analytics_mcp` moves direct → transaction: redeploy it with its new DSN; until then it stays on direct.\n"
        in flipped
    )
    assert "| direct: analytics_mcp | 5 | – |\n" in flipped


def test_the_job_that_verifies_stands_among_the_resources_only(flipped: str) -> None:
    mentions = [line for line in flipped.splitlines() if "pgbouncer-verify" in line]
    assert [line.split(" | ")[:3] for line in mentions] == [
        ["| replace", "`docker:index/container:Container`", "`pgbouncer-verify`"]
    ]


def test_a_pool_that_grows_reloads(running: Reviews) -> None:
    text = running.of(services=running.service("reporter", pool_size=3))
    assert "**PgBouncer reloads; nobody reconnects.**" in text
    assert "- Entry `reporter`: `pool_size` `2` → `3`, `max_db_connections` `2` → `3`.\n" in text
    assert "<code>pgbouncer.ini</code>, lines: 2 added, 2 removed" in text


def test_more_memory_replaces(running: Reviews) -> None:
    text = running.of(limits={"memory_mb": 96})
    assert (
        "**The pooler container is replaced. Who reconnects: transaction lane: each client once, "
        "between two transactions; session lane: who has not left after 30 s.**" in text
    )
    assert "| `limits.memory_mb` | `64` | `96` | replacement |\n" in text


def test_a_rotation_changes_database_objects(running: Reviews) -> None:
    text = running.of(rotation=2)
    assert "**PgBouncer reloads; nobody reconnects.**" in text
    assert "- Database objects change: 2 grants, 1 role created; 2 grants, 1 role removed.\n" in text


def test_a_superuser_is_warned_about(unchanged: str) -> None:
    assert "> - superusers: reporter, webhook_receiver log in as the superuser postgres;" in unchanged


def test_an_image_with_known_holes_fails_the_preview_and_is_named(running: Reviews) -> None:
    text = running.of(expected=1, image="team/pgbouncer:1.26.0")
    assert "**The preview failed, so this cannot be deployed. Nothing has been changed.**" in text
    assert "> - image: team/pgbouncer:1.26.0 has CVE-2026-107348, CVE-2026-107349, CVE-2026-107350;" in text


def test_a_configuration_that_does_not_fit_fails_with_the_reason(running: Reviews) -> None:
    text = running.of(expected=1, max_backends=500)
    assert "\nmax_backends: 500 does not fit into max_connections (100); lower max_backends to 46," in text


def test_the_removal_of_the_stack(running: Reviews) -> None:
    text = running.of(destroy=True)
    assert "**Everything of this stack is removed; whoever is still connected loses its connection.**" in text


def test_a_new_password_is_another_dsn(running: Reviews) -> None:
    running.password("grafana_ro", "another-sentinel")
    assert "- `grafana` gets another DSN on the same lane: redeploy it.\n" in running.of()


def test_no_comment_of_this_module_has_a_secret(running: Reviews) -> None:
    assert [text for text in running.written if "sentinel" in text] == []


def test_a_stack_that_the_backend_does_not_have_is_refused(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "review", "write", "--stack", "prod"],
        cwd=PROJECT,
        env={
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{tmp_path}",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert (
        "stack prod does not exist in this backend; run `pulumi stack init prod`, or log in" in ended.stderr
    )
