"""What operators do to a running stack: two updates at once, a prune, a restart of the database."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.load import backends_of, busy
from tests.e2e.test_changes import with_addresses
from toolchain.engine import docker


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


def test_of_two_updates_at_once_one_runs_and_the_other_says_why_not(up: Deployment) -> None:
    up.write_config({"max_backends": 24})
    first = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=up.folder,
        env=up.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_lock(up)
    said = up.failed_up()
    assert first.wait(timeout=120) == 0
    assert "the stack is currently locked by 1 lock(s)" in said


def wait_for_lock(up: Deployment) -> None:
    end = time.monotonic() + 30
    while not list((up.folder / "state" / ".pulumi" / "locks").glob("**/*.json")):
        assert time.monotonic() < end, "the first update took no lock"
        time.sleep(0.02)


def test_after_a_prune_an_update_with_refresh_runs_the_jobs_again_and_drops_nobody(up: Deployment) -> None:
    dsn, before = up.lane("webhook_receiver", "transaction"), up.poolers()
    docker("container", "prune", "--force", f"--filter=label=pgbouncer-stack.stack={up.stack}")
    with busy(lambda: dsn, 10, reconnect=False) as report:
        up.up(arguments=["--refresh"])
    assert up.poolers() == before
    assert (report.cut, report.closed_between, report.refused) == ([], [], [])
    up.pulumi("preview", "--refresh", "--expect-no-changes")


def test_backends_of_both_poolers_of_an_overlap_stay_within_twice_the_cap(up: Deployment) -> None:
    lanes, other = up.outputs()["lanes"], up.config["image"] + "-overlap"
    dsns = [lanes[f"service_{number}"]["transaction"] for number in range(1, 9)]
    turns = iter(range(1_000_000))
    docker("tag", up.config["image"], other)
    try:
        with (
            backends_of(up.lane("webhook_receiver", "direct"), up.pooler_addresses) as samples,
            busy(lambda: with_addresses(up, dsns[next(turns) % 8]), 40),
        ):
            up.up({"image": other})
            time.sleep(2)
    finally:
        up.up({"image": other.removesuffix("-overlap")})
        docker("image", "rm", other)
    print(f"image upgraded under 40 clients: peak {max(samples)} backends of both poolers")
    assert max(samples) <= 2 * up.config.get("max_backends", 25)
