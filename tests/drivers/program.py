"""One run of one driver's program on one lane."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from tests.drivers.drivers import CHECKS, Driver
from tests.drivers.languages import LANGUAGES
from toolchain.paths import PROJECT

SECONDS = 600


@dataclass(frozen=True)
class Verdict:
    outcome: str
    """works, breaks, hangs, n/a; failed is a program or a stack that is wrong."""
    detail: str = ""
    """The sign by which it breaks, the reason of n/a, or the error."""


@dataclass(frozen=True)
class Run:
    verdicts: dict[str, Verdict]
    """Check → verdict."""
    output: str
    """All that the program wrote."""


def run(driver: Driver, lane: str, dsn: str) -> Run:
    """Start the program with the DSN on its stdin; what it does not report has failed."""
    asked = json.dumps({"service": driver.name, "lane": lane, "dsn": dsn})
    try:
        ended = subprocess.run(
            LANGUAGES[driver.language].command(driver),
            cwd=PROJECT,
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        output, how = ended.stdout, f"exit code {ended.returncode}: {ended.stderr[-500:]}"
        everything = ended.stdout + ended.stderr
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")  # bytes even with text=True
        how, everything = f"no end within {SECONDS} s", output
    found = {}
    for line in output.splitlines():
        if not line.startswith("{"):
            continue  # Java writes warnings about its machine there
        said = json.loads(line)
        found[said["check"]] = Verdict(said["outcome"], said["detail"])
    missing = Verdict("failed", f"not reported; {how}")
    return Run({check: found.get(check, missing) for check in CHECKS[lane]}, everything)
