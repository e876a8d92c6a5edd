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
from components.jobs import MEMORY_TMP, script
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
    return against(stack.name, settings, auth_password(stack, settings))


def against(stack: str, settings: Settings, auth_password: str) -> Verdict:
    """Judge by these settings; a Problem when there is no pooler to look at."""
    poolers = pooler_console.poolers(stack)
    if not poolers:
        raise Problem(f"stack {stack} has no running pooler on this engine; run `make up STACK={stack}`")
    with _container(stack, settings, poolers[0]) as container:
        _stage(container, settings, auth_password)
        ended = attempt(["docker", "start", "--attach", container], timeout=SECONDS)
    text = (ended.stdout + ended.stderr).strip()
    if ended.returncode not in set(Outcome):
        return Verdict(
            Outcome.UNKNOWN, f"cannot be judged: the job ended with exit code {ended.returncode}: {text}"
        )
    return Verdict(Outcome(ended.returncode), text)


def auth_password(stack: Stack, settings: Settings) -> str:
    """Of the auth role in use, out of the state; only a hash of it is compared. Secret."""
    slot = settings.names.auth_role(settings.rotation)[-1]
    wanted = f"::{settings.name}-password-{slot}"
    state = json.loads(stack.pulumi("stack", "export", "--show-secrets"))
    for resource in resources(state):
        kept = resource.get("inputs", {}).get("keepers", {}).get("rotation")
        if resource["urn"].endswith(wanted) and kept == str(settings.rotation):
            return _plain(resource["outputs"]["result"])
    raise Problem(
        f"stack {stack.name} has no password of rotation {settings.rotation} in its state; "
        f"run `make up STACK={stack.name}` first"
    )


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


def _stage(container: str, settings: Settings, auth_password: str) -> None:
    """The files of the update's job, piped in: nothing secret touches this machine's disk."""
    plain = expectations.staged(settings, auth_password, during_update=False)
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
