"""The stand-in for the docker resource plugin."""

from __future__ import annotations

from importlib import metadata

from typing_extensions import override

from .docker_container import Container
from .docker_engine import Engine
from .docker_network import Network
from .docker_volume import Volume
from .resource import Cancellation
from .server import Plugin, serve
from .values import JsonObject, holds_unknown

_SCHEMES = ("unix://", "tcp://", "ssh://")


class DockerPlugin(Plugin):
    """Containers, volumes and networks of one Docker engine."""

    name = "docker"

    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__(cancellation)
        self.version = metadata.version("pulumi-docker")

    @override
    def check_config(self, config: JsonObject) -> list[tuple[str, str]]:
        """Only `host` is implemented; `version` is the engine's own."""
        refused = [
            (key, f"docker:{key} is not implemented by the stand-in for the docker plugin")
            for key in config
            if key not in ("host", "version")
        ]
        host = config.get("host")
        if isinstance(host, str) and not host.startswith(_SCHEMES):
            refused.append(("host", f"docker:host must begin with one of {', '.join(_SCHEMES)}"))
        return refused

    @override
    def configure(self, config: JsonObject) -> None:
        """Connects; like the official plugin, even a preview needs a reachable engine."""
        host = config.get("host")
        engine = Engine(None if holds_unknown(host) else host)
        if not holds_unknown(host):
            engine.client()
        kinds = (
            Container(engine, self.cancellation),
            Volume(engine, self.cancellation),
            Network(engine, self.cancellation),
        )
        self.types = {kind.urn_type: kind for kind in kinds}


if __name__ == "__main__":
    serve(DockerPlugin)
