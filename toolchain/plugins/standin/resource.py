"""What a resource type must be able to do, and the ways in which it may fail."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .diff import same
from .schema import Property
from .values import JsonObject


class PluginError(Exception):
    """A failure that the user reads as it is."""


class IncompleteError(PluginError):
    """The resource exists, but did not become what it should be: the engine keeps it and says why."""

    def __init__(self, identity: str, outputs: JsonObject, reason: str) -> None:
        super().__init__(reason)
        self.identity = identity
        self.outputs = outputs


class Cancellation:
    """Set when the user interrupts the update; waits look at it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Asks every wait to end."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether the user interrupted the update."""
        return self._event.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleeps, but not longer than until the interruption."""
        self._event.wait(seconds)

    def deadline(self, seconds: float) -> Deadline:
        """A point in time that the interruption brings forward."""
        return Deadline(time.monotonic() + seconds, self)


@dataclass(frozen=True)
class Deadline:
    """When to stop waiting."""

    at: float
    cancellation: Cancellation

    @property
    def passed(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.cancellation.requested or time.monotonic() >= self.at


@dataclass(frozen=True)
class Live:
    """A resource as it really is."""

    identity: str
    outputs: JsonObject
    inputs: JsonObject = field(default_factory=dict)
    """The inputs that can be read back; the others keep the value that the program gave them."""


class ResourceType(ABC):
    """One resource type of a plugin."""

    urn_type: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]]
    computed: ClassVar[tuple[str, ...]] = ()
    """Outputs that only the real update knows."""
    autonamed: ClassVar[bool] = True
    """Whether `name` is made up if the program gives none."""
    deletes_before_replace: ClassVar[bool] = False
    importable: ClassVar[bool] = True
    keeps_defaults_key: ClassVar[bool] = True

    def complaint(self, inputs: JsonObject) -> str | None:  # noqa: ARG002  # most types have none
        """What is wrong with the inputs as a whole."""
        return None

    @abstractmethod
    def create(self, inputs: JsonObject) -> Live:
        """Creates the resource."""

    @abstractmethod
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The resource as it is now, or nothing if it is gone."""

    @abstractmethod
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Changes the resource in place."""

    @abstractmethod
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Deletes the resource; being gone already is no failure."""

    def refreshed_inputs(self, inputs: JsonObject, live: Live) -> JsonObject:
        """The program's inputs with the live value of each that drifted."""
        refreshed = dict(inputs)
        for key in inputs:
            if key in live.inputs and not same(self.properties[key], inputs[key], live.inputs[key]):
                refreshed[key] = live.inputs[key]
        return refreshed
