"""The connection to the Docker engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from .resource import Deadline, PluginError
from .values import Value

T = TypeVar("T")
Client: TypeAlias = Any
"""The low-level client of the docker package, whose types know only half of it."""

_RETRY_SECONDS = 2.0
DEFAULT_HOST = "unix:///var/run/docker.sock"


class Engine:
    """A Docker engine by its address; each thread talks over a connection of its own."""

    def __init__(self, host: str | None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        self._clients = threading.local()

    def client(self) -> Client:
        """The client of the calling thread. Requests have no timeout of their own: a stop may take long."""
        import docker  # slow to import

        known: Any = getattr(self._clients, "client", None)
        if known is not None:
            return known
        try:
            client: Any = docker.APIClient(
                base_url=self.host,
                version="auto",
                timeout=None,  # type: ignore[arg-type]  # the stubs do not know None
                use_ssh_client=self.host.startswith("ssh://"),
            )
        except docker.errors.DockerException as error:
            raise PluginError(
                f"Error pinging Docker server, please make sure that {self.host} is reachable and has a "
                f"'_ping' endpoint. Error: {error}"
            ) from None
        self._clients.client = client
        return client

    def attempt(self, doing: str, action: Callable[[], T]) -> T:
        """Runs one request; its failure reads `doing: what the engine said`."""
        import docker

        try:
            return action()
        except docker.errors.DockerException as error:
            raise PluginError(f"{doing}: {explanation(error)}") from None

    def found(self, doing: str, action: Callable[[], T]) -> T | None:
        """Runs one request about a thing that may be gone."""
        import docker

        try:
            return action()
        except docker.errors.NotFound:
            return None
        except docker.errors.DockerException as error:
            raise PluginError(f"{doing}: {explanation(error)}") from None

    def remove_when_free(
        self, doing: str, remove: Callable[[], object], *, in_use: str, deadline: Deadline
    ) -> None:
        """Removes a thing, trying again while containers still use it; being gone already is no failure."""
        import docker

        while True:
            try:
                remove()
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if in_use not in explanation(error) or deadline.passed:
                    raise PluginError(f"{doing}: {explanation(error)}") from None
            else:
                return
            deadline.cancellation.sleep(_RETRY_SECONDS)


def explanation(error: Exception) -> str:
    """What the engine said, without the address of the request."""
    said = getattr(error, "explanation", None)
    return f"Error response from daemon: {said}" if said else str(error)


def labels_to_map(labels: list[dict[str, str]] | None) -> dict[str, str]:
    """Docker's form of a set of labels."""
    return {each["label"]: each["value"] for each in labels or []}


def labels_from_map(labels: dict[str, str] | None) -> list[dict[str, str]]:
    """The program's form of Docker's labels."""
    return [{"label": key, "value": value} for key, value in sorted((labels or {}).items())]


def or_none(value: Value) -> Value:
    """The value, or None if it is empty: how the official plugin shows unset lists and maps."""
    return value or None
