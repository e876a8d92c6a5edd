"""docker:index/volume:Volume."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from .docker_engine import Engine, labels_from_map, labels_to_map, or_none
from .resource import Cancellation, Live, PluginError, ResourceType
from .schema import LABELS, not_implemented, text, text_map
from .values import JsonObject

_REMOVAL_SECONDS = 30


class Volume(ResourceType):
    """A named volume."""

    urn_type = "docker:index/volume:Volume"
    properties: ClassVar = {
        "cluster": not_implemented(),
        "driver": text(replaces=True, kept_when_unset=True),
        "driverOpts": text_map(replaces=True),
        "labels": LABELS,
        "name": text(replaces=True, kept_when_unset=True),
    }
    computed = ("driver", "mountpoint")

    def __init__(self, engine: Engine, cancellation: Cancellation) -> None:
        self._engine = engine
        self._cancellation = cancellation

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the volume; one of that name that exists already is taken over, as Docker does."""
        client = self._engine.client()
        name = self._engine.attempt(
            "Unable to create volume",
            lambda: client.create_volume(
                name=inputs["name"],
                driver=inputs.get("driver"),
                driver_opts=inputs.get("driverOpts"),
                labels=labels_to_map(inputs.get("labels")) or None,
            ),
        )["Name"]
        live = self.read(name, inputs, {})
        if live is None:
            raise PluginError(f"Unable to create volume: {name} was gone at once")
        return live

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The volume as Docker has it."""
        client = self._engine.client()
        volume: dict[str, Any] | None = self._engine.found(
            "Unable to inspect volume", lambda: client.inspect_volume(identity)
        )
        if volume is None:
            return None
        shown = {
            "name": volume["Name"],
            "driver": volume["Driver"],
            "driverOpts": or_none(volume.get("Options")),
            "labels": labels_from_map(volume.get("Labels")),
        }
        return Live(identity, {**shown, "cluster": None, "mountpoint": volume["Mountpoint"]}, shown)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Nothing of a volume can be changed in place."""
        live = self.read(identity, inputs, outputs)
        if live is None:
            raise PluginError(f"Unable to inspect volume: {identity} is gone")
        return live

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Removes the volume; waits a while for containers that still use it."""
        client = self._engine.client()
        self._engine.remove_when_free(
            f"Unable to remove volume {identity}",
            lambda: client.remove_volume(identity, force=True),
            in_use="volume is in use",
            deadline=self._cancellation.deadline(_REMOVAL_SECONDS),
        )
