"""No container listens on every address of its host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule
from pooler_policy.values import UNKNOWN, items, opened


def _everywhere(ip: object) -> bool:
    if not ip:  # Docker's own default
        return True
    try:
        address = ipaddress.ip_address(str(ip))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_unspecified or (mapped is not None and mapped.is_unspecified)


def _check(resource: Resource, _: Declared) -> Iterator[str]:
    if not resource.is_our_container:
        return
    for port in map(opened, items(resource.properties.get("ports"))):
        if port is not UNKNOWN and port.get("ip") is not UNKNOWN and _everywhere(port.get("ip")):
            yield (
                f"ports: {port.get('ip') or 'no address'}:{port.get('external', '')} publishes the pooler on every "
                "address of the host, past its firewall; set ports to one address, like 127.0.0.1:6432"
            )
    if resource.get("publishAllPorts"):
        yield "publishAllPorts publishes every port of the image on every address of the host; leave it out"
    if resource.get("networkMode") == "host":
        yield (
            "networkMode: host lets the pooler listen on every address of the host; leave it out, "
            "and set ports to one address, like 127.0.0.1:6432"
        )


RULE = ResourceRule(
    "no-port-on-every-address", "A published port names the one address of the host that it is on.", _check
)
