"""`pulumi up` killed at random moments of an image upgrade and a rotation; the next `make up` has to heal it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.load import busy
from tests.e2e.test_changes import with_addresses
from toolchain import leftovers
from toolchain.engine import docker
from toolchain.stack import Stack

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

KILLS = 10
LONGEST_SECONDS = 9.0
"""An undisturbed upgrade takes about this long."""


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Iterator[Deployment]:
    deployment.up()
    other = deployment.config["image"] + "-other"
    docker("tag", deployment.config["image"], other)
    yield deployment
    deployment.config["image"] = other.removesuffix("-other")
    docker("image", "rm", "--force", other)


def kill_an_update(up: Deployment, seconds: float) -> None:
    """Starts an update and kills it with all its plugins."""
    with (up.folder / "killed.log").open("ab") as log:
        process = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
            cwd=up.folder,
            env=up.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def heal(up: Deployment) -> None:
    """What `make up` does on a stack whose update was killed."""
    stack = Stack(up.stack, up.environment())
    again = leftovers.recover(stack, stack.state())
    up.up(arguments=[f"--replace={urn}" for urn in again])


def test_an_update_killed_at_ten_random_moments_is_healed_each_time_and_drops_nobody(up: Deployment) -> None:
    dsn = up.lane("webhook_receiver", "transaction")
    moments = random.Random(os.urandom(4).hex())  # noqa: S311 not for secrets
    image = up.config["image"]
    slices = [(LONGEST_SECONDS * part / KILLS, LONGEST_SECONDS * (part + 1) / KILLS) for part in range(KILLS)]
    with busy(lambda: with_addresses(up, dsn), 5) as report:
        for number, (earliest, latest) in enumerate(slices):
            seconds = moments.uniform(earliest, latest)
            up.write_config(
                {"image": image + ("-other" if number % 2 == 0 else ""), "rotation": 2 + number // 3}
            )
            kill_an_update(up, seconds)
            print(f"killed after {seconds:.1f} s")
            heal(up)
            assert len(up.poolers()) == 1, f"after a kill at {seconds:.1f} s"
            up.pulumi("preview", "--expect-no-changes")
    print(
        f"{KILLS} kills: {report.transactions} transactions, {len(report.cut)} cut, {len(report.refused)} refused"
    )
    assert (report.cut, report.refused) == ([], [])


def test_nothing_is_left_that_the_state_does_not_know(up: Deployment) -> None:
    known = {resource.get("id") for resource in up.state()}
    assert [container for container in up.containers() if container not in known] == []
