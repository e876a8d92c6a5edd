"""The request that creates a container, from its inputs."""

from __future__ import annotations

import base64
import binascii
import io
import tarfile
import time
from decimal import Decimal
from typing import Any

from . import go_duration
from .docker_engine import labels_to_map
from .resource import PluginError
from .values import JsonObject

_MIB = 1024 * 1024


def creation(inputs: JsonObject) -> JsonObject:
    """The body of Docker's create request."""
    if any(part == "" for part in inputs.get("command") or []):
        raise PluginError("values for command may not be empty")
    ports = inputs.get("ports") or []
    volumes = inputs.get("volumes") or []
    body: JsonObject = {
        "Image": inputs["image"],
        "Hostname": inputs.get("hostname", ""),
        "Domainname": inputs.get("domainname", ""),
        "Tty": inputs.get("tty", False),
        "OpenStdin": inputs.get("stdinOpen", False),
        "StopSignal": inputs.get("stopSignal", ""),
        "Env": inputs.get("envs") or None,
        "Cmd": inputs.get("command") or None,
        "Entrypoint": inputs.get("entrypoints") or None,
        "User": inputs.get("user", ""),
        "WorkingDir": inputs.get("workingDir", ""),
        "Labels": labels_to_map(inputs.get("labels")) or None,
        "ExposedPorts": {_port_key(port): {} for port in ports} or None,
        "Volumes": {volume["containerPath"]: {} for volume in volumes if volume.get("containerPath")} or None,
        "HostConfig": _host_config(inputs, ports, volumes),
    }
    if inputs.get("stopTimeout"):
        body["StopTimeout"] = inputs["stopTimeout"]
    if inputs.get("healthcheck"):
        body["Healthcheck"] = _healthcheck(inputs["healthcheck"])
    return body


def archive(upload: JsonObject) -> bytes:
    """A tar archive with one uploaded file, to be unpacked at the container's root."""
    given = [key for key in ("content", "contentBase64") if upload.get(key)]
    if not given:
        raise PluginError(
            "error with upload content: one of 'content', 'content_base64', or 'source' must be set"
        )
    if len(given) > 1:
        raise PluginError(
            "error with upload content: only one of 'content', 'content_base64', or 'source' can be set"
        )
    content = _decoded(upload["contentBase64"]) if given == ["contentBase64"] else upload["content"].encode()
    entry = tarfile.TarInfo(upload["file"])
    entry.size = len(content)
    entry.mtime = int(time.time())
    entry.mode = 0o744 if upload.get("executable") else 0o644
    if upload.get("permissions"):
        entry.mode = int(upload["permissions"], 8)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def memory_swap_bytes(mebibytes: int) -> int:
    """Docker's value; -1 stays what it is, without a limit."""
    return mebibytes * _MIB if mebibytes > 0 else mebibytes


def resources(inputs: JsonObject) -> JsonObject:
    """The limits that can be changed while a container runs."""
    limits: JsonObject = {
        "CpuShares": inputs.get("cpuShares", 0),
        "CpusetCpus": inputs.get("cpuSet", ""),
        "Memory": inputs.get("memory", 0) * _MIB,
        "MemoryReservation": inputs.get("memoryReservation", 0) * _MIB,
        "RestartPolicy": {
            "Name": inputs.get("restart", "no"),
            "MaximumRetryCount": inputs.get("maxRetryCount", 0),
        },
    }
    if inputs.get("memorySwap"):
        limits["MemorySwap"] = memory_swap_bytes(inputs["memorySwap"])
    return limits


def _host_config(inputs: JsonObject, ports: list[JsonObject], volumes: list[JsonObject]) -> JsonObject:
    capabilities = inputs.get("capabilities") or {}
    optional: JsonObject = {
        "Binds": [bind for volume in volumes if (bind := _bind(volume))],
        "CapAdd": capabilities.get("adds"),
        "CapDrop": capabilities.get("drops"),
        "Dns": inputs.get("dns"),
        "DnsOptions": inputs.get("dnsOpts"),
        "DnsSearch": inputs.get("dnsSearches"),
        "ExtraHosts": [f"{host['host']}:{host['ip']}" for host in inputs.get("hosts") or []],
        "GroupAdd": inputs.get("groupAdds"),
        "IpcMode": inputs.get("ipcMode"),
        "Mounts": [_mount(mount) for mount in inputs.get("mounts") or []],
        "PidMode": inputs.get("pidMode"),
        "PortBindings": _port_bindings(ports),
        "SecurityOpt": inputs.get("securityOpts"),
        "ShmSize": inputs.get("shmSize", 0) * _MIB,
        "Sysctls": inputs.get("sysctls"),
        "Tmpfs": inputs.get("tmpfs"),
        "Ulimits": [
            {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]}
            for limit in inputs.get("ulimits") or []
        ],
        "UsernsMode": inputs.get("usernsMode"),
        "VolumesFrom": [volume["fromContainer"] for volume in volumes if volume.get("fromContainer")],
    }
    if inputs.get("cpus"):
        optional["NanoCpus"] = int(Decimal(inputs["cpus"]) * 1_000_000_000)
    return {
        **resources(inputs),
        **{key: value for key, value in optional.items() if value},
        "Init": inputs.get("init", False),
        "LogConfig": {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts") or {}},
        "NetworkMode": inputs.get("networkMode", "bridge"),
        "Privileged": inputs.get("privileged", False),
        "PublishAllPorts": inputs.get("publishAllPorts", False),
        "ReadonlyRootfs": inputs.get("readOnly", False),
        "Runtime": inputs.get("runtime", ""),
    }


def _healthcheck(check: JsonObject) -> JsonObject:
    return {
        "Test": check["tests"],
        "Interval": go_duration.parse(check.get("interval", "0s")),
        "Timeout": go_duration.parse(check.get("timeout", "0s")),
        "StartPeriod": go_duration.parse(check.get("startPeriod", "0s")),
        "StartInterval": go_duration.parse(check.get("startInterval", "0s")),
        "Retries": check.get("retries", 0),
    }


def _port_key(port: JsonObject) -> str:
    return f"{port['internal']}/{port.get('protocol', 'tcp')}"


def _port_bindings(ports: list[JsonObject]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.get("ip", ""), "HostPort": str(port.get("external", 0))}
        bindings.setdefault(_port_key(port), []).append(binding)
    return bindings


def _bind(volume: JsonObject) -> str | None:
    path, source = volume.get("containerPath"), volume.get("fromContainer")
    if not path and not source:
        raise PluginError("Unable to parse volumes: volume entry without container path or source container")
    if path and source:
        raise PluginError("Unable to parse volumes: both a container and a path specified in a volume entry")
    name = volume.get("hostPath") or volume.get("volumeName")
    if source or not name:
        return None
    mode = "ro" if volume.get("readOnly") else "rw"
    relabel = volume.get("selinuxRelabel")
    return f"{name}:{path}:{mode}" + (f",{relabel}" if relabel else "")


def _mount(mount: JsonObject) -> JsonObject:
    request: JsonObject = {
        "Type": mount["type"],
        "Source": mount.get("source", ""),
        "Target": mount["target"],
        "ReadOnly": mount.get("readOnly", False),
    }
    options: Any = mount.get("tmpfsOptions")
    if mount["type"] == "tmpfs" and options:
        request["TmpfsOptions"] = {"SizeBytes": options.get("sizeBytes", 0), "Mode": options.get("mode", 0)}
    return request


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        raise PluginError("error with upload content: 'content_base64' is not base64") from None
