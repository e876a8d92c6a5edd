"""One stack, and every chosen driver's program run on both lanes, two languages at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drivers import stack
from tests.drivers.drivers import DRIVERS, Driver
from tests.drivers.drivers import LANGUAGES as NAMES
from tests.drivers.languages import LANGUAGES
from tests.drivers.program import Run, run
from tests.e2e.deployment import Deployment
from toolchain import prepare
from toolchain.problem import Problem

Runs = dict[tuple[str, str], Run]
"""(driver, lane) → run."""


def chosen() -> tuple[Driver, ...]:
    """The drivers of the languages in DRIVERS, by default all."""
    asked = [name.strip() for name in os.environ.get("DRIVERS", "").split(",") if name.strip()]
    for name in asked:
        if name not in NAMES:
            raise Problem(f"DRIVERS={name}: no such language; use some of {', '.join(NAMES)}")
    return tuple(driver for driver in DRIVERS if not asked or driver.language in asked)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack, up; the programs are built meanwhile."""
    prepare.everything()
    made = stack.deployment(tmp_path_factory.mktemp("drivers"))
    with ThreadPoolExecutor() as pool:
        builds = [pool.submit(LANGUAGES[name].build) for name in {d.language for d in chosen()}]
        try:
            stack.bring_up(made)
            for build in builds:
                build.result()
            yield made
        finally:
            made.remove()


@pytest.fixture(scope="session")
def runs(deployment: Deployment) -> Runs:
    """What every program reported."""
    strings = deployment.outputs()["lanes"]
    pooler = deployment.address(deployment.poolers()[0])

    def of(language: str) -> Runs:
        found = {}
        for driver in chosen():
            if driver.language == language:
                for lane in ("transaction", "session"):
                    dsn = reachable(strings[driver.name][lane], pooler)
                    found[driver.name, lane] = run(driver, lane, dsn)
        return found

    together: Runs = {}
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(of, dict.fromkeys(driver.language for driver in chosen())):
            together |= found
    return together


def reachable(dsn: str, address: str) -> str:
    """The DSN with the pooler's address for its name, which only Docker's network resolves; nothing else changes."""
    for mark in ("@", "//"):
        named = f"{mark}pgbouncer:6432/"
        if named in dsn:
            return dsn.replace(named, f"{mark}{address}:6432/")
    raise AssertionError("the DSN does not lead to the pooler's alias")
