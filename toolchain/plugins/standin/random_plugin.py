"""The stand-in for the random resource plugin."""

from __future__ import annotations

from importlib import metadata

from typing_extensions import override

from .random_types import RandomBytes, RandomPassword
from .resource import Cancellation
from .server import Plugin, serve
from .values import JsonObject


class RandomPlugin(Plugin):
    """Passwords and bytes that are drawn once and kept in the state."""

    name = "random"

    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__(cancellation)
        self.version = metadata.version("pulumi-random")

    @override
    def check_config(self, config: JsonObject) -> list[tuple[str, str]]:
        """There is nothing to configure."""
        return [(key, f"random:{key} is not known") for key in config if key != "version"]

    @override
    def configure(self, config: JsonObject) -> None:
        """Makes the resource types."""
        kinds = (RandomPassword(), RandomBytes())
        self.types = {kind.urn_type: kind for kind in kinds}


if __name__ == "__main__":
    serve(RandomPlugin)
