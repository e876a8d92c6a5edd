"""How the programs of each language are built and started; nothing is linked into this machine."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.drivers.drivers import Driver
from toolchain import apt, go, python_env
from toolchain.processes import run_logged

HERE = Path(__file__).parent
JAVA, RUST, NODE, GO = HERE / "java", HERE / "rust", HERE / "javascript", HERE / "go"
BUILD_SECONDS = 900
ONE_AT_A_TIME = Lock()
"""The languages are built side by side; apt refuses to run twice."""


@dataclass(frozen=True)
class Language:
    build: Callable[[], None]
    command: Callable[[Driver], Sequence[str | Path]]
    version: Callable[[Driver], str]
    """Of the driver, as the lock file pins it."""


def _need(programs: Sequence[str], packages: Sequence[str], for_what: str) -> None:
    with ONE_AT_A_TIME:
        if not all(map(shutil.which, programs)):
            apt.install(packages, for_what)


def _build_node() -> None:
    _need(["node", "npm"], ["nodejs", "npm"], "the JavaScript drivers")
    run_logged(
        ["npm", "ci", "--no-audit", "--no-fund"], "drivers-javascript", cwd=NODE, timeout=BUILD_SECONDS
    )


def _build_go() -> None:
    command = [str(go.executable()), "build", "-o", str(GO / "driverconformance"), "."]
    run_logged(command, "drivers-go", cwd=GO, timeout=BUILD_SECONDS)


def _build_java() -> None:
    _need(["javac", "mvn"], ["default-jdk-headless", "maven"], "the Java drivers")
    maven = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet"]
    run_logged(
        [*maven, "compile", "dependency:build-classpath"], "drivers-java", cwd=JAVA, timeout=BUILD_SECONDS
    )


def _build_rust() -> None:
    _need(["cargo"], ["cargo"], "the Rust drivers (cargo 1.85 or newer, else https://rustup.rs)")
    run_logged(["cargo", "build", "--locked", "--quiet"], "drivers-rust", cwd=RUST, timeout=BUILD_SECONDS)


def _java_command(driver: Driver) -> Sequence[str | Path]:
    libraries = (JAVA / "target" / "classpath").read_text(encoding="utf-8").strip()
    # Vert.x would leave a folder for cached files behind, which nothing here uses.
    options = ["-Dvertx.disableFileCPResolving=true", "-Dvertx.disableFileCaching=true"]
    classes = f"{JAVA / 'target' / 'classes'}:{libraries}"
    return ["java", *options, "-cp", classes, "conformance.Main", driver.name]


def _python_version(driver: Driver) -> str:
    lock = python_env.PROGRAM.lock.read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(driver.package)}(?:\[[^]]*\])?==(\S+)", lock, re.MULTILINE)
    assert found, f"{driver.package} is not in {python_env.PROGRAM.lock.name}"
    return found[1]


def _node_version(driver: Driver) -> str:
    lock = json.loads((NODE / "package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"][f"node_modules/{driver.package}"]["version"])


def _go_version(driver: Driver) -> str:
    found = re.search(rf"{re.escape(driver.package)} v(\S+)", (GO / "go.mod").read_text(encoding="utf-8"))
    assert found, f"{driver.package} is not in go.mod"
    return found[1]


def _java_version(driver: Driver) -> str:
    maven = {"": "http://maven.apache.org/POM/4.0.0"}
    group, artifact = driver.package.split(":")
    for dependency in ET.parse(JAVA / "pom.xml").iterfind(".//dependency", maven):  # noqa: S314 our own file
        if (dependency.findtext("groupId", "", maven), dependency.findtext("artifactId", "", maven)) == (
            group,
            artifact,
        ):
            return dependency.findtext("version", "", maven)
    raise AssertionError(f"{driver.package} is not in pom.xml")


def _rust_version(driver: Driver) -> str:
    lock = (RUST / "Cargo.lock").read_text(encoding="utf-8")
    found = re.search(rf'name = "{re.escape(driver.package)}"\nversion = "([^"]+)"', lock)
    assert found, f"{driver.package} is not in Cargo.lock"
    return found[1]


LANGUAGES = {
    "python": Language(
        lambda: None,  # in the lock of the project's own environment
        lambda driver: [python_env.PYTHON, "-m", "tests.drivers.python", driver.name],
        _python_version,
    ),
    "javascript": Language(
        _build_node, lambda driver: ["node", NODE / "run.mjs", driver.name], _node_version
    ),
    "go": Language(_build_go, lambda driver: [GO / "driverconformance", driver.name], _go_version),
    "java": Language(_build_java, _java_command, _java_version),
    "rust": Language(
        _build_rust,
        lambda driver: [RUST / "target" / "debug" / "driver-conformance", driver.name],
        _rust_version,
    ),
}
