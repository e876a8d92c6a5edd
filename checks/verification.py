"""The verification of an update, once more: the same script, in a container that is gone afterwards."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from checks.verdict import Outcome, Verdict
from components import expectations
from components.ini import render_userlist
from components.jobs import MEMORY_TMP, script
from components.scram import scram_verifier
from components.settings import Settings
from components.verification import EMPTIED_BY_ITS_GROUP
from toolchain import engine, pooler_console
from toolchain.dev_database import PURPOSE_LABEL, STACK_LABEL
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.stack import Stack, resources
from views.sample import settings_of

SECONDS = 120


def verify(stack: Stack) -> Verdict:
    """Judge the running pooler and its database by the configuration of the stack as it is now."""
    settings = settings_of(stack)
    return against(stack.name, settings, userlist(stack, settings))


def against(stack: str, settings: Settings, userlist: str) -> Verdict:
    """Judge by these settings; a Problem when there is no pooler to look at."""
    poolers = pooler_console.poolers(stack)
    if not poolers:
        raise Problem(f"stack {stack} has no running pooler on this engine; run `make up STACK={stack}`")
    with _container(stack, settings, poolers[0]) as container:
        _stage(container, settings, userlist)
        ended = attempt(["docker", "start", "--attach", container], timeout=SECONDS)
    return verdict(ended)


def verdict(ended: subprocess.CompletedProcess[str]) -> Verdict:
    """What an ended job says. Only a table can be as declared or a miss: Docker's own failures end with 1 too."""
    text = (ended.stdout + ended.stderr).strip()
    if ended.stdout.startswith("CHECK ") and ended.returncode in (Outcome.AS_DECLARED, Outcome.MISS):
        return Verdict(Outcome(ended.returncode), text)
    if ended.returncode == Outcome.UNKNOWN:
        return Verdict(Outcome.UNKNOWN, text)
    return Verdict(
        Outcome.UNKNOWN, f"cannot be judged: the job ended with exit code {ended.returncode}: {text}"
    )


def userlist(stack: Stack, settings: Settings) -> str:
    """As it has to be, out of the passwords in the state; only a hash of it is compared. Secret."""
    found = resources(json.loads(stack.pulumi("stack", "export", "--show-secrets")))
    name, rotation = settings.name, str(settings.rotation)

    def generated(resource: str, output: str) -> str:
        for one in found:
            kept = one.get("inputs", {}).get("keepers", {}).get("rotation")
            if one["urn"].endswith(f"::{name}-{resource}") and kept == rotation:
                return _plain(one["outputs"][output])
        raise Problem(
            f"stack {stack.name} has no password of rotation {rotation} in its state; "
            f"run `make up STACK={stack.name}` first"
        )

    auth_password = generated(f"password-{settings.names.auth_role(settings.rotation)[-1]}", "result")
    stats_verifier = (
        scram_verifier(generated("stats-password", "result"), generated("stats-salt", "base64"))
        if settings.metrics
        else None
    )
    return render_userlist(settings, auth_password, stats_verifier)


def _plain(value: Any) -> str:  # noqa: ANN401 JSON of Pulumi's
    """A decrypted secret is text in JSON, wrapped."""
    return str(json.loads(value["plaintext"])) if isinstance(value, Mapping) else str(value)


@contextmanager
def _container(stack: str, settings: Settings, pooler: str) -> Iterator[str]:
    """A container like that of the update's own job; removed at the end, whatever happens."""
    volumes = {
        mount["Destination"]: mount["Name"]
        for mount in json.loads(engine.docker("container", "inspect", "--format={{json .Mounts}}", pooler))
        if mount["Type"] == "volume"
    }
    made = engine.docker(
        "create",
        f"--label={STACK_LABEL}={stack}",
        f"--label={PURPOSE_LABEL}=compares what is declared with what is, once",
        f"--network={settings.network}",
        f"--user={settings.run_as}",
        "--group-add=0",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        f"--tmpfs=/tmp:{MEMORY_TMP}",
        *(f"--volume={volumes[path]}:{path}:ro" for path in ("/config", "/run/pgb")),
        "--entrypoint=/bin/sh",
        settings.image,
        *("-c", script("verify"), "verify", pooler, *expectations.arguments(settings)),
    )
    try:
        yield made
    finally:
        attempt(["docker", "rm", "--force", "--volumes", made])


def _stage(container: str, settings: Settings, userlist: str) -> None:
    """The files of the update's job, piped in: nothing secret touches this machine's disk."""
    declared = expectations.declared(settings, userlist, during_update=False)
    plain = {"declared": declared, **expectations.staged(settings)}
    files = {name: (text, 0o444) for name, text in plain.items()}
    mode = int(EMPTIED_BY_ITS_GROUP, 8)
    files |= {name: (text, mode) for name, text in expectations.secret_files(settings).items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, (text, permissions) in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"staged/{name}")
            entry.size, entry.mode = len(content), permissions
            tar.addfile(entry, io.BytesIO(content))
    ended = subprocess.run(
        ["docker", "cp", "-", f"{container}:/"], input=packed.getvalue(), capture_output=True, check=False
    )
    if ended.returncode:
        raise Problem(f"docker cp into the verification failed: {ended.stderr.decode().strip()}")
