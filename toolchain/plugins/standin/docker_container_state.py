"""What Docker says of a container, in the names and shapes of the official plugin's outputs."""

from __future__ import annotations

from typing import Any

from . import go_duration
from .docker_engine import labels_from_map, or_none
from .values import JsonObject, without_internal_keys

_MIB = 1024 * 1024
_NOT_IMPLEMENTED: JsonObject = {
    "cgroupParent": None,
    "cgroupnsMode": None,
    "cpuPeriod": None,
    "cpuQuota": None,
    "deviceReadBps": [],
    "deviceReadIops": [],
    "deviceRequests": [],
    "deviceWriteBps": [],
    "deviceWriteIops": [],
    "devices": [],
    "gpus": None,
    "storageOpts": None,
}
_UPLOAD_DEFAULTS: JsonObject = {
    "content": "",
    "contentBase64": "",
    "executable": False,
    "permissions": "",
    "source": "",
    "sourceHash": "",
}
_VOLUME_DEFAULTS: JsonObject = {
    "containerPath": "",
    "fromContainer": "",
    "hostPath": "",
    "readOnly": None,
    "selinuxRelabel": "",
    "volumeName": "",
}
_NETWORK_DEFAULTS: JsonObject = {
    "aliases": [],
    "driverOpts": [],
    "gwPriority": None,
    "ipv4Address": "",
    "ipv6Address": "",
    "linkLocalIps": [],
    "macAddress": "",
}


def readable(container: JsonObject, inputs: JsonObject) -> JsonObject:
    """The inputs that a refresh reads back, with their live values."""
    config, host, state = container["Config"], container["HostConfig"], container["State"]
    live: JsonObject = {
        "command": config.get("Cmd") or [],
        "cpuSet": host.get("CpusetCpus", ""),
        "cpuShares": host.get("CpuShares", 0),
        "dns": or_none(host.get("Dns")),
        "dnsOpts": or_none(host.get("DnsOptions")),
        "dnsSearches": or_none(host.get("DnsSearch")),
        "domainname": config.get("Domainname", ""),
        "entrypoints": config.get("Entrypoint") or [],
        "groupAdds": or_none(host.get("GroupAdd")),
        "hostname": config.get("Hostname", ""),
        "hosts": [_extra_host(entry) for entry in host.get("ExtraHosts") or []],
        "image": _image(container, inputs),
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode", ""),
        "logDriver": host["LogConfig"]["Type"],
        "maxRetryCount": host["RestartPolicy"].get("MaximumRetryCount", 0),
        "memory": host.get("Memory", 0) // _MIB,
        "memoryReservation": host.get("MemoryReservation", 0) // _MIB,
        "memorySwap": _memory_swap(host.get("MemorySwap", 0)),
        "mounts": [_mount(mount) for mount in host.get("Mounts") or []],
        "name": container["Name"].lstrip("/"),
        "networkMode": host.get("NetworkMode", ""),
        "privileged": host.get("Privileged", False),
        "publishAllPorts": host.get("PublishAllPorts", False),
        "readOnly": host.get("ReadonlyRootfs", False),
        "restart": host["RestartPolicy"].get("Name") or "no",
        "rm": host.get("AutoRemove", False),
        "runtime": host.get("Runtime", ""),
        "securityOpts": host.get("SecurityOpt") or [],
        "shmSize": host.get("ShmSize", 0) // _MIB,
        "stdinOpen": config.get("OpenStdin", False),
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
        "sysctls": or_none(host.get("Sysctls")),
        "tmpfs": or_none(host.get("Tmpfs")),
        "tty": config.get("Tty", False),
        "user": config.get("User", ""),
        "usernsMode": host.get("UsernsMode", ""),
        "workingDir": config.get("WorkingDir", ""),
    }
    if host.get("CapAdd") or host.get("CapDrop"):
        live["capabilities"] = {"adds": host.get("CapAdd") or [], "drops": host.get("CapDrop") or []}
    if host.get("NanoCpus"):
        live["cpus"] = f"{host['NanoCpus'] / 1e9:.9f}".rstrip("0").rstrip(".")
    if config.get("Healthcheck"):
        live["healthcheck"] = _healthcheck(config["Healthcheck"])
    if inputs.get("logOpts"):
        live["logOpts"] = host["LogConfig"].get("Config") or {}
    if inputs.get("pidMode"):
        live["pidMode"] = host.get("PidMode", "")
    if inputs.get("ulimits"):
        live["ulimits"] = [
            {"hard": limit["Hard"], "name": limit["Name"], "soft": limit["Soft"]}
            for limit in host.get("Ulimits") or []
        ]
    if inputs.get("ports") and (state["Running"] or inputs.get("mustRun", True)):
        live["ports"] = _ports(container["NetworkSettings"].get("Ports") or {}, inputs["ports"])
    if inputs.get("mustRun", True):
        # A stopped container that must run reads as one that need not: the next update starts it.
        live["mustRun"] = bool(state["Running"])
    return live


def shown(container: JsonObject, inputs: JsonObject, outputs: JsonObject) -> JsonObject:
    """All outputs of a container."""
    live = readable(container, inputs)
    running = container["State"]["Running"]
    return {
        **_NOT_IMPLEMENTED,
        "capabilities": None,
        "cpus": None,
        "healthcheck": None,
        "logOpts": None,
        "pidMode": None,
        "ulimits": [],
        **live,
        "attach": inputs.get("attach", False),
        "bridge": container["NetworkSettings"].get("Bridge", ""),
        "containerLogs": outputs.get("containerLogs"),
        "containerReadRefreshTimeoutMilliseconds": inputs.get(
            "containerReadRefreshTimeoutMilliseconds", 15000
        ),
        "destroyGraceSeconds": inputs.get("destroyGraceSeconds"),
        "envs": inputs.get("envs") or [],
        "exitCode": outputs.get("exitCode") if running else container["State"]["ExitCode"],
        "labels": given("labels", inputs),
        "logs": inputs.get("logs", False),
        "mustRun": live.get("mustRun", inputs.get("mustRun", True)),
        "networkDatas": _network_datas(container["NetworkSettings"].get("Networks") or {}),
        "networksAdvanced": given("networksAdvanced", inputs),
        "platform": container.get("Platform", "linux"),
        "ports": live.get("ports", without_internal_keys(inputs.get("ports") or [])),
        "removeVolumes": inputs.get("removeVolumes", True),
        "start": inputs.get("start", True),
        "uploads": given("uploads", inputs),
        "volumes": given("volumes", inputs),
        "wait": inputs.get("wait", False),
        "waitTimeout": inputs.get("waitTimeout", 60),
    }


def given(key: str, inputs: JsonObject) -> list[JsonObject]:
    """An input that Docker does not say back, with the empty values that the official plugin adds."""
    defaults = {
        "networksAdvanced": _NETWORK_DEFAULTS,
        "uploads": _UPLOAD_DEFAULTS,
        "volumes": _VOLUME_DEFAULTS,
    }
    return [{**defaults.get(key, {}), **without_internal_keys(entry)} for entry in inputs.get(key) or []]


def importable(container: JsonObject) -> JsonObject:
    """The inputs of a program that would describe this container."""
    live = readable(container, {"mustRun": True, "ports": []})
    read = {key: value for key, value in live.items() if value not in (None, "", 0, False, [], {})}
    read["mustRun"] = container["State"]["Running"]
    read["labels"] = labels_from_map(container["Config"].get("Labels"))
    return {**read, "start": True, "removeVolumes": True, "waitTimeout": 60}


def _image(container: JsonObject, inputs: JsonObject) -> str:
    by_digest = str(inputs.get("image", "")).startswith("sha256:")
    return str(container["Image"] if by_digest else container["Config"]["Image"])


def _memory_swap(size: int) -> int:
    return size // _MIB if size > 0 else size


def _extra_host(entry: str) -> dict[str, str]:
    host, _, ip = entry.partition(":")
    return {"host": host, "ip": ip}


def _mount(mount: JsonObject) -> JsonObject:
    read: JsonObject = {
        "readOnly": mount.get("ReadOnly", False),
        "source": mount.get("Source", ""),
        "target": mount["Target"],
        "type": mount["Type"],
    }
    if options := mount.get("TmpfsOptions"):
        read["tmpfsOptions"] = {"mode": options.get("Mode", 0), "sizeBytes": options.get("SizeBytes", 0)}
    return read


def _healthcheck(check: JsonObject) -> JsonObject:
    return {
        "interval": go_duration.render(check.get("Interval", 0)),
        "retries": check.get("Retries", 0),
        "startInterval": go_duration.render(check.get("StartInterval", 0)),
        "startPeriod": go_duration.render(check.get("StartPeriod", 0)),
        "tests": check.get("Test") or [],
        "timeout": go_duration.render(check.get("Timeout", 0)),
    }


def _ports(published: dict[str, Any], wanted: list[JsonObject]) -> list[JsonObject]:
    """The published ports in the program's order; a port that the program left to Docker is left out."""
    found = []
    for key, bindings in published.items():
        internal, _, protocol = key.partition("/")
        for binding in bindings or []:
            external = int(binding["HostPort"])
            found.append(
                {
                    "external": external,
                    "internal": int(internal),
                    "ip": binding["HostIp"],
                    "protocol": protocol,
                }
            )
    places = {
        (port["internal"], port.get("protocol", "tcp")): at for at, port in reversed(list(enumerate(wanted)))
    }
    found.sort(
        key=lambda port: (places.get((port["internal"], port["protocol"]), len(wanted)), port["external"])
    )
    for port in found:
        at = places.get((port["internal"], port["protocol"]))
        if at is not None and not wanted[at].get("external"):
            del port["external"]
    return found


def _network_datas(networks: dict[str, JsonObject]) -> list[JsonObject]:
    return [
        {
            "gateway": network.get("Gateway", ""),
            "globalIpv6Address": network.get("GlobalIPv6Address", ""),
            "globalIpv6PrefixLength": network.get("GlobalIPv6PrefixLen", 0),
            "ipAddress": network.get("IPAddress", ""),
            "ipPrefixLength": network.get("IPPrefixLen", 0),
            "ipv6Gateway": network.get("IPv6Gateway", ""),
            "macAddress": network.get("MacAddress", ""),
            "networkName": name,
        }
        for name, network in networks.items()
    ]
