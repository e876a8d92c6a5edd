"""What a killed `pulumi up` leaves behind: a lock, containers that no state knows, failed jobs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain import engine
from toolchain.dev_database import PURPOSE_LABEL, STACK_LABEL
from toolchain.problem import Problem
from toolchain.processes import attempt
from toolchain.stack import CONTAINER_TYPE, VOLUME_TYPE, Stack, failed_jobs, ids, resources
from toolchain.steps import say


@dataclass(frozen=True)
class Lock:
    """Who holds a stack on a file backend, as Pulumi writes it."""

    pid: int
    user: str
    host: str
    since: str


def recover(stack: Stack, state: dict[str, Any] | None) -> list[str]:
    """Clears the way for the next update; returns the URNs of failed jobs, which only `--replace` runs again."""
    release(stack)
    remove_orphans(stack, state)
    if state:
        forget_interrupted(stack, state)
    return failed_jobs(state)


def release(stack: Stack) -> None:
    """Clears the stack's lock if its holder has died on this machine; a living one is a Problem."""
    held = locks(stack.environment.get("PULUMI_BACKEND_URL", ""), stack.name)
    if not held:
        return
    if holder := living(held, socket.gethostname(), _runs):
        raise Problem(
            f"another update of stack {stack.name} runs: pid {holder.pid} of {holder.user} on {holder.host} since "
            f"{holder.since}; wait for it, or end it if it hangs and run this again"
        )
    stack.pulumi("cancel", "--yes")
    say(f"stack {stack.name}: removed the lock of an update that was killed")


def locks(backend: str, stack: str) -> list[Lock]:
    """The locks of a stack on a file backend; other backends look after theirs themselves."""
    if not backend.startswith("file://"):
        return []
    folder = Path(backend.removeprefix("file://")).expanduser() / ".pulumi" / "locks"
    return [lock for path in sorted(folder.glob(f"**/{stack}/*.json")) if (lock := read_lock(path))]


def read_lock(path: Path) -> Lock | None:
    """None for a lock that went away while it was read."""
    try:
        found = json.loads(path.read_text())
        return Lock(
            int(found["pid"]), str(found["username"]), str(found["hostname"]), str(found["timestamp"])
        )
    except (OSError, ValueError, KeyError):
        return None


def living(held: Iterable[Lock], this_host: str, runs: Callable[[int], bool]) -> Lock | None:
    """A lock that may not be cleared: its process runs, or is on another host where nobody can tell."""
    return next((lock for lock in held if lock.host != this_host or runs(lock.pid)), None)


def remove_orphans(stack: Stack, state: Mapping[str, Any] | None) -> None:
    """Removes this stack's containers and volumes that its state does not know; a pooler among them drains first."""
    containers = unknown(labelled("container", stack.name), ids(state, CONTAINER_TYPE))
    if containers and stack.name != "dev" and not resources(state):
        # An empty state next to running containers is a lost state rather than a killed update.
        raise Problem(
            f"containers of stack {stack.name} exist, but its state here is empty: {', '.join(containers)[:200]}; "
            "use the backend that holds its state (PULUMI_BACKEND_URL), or remove them by hand"
        )
    for container in containers:
        name = engine.docker("container", "inspect", "--format={{.Name}}", container).lstrip("/")
        engine.docker("stop", container)
        engine.docker("rm", "--force", container)
        say(f"stack {stack.name}: removed container {name}, which an update that was killed had left behind")
    for volume in unknown(labelled("volume", stack.name), ids(state, VOLUME_TYPE)):
        if attempt(["docker", "volume", "rm", volume]).returncode == 0:  # one in use stays
            say(
                f"stack {stack.name}: removed volume {volume}, which an update that was killed had left behind"
            )


def forget_interrupted(stack: Stack, state: dict[str, Any]) -> None:
    """Clears the note of operations that a killed update did not finish; what it left is removed or taken over."""
    interrupted = pending(state)
    if not interrupted:
        return
    del state["deployment"]["pending_operations"]
    stack.pulumi("stack", "import", stdin=json.dumps(state))
    say(
        f"stack {stack.name}: an update was killed while it worked on {', '.join(interrupted)}; doing that again"
    )


def pending(state: Mapping[str, Any]) -> list[str]:
    """Names of the resources that a killed update was working on."""
    operations = state.get("deployment", {}).get("pending_operations") or []
    return sorted({operation["resource"]["urn"].rpartition("::")[2] for operation in operations})


def unknown(on_engine: Collection[str], in_state: Collection[str]) -> list[str]:
    """What is on the engine but in no state, in the engine's order."""
    return [one for one in on_engine if one not in in_state]


def labelled(kind: str, stack: str) -> list[str]:
    """Ids of what is labelled with the stack, without the throwaway database: Pulumi does not manage that."""
    database = engine.listed(kind, f"label={PURPOSE_LABEL}=throwaway database of stack {stack}")
    return unknown(engine.listed(kind, f"label={STACK_LABEL}={stack}"), database)


def _runs(pid: int) -> bool:
    """Whether the process is a living `pulumi`; another program may have got the number since."""
    try:
        return is_living_pulumi(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return False


def is_living_pulumi(stat: str) -> bool:
    """Judges /proc/PID/stat, `PID (NAME) STATE …`: a zombie has died, only its parent has not noticed yet."""
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name == "pulumi" and rest.split()[0] not in {"Z", "X"}
