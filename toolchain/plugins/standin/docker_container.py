"""docker:index/container:Container."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from . import docker_container_request as request
from . import docker_container_state as state
from .diff import same
from .docker_container_inputs import PROPERTIES
from .docker_engine import Client, Engine, explanation
from .resource import Cancellation, IncompleteError, Live, PluginError, ResourceType
from .values import JsonObject

_HEALTH_POLL_SECONDS = 1.0
_EXIT_POLL_SECONDS = 0.1
_REMOVAL_POLL_SECONDS = 0.1
_UPDATABLE = ("restart", "maxRetryCount", "cpuShares", "memory", "memoryReservation", "cpuSet", "memorySwap")


class Container(ResourceType):
    """A container, kept running (`mustRun`) or run once (`attach`)."""

    urn_type = "docker:index/container:Container"
    properties: ClassVar = PROPERTIES
    computed = (
        "bridge",
        "command",
        "containerLogs",
        "entrypoints",
        "envs",
        "exitCode",
        "healthcheck",
        "hostname",
        "init",
        "ipcMode",
        "labels",
        "logDriver",
        "networkDatas",
        "platform",
        "runtime",
        "securityOpts",
        "shmSize",
        "stopSignal",
        "stopTimeout",
    )
    deletes_before_replace = True

    def __init__(self, engine: Engine, cancellation: Cancellation) -> None:
        self._engine = engine
        self._cancellation = cancellation

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the container, connects it, uploads its files, starts it, and waits as asked."""
        client = self._engine.client()
        self._require_image(client, inputs["image"])
        body = request.creation(inputs)
        identity: str = self._engine.attempt(
            "Unable to create container", lambda: client.create_container_from_config(body, inputs["name"])
        )["Id"]
        logs = None
        try:
            self._connect(client, identity, inputs)
            for upload in inputs.get("uploads") or []:
                self._upload(client, identity, request.archive(upload))
            if inputs.get("start", True):
                self._engine.attempt("Unable to start container", lambda: client.start(identity))
                if inputs.get("wait"):
                    self._wait_until_healthy(client, identity, inputs.get("waitTimeout", 60))
            if inputs.get("attach"):
                logs = self._run_to_the_end(client, identity, with_logs=inputs.get("logs", False))
        except PluginError as error:
            raise self._half_made(client, identity, inputs, str(error)) from None
        live = self.read(identity, inputs, {"containerLogs": logs})
        if live is None:
            raise PluginError(f"Unable to create container: {identity} was gone at once")
        return live

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The container as Docker has it."""
        client = self._engine.client()
        container = self._engine.found(
            "Unable to inspect container", lambda: client.inspect_container(identity)
        )
        if container is None:
            return None
        if not inputs and not outputs:
            return Live(container["Id"], state.shown(container, {}, {}), state.importable(container))
        return Live(
            container["Id"], state.shown(container, inputs, outputs), state.readable(container, inputs)
        )

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Starts a container that must run, and changes its limits; everything else is only written down."""
        client = self._engine.client()
        if inputs.get("mustRun", True) and not old_inputs.get("mustRun", True) and inputs.get("start", True):
            self._engine.attempt("Unable to start container", lambda: client.start(identity))
        if any(not same(PROPERTIES[key], outputs.get(key), inputs.get(key)) for key in _UPDATABLE):
            self._engine.attempt(
                "Unable to update a container",
                lambda: client._result(  # the public method knows only some of the limits
                    client._post_json(
                        client._url("/containers/{0}/update", identity), data=request.resources(inputs)
                    ),
                    json=True,
                ),
            )
        container = self._engine.attempt(
            "Unable to inspect container", lambda: client.inspect_container(identity)
        )
        written: JsonObject = {
            key: inputs.get(key) for key in ("healthcheck", "tmpfs", "init") if key in inputs
        }
        now = state.shown(container, {**inputs, "mustRun": False}, outputs)
        kept = {key: outputs.get(key) for key in ("exitCode", "containerLogs")}
        return Live(identity, {**now, **written, **kept, "mustRun": inputs.get("mustRun", True)})

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Stops and removes the container; without `destroyGraceSeconds` it is killed at once."""
        import docker

        client = self._engine.client()
        if not outputs.get("attach"):
            grace = int(outputs.get("destroyGraceSeconds") or 0)
            self._engine.found(
                f"Error stopping container {identity}", lambda: client.stop(identity, timeout=grace)
            )
        try:
            client.remove_container(identity, v=bool(outputs.get("removeVolumes", True)), force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if "is already in progress" not in explanation(error):
                raise PluginError(f"Error deleting container {identity}: {explanation(error)}") from None
        while self._exists(client, identity) and not self._cancellation.requested:
            self._cancellation.sleep(_REMOVAL_POLL_SECONDS)

    def _exists(self, client: Client, identity: str) -> bool:
        seen = self._engine.found(
            f"Error waiting for container removal '{identity}'", lambda: client.inspect_container(identity)
        )
        return seen is not None

    def _require_image(self, client: Client, image: str) -> None:
        trouble = f"Unable to create container with image {image}"
        if self._engine.found(trouble, lambda: client.inspect_image(image)) is not None:
            return
        for step in self._engine.attempt(trouble, lambda: client.pull(image, stream=True, decode=True)):
            if "error" in step:
                raise PluginError(f"{trouble}: unable to pull image {image}: {step['error']}")
            if self._cancellation.requested:
                raise PluginError(f"{trouble}: interrupted")

    def _connect(self, client: Client, identity: str, inputs: JsonObject) -> None:
        networks = inputs.get("networksAdvanced") or []
        if not networks:
            return
        try:
            self._engine.attempt(
                "Unable to disconnect the default network",
                lambda: client.disconnect_container_from_network(identity, "bridge"),
            )
        except PluginError as error:
            if "is not connected to" not in str(error):
                raise
        for network in networks:
            self._connect_one(client, identity, network)

    def _connect_one(self, client: Client, identity: str, network: JsonObject) -> None:
        options = dict(option.split("=", 1) for option in network.get("driverOpts") or [] if "=" in option)
        self._engine.attempt(
            f"Unable to connect to network '{network['name']}'",
            lambda: client.connect_container_to_network(
                identity,
                network["name"],
                aliases=network.get("aliases") or None,
                ipv4_address=network.get("ipv4Address") or None,
                ipv6_address=network.get("ipv6Address") or None,
                link_local_ips=network.get("linkLocalIps") or None,
                driver_opt=options or None,
                mac_address=network.get("macAddress") or None,
            ),
        )

    def _upload(self, client: Client, identity: str, packed: bytes) -> None:
        self._engine.attempt(
            "Unable to upload volume content", lambda: client.put_archive(identity, "/", packed)
        )

    def _wait_until_healthy(self, client: Client, identity: str, seconds: int) -> None:
        deadline = self._cancellation.deadline(seconds)
        while True:
            container = self._engine.attempt(
                "error inspecting container state", lambda: client.inspect_container(identity)
            )
            health = container["State"].get("Health")
            if health is None:
                raise PluginError(
                    "you have supplied a 'wait' argument, but the container does not have a healthcheck "
                    "defined. Please remove the 'wait' argument or add a 'healthcheck' attribute"
                )
            if health["Status"] == "healthy":
                return
            if deadline.passed:
                raise PluginError("container failed to be in healthy state")
            self._cancellation.sleep(_HEALTH_POLL_SECONDS)

    def _run_to_the_end(self, client: Client, identity: str, *, with_logs: bool) -> str | None:
        trouble = "Unable to wait container end of execution"
        while True:
            container = self._engine.attempt(trouble, lambda: client.inspect_container(identity))
            if not container["State"]["Running"] and not container["State"]["Restarting"]:
                break
            if self._cancellation.requested:
                raise PluginError(f"{trouble}: interrupted")
            self._cancellation.sleep(_EXIT_POLL_SECONDS)
        if not with_logs:
            return None
        written: bytes = self._engine.attempt("unable to read container logs", lambda: client.logs(identity))
        return written.decode(errors="replace")

    def _half_made(self, client: Client, identity: str, inputs: JsonObject, reason: str) -> PluginError:
        """The container exists: the engine must know it, or it would be orphaned."""
        container = self._engine.found(
            "Unable to inspect container", lambda: client.inspect_container(identity)
        )
        if container is None:
            return PluginError(reason)
        outputs = state.shown(container, {**inputs, "mustRun": False}, {})
        # The official plugin does not look at it any more: whether it ran well is not known.
        outputs.update(mustRun=inputs.get("mustRun", True), exitCode=None, containerLogs=None)
        return IncompleteError(identity, outputs, reason)
