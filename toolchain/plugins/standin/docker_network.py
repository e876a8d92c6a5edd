"""docker:index/network:Network."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from .docker_engine import Engine, labels_from_map, labels_to_map, or_none
from .resource import Cancellation, Live, PluginError, ResourceType
from .schema import LABELS, boolean, records, text, text_map
from .values import JsonObject

_REMOVAL_SECONDS = 30


class Network(ResourceType):
    """A Docker network."""

    urn_type = "docker:index/network:Network"
    properties: ClassVar = {
        "attachable": boolean(replaces=True),
        "driver": text(replaces=True, kept_when_unset=True),
        "ingress": boolean(replaces=True),
        "internal": boolean(replaces=True, kept_when_unset=True),
        "ipamConfigs": records(
            {"auxAddress": text_map(), "gateway": text(), "ipRange": text(), "subnet": text()},
            replaces=True,
            kept_when_unset=True,
        ),
        "ipamDriver": text(replaces=True, default="default"),
        "ipamOptions": text_map(replaces=True),
        "ipv6": boolean(replaces=True),
        "labels": LABELS,
        "name": text(replaces=True),
        "options": text_map(replaces=True, kept_when_unset=True),
    }
    computed = ("driver", "internal", "ipamConfigs", "options", "scope")

    def __init__(self, engine: Engine, cancellation: Cancellation) -> None:
        self._engine = engine
        self._cancellation = cancellation

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Creates the network."""
        client = self._engine.client()
        pools = [
            {
                "Subnet": pool.get("subnet"),
                "IPRange": pool.get("ipRange"),
                "Gateway": pool.get("gateway"),
                "AuxiliaryAddresses": pool.get("auxAddress"),
            }
            for pool in inputs.get("ipamConfigs") or []
        ]
        ipam = {
            "Driver": inputs.get("ipamDriver", "default"),
            "Config": pools,
            "Options": inputs.get("ipamOptions") or {},
        }
        created = self._engine.attempt(
            "Unable to create network",
            lambda: client.create_network(
                inputs["name"],
                driver=inputs.get("driver"),
                options=inputs.get("options"),
                ipam=ipam,
                internal=inputs.get("internal", False),
                labels=labels_to_map(inputs.get("labels")) or None,
                enable_ipv6=inputs.get("ipv6", False),
                attachable=inputs.get("attachable", False),
                ingress=inputs.get("ingress", False),
                check_duplicate=False,
            ),
        )
        live = self.read(created["Id"], inputs, {})
        if live is None:
            raise PluginError(f"Unable to create network: {inputs['name']} was gone at once")
        return live

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """The network as Docker has it."""
        client = self._engine.client()
        network: dict[str, Any] | None = self._engine.found(
            "Unable to inspect network", lambda: client.inspect_network(identity)
        )
        if network is None:
            return None
        pools = [
            {
                "auxAddress": pool.get("AuxiliaryAddresses") or {},
                "gateway": pool.get("Gateway", ""),
                "ipRange": pool.get("IPRange", ""),
                "subnet": pool.get("Subnet", ""),
            }
            for pool in network["IPAM"].get("Config") or []
        ]
        shown = {
            "attachable": network["Attachable"],
            "driver": network["Driver"],
            "ingress": network["Ingress"],
            "internal": network["Internal"],
            "ipamConfigs": pools,
            "ipamDriver": network["IPAM"]["Driver"],
            "ipamOptions": or_none(network["IPAM"].get("Options")),
            "ipv6": network["EnableIPv6"],
            "labels": labels_from_map(network.get("Labels")),
            "name": network["Name"],
            "options": network.get("Options") or {},
        }
        return Live(network["Id"], {**shown, "scope": network["Scope"]}, shown)

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Nothing of a network can be changed in place."""
        live = self.read(identity, inputs, outputs)
        if live is None:
            raise PluginError(f"Unable to inspect network: {identity} is gone")
        return live

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """Removes the network; waits a while for containers that are still on it."""
        client = self._engine.client()
        self._engine.remove_when_free(
            f"Unable to remove network {identity}",
            lambda: client.remove_network(identity),
            in_use="has active endpoints",
            deadline=self._cancellation.deadline(_REMOVAL_SECONDS),
        )
