"""A first `pulumi up` from nothing, and what the stack looks like afterwards."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.e2e.conftest import NASTY
from tests.e2e.deployment import Deployment
from toolchain.engine import docker

SENTINEL = "sentinel"


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


def test_a_second_up_changes_nothing(up: Deployment) -> None:
    assert "unchanged" in up.up(arguments=["--expect-no-changes"])


def test_a_preview_after_the_update_is_empty(up: Deployment) -> None:
    up.pulumi("preview", "--expect-no-changes")


def test_a_refresh_finds_no_drift(up: Deployment) -> None:
    up.pulumi("refresh", "--yes", "--expect-no-changes")


def test_every_service_with_a_password_logs_in_by_its_own_dsn(up: Deployment) -> None:
    outputs = up.outputs()
    seen = {}
    for service in ("webhook_receiver", "analytics_mcp", "grafana", "odd", "reporter", "service_8"):
        with psycopg.connect(up.reachable(outputs[f"{service}_dsn"])) as connection:
            row = connection.execute(
                "SELECT current_user::text, current_setting('application_name')"
            ).fetchone()
            seen[service] = row
    assert seen == {
        "webhook_receiver": ("postgres", "webhook_receiver"),
        "analytics_mcp": ("analytics_ro", "analytics_mcp"),
        "grafana": ("grafana_ro", "grafana"),
        "odd": (f"odd{NASTY}", "odd"),
        "reporter": ("postgres", "reporter"),
        "service_8": ("user_8", "service_8"),
    }


def test_a_dsn_follows_its_route(up: Deployment) -> None:
    outputs = up.outputs()
    targets = {
        service: tuple(
            conninfo_to_dict(outputs[f"{service}_dsn"])[part] for part in ("host", "port", "dbname")
        )
        for service in ("webhook_receiver", "analytics_mcp", "grafana", "reporter")
    }
    assert targets == {
        "webhook_receiver": ("pgbouncer", "6432", "tracksolid_db"),
        "analytics_mcp": ("timescale_db", "5432", "tracksolid_db"),
        "grafana": ("pgbouncer", "6432", "tracksolid_db_session"),
        "reporter": ("pgbouncer", "6432", "reporter"),
    }


def test_a_service_without_a_known_password_gets_a_dsn_without_one(up: Deployment) -> None:
    assert up.outputs()["migrations_dsn"] == (
        "postgresql://migrator@timescale_db:5432/tracksolid_db?application_name=migrations&connect_timeout=5"
    )


def test_labels_say_what_each_container_is_for_and_whose_it_is(up: Deployment) -> None:
    listed = docker("ps", "--all", "--format={{json .}}", f"--filter=label=pgbouncer-stack.stack={up.stack}")
    purposes = {
        json.loads(line)["Names"].rsplit("-", 1)[0]: dict(
            pair.split("=", 1) for pair in json.loads(line)["Labels"].split(",") if "=" in pair
        )["pgbouncer-stack.purpose"]
        for line in listed.splitlines()
        if f"{up.stack}-db" not in line
    }
    assert purposes == {
        "pgbouncer-userlist": "one-shot: puts the secret userlist on the config volume",
        "pgbouncer-check-interval": "one-shot: sets client_connection_check_interval on the database",
        "pgbouncer-write": "one-shot: stages the configuration and lets a scratch PgBouncer check it",
        "pgbouncer-pooler": "PgBouncer",  # the rest of it stands behind a comma
        "pgbouncer-ready": "one-shot: waits until the new pooler answers",
        "pgbouncer-reload": "one-shot: promotes the staged configuration",
        "pgbouncer-verify": "one-shot: compares what is declared with what is",
    }


def test_no_secret_is_in_inspect_logs_or_what_a_stopped_job_still_holds(up: Deployment) -> None:
    auth_password = auth_password_of(up)
    for container in up.containers():
        texts = [docker("container", "inspect", container), docker("logs", container)]
        copied = subprocess.run(
            ["docker", "cp", f"{container}:/staged", "-"], capture_output=True, check=False
        )
        if copied.returncode == 0:
            with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
                files = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
                texts += [file.read().decode() for file in files if file]
        for text in texts:
            assert SENTINEL not in text
            assert auth_password not in text


def test_no_secret_is_in_state_or_previews(up: Deployment) -> None:
    auth_password = auth_password_of(up)
    texts = [
        up.pulumi("stack", "export").stdout,
        up.pulumi("stack", "output").stdout,
        up.pulumi("preview", "--diff", "--show-sames", "--show-config").stdout,
        up.pulumi("preview", "--json").stdout,
        *(path.read_text(encoding="utf-8") for path in (up.folder / "state").rglob("*.json")),
    ]
    for text in texts:
        assert SENTINEL not in text
        assert auth_password not in text


def auth_password_of(deployment: Deployment) -> str:
    shown = json.loads(deployment.pulumi("stack", "export", "--show-secrets").stdout)
    password = next(
        resource["outputs"]["result"]
        for resource in shown["deployment"]["resources"]
        if resource["type"] == "random:index/randomPassword:RandomPassword"
    )
    found = str(json.loads(password["plaintext"]) if isinstance(password, dict) else password)
    assert len(found) == 48
    return found


def test_the_pooler_runs_hardened(up: Deployment) -> None:
    [found] = json.loads(docker("container", "inspect", up.poolers()[0]))
    host = found["HostConfig"]
    assert (found["Config"]["User"], host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (
        "65532:65532",
        True,
        ["ALL"],
        ["no-new-privileges:true"],
    )
    assert (host["Memory"], host["PortBindings"] or None, host["Privileged"]) == (
        64 * 1024 * 1024,
        None,
        False,
    )


def test_a_volume_can_be_imported(up: Deployment) -> None:
    docker("volume", "create", f"--label=pgbouncer-stack.stack={up.stack}", f"{up.stack}-imported")
    up.pulumi(
        "import", "docker:index/volume:Volume", "imported", f"{up.stack}-imported", "--yes", "--protect=false",
        "--generate-code=false",
    )  # fmt: skip
    assert [r["id"] for r in up.state() if r["urn"].endswith("::imported")] == [f"{up.stack}-imported"]
    urn = next(r["urn"] for r in up.state() if r["urn"].endswith("::imported"))
    up.pulumi("state", "delete", urn, "--yes")
