"""The inputs of docker:index/container:Container."""

from __future__ import annotations

from typing import Final

from .schema import (
    LABELS,
    Property,
    at_least,
    boolean,
    integer,
    not_implemented,
    one_of,
    record,
    records,
    text,
    text_map,
    text_set,
    texts,
)
from .values import Value

READ_TIMEOUT_MILLISECONDS: Final = 15000


def _only_false(value: Value) -> str | None:
    return "only false is implemented by the stand-in" if value else None


_HEALTHCHECK: Final = {
    "interval": text(default="0s"),
    "retries": integer(),
    "startInterval": text(default="0s"),
    "startPeriod": text(default="0s"),
    "tests": texts(required=True),
    "timeout": text(default="0s"),
}

_NETWORK: Final = {
    "aliases": text_set(),
    "driverOpts": text_set(),
    "gwPriority": not_implemented(),
    "ipv4Address": text(),
    "ipv6Address": text(),
    "linkLocalIps": text_set(),
    "macAddress": text(),
    "name": text(required=True),
}

_PORT: Final = {
    "external": integer(),
    "internal": integer(required=True),
    "ip": text(default="0.0.0.0"),  # noqa: S104  # the official plugin's default
    "protocol": text(default="tcp"),
}

_UPLOAD: Final = {
    "content": text(),
    "contentBase64": text(),
    "executable": boolean(),
    "file": text(required=True),
    "permissions": text(),
    "source": not_implemented(),
    "sourceHash": not_implemented(),
}

_VOLUME: Final = {
    "containerPath": text(),
    "fromContainer": text(),
    "hostPath": text(),
    "readOnly": boolean(),
    "selinuxRelabel": text(rule=one_of("z", "Z")),
    "volumeName": text(),
}

_MOUNT: Final = {
    "bindOptions": not_implemented(),
    "readOnly": boolean(),
    "source": text(),
    "target": text(required=True),
    "tmpfsOptions": record({"mode": integer(), "sizeBytes": integer()}),
    "type": text(required=True, rule=one_of("bind", "volume", "tmpfs")),
    "volumeOptions": not_implemented(),
}

PROPERTIES: Final[dict[str, Property]] = {
    "attach": boolean(),
    "capabilities": record(
        {"adds": text_set(), "drops": text_set()}, replaces=True, compared_with_state=True
    ),
    "cgroupParent": not_implemented(replaces=True),
    "cgroupnsMode": not_implemented(replaces=True),
    "command": texts(replaces=True, kept_when_unset=True),
    "containerReadRefreshTimeoutMilliseconds": integer(default=READ_TIMEOUT_MILLISECONDS),
    "cpuPeriod": not_implemented(),
    "cpuQuota": not_implemented(),
    "cpuSet": text(),
    "cpuShares": integer(rule=at_least(0)),
    "cpus": text(replaces=True, compared_with_state=True),
    "destroyGraceSeconds": integer(),
    "deviceReadBps": not_implemented(),
    "deviceReadIops": not_implemented(),
    "deviceRequests": not_implemented(replaces=True),
    "deviceWriteBps": not_implemented(),
    "deviceWriteIops": not_implemented(),
    "devices": not_implemented(replaces=True),
    "dns": text_set(replaces=True),
    "dnsOpts": text_set(replaces=True),
    "dnsSearches": text_set(replaces=True),
    "domainname": text(replaces=True),
    "entrypoints": texts(replaces=True, kept_when_unset=True),
    "envs": text_set(replaces=True, kept_when_unset=True),
    "gpus": not_implemented(replaces=True),
    "groupAdds": text_set(replaces=True),
    "healthcheck": record(_HEALTHCHECK, kept_when_unset=True, compared_with_state=True),
    "hostname": text(replaces=True, kept_when_unset=True),
    "hosts": records({"host": text(required=True), "ip": text(required=True)}, replaces=True),
    "image": text(required=True, replaces=True),
    "init": boolean(kept_when_unset=True),
    "ipcMode": text(replaces=True, kept_when_unset=True),
    "labels": Property(LABELS.kind, item=LABELS.item, replaces=True, kept_when_unset=True),
    "logDriver": text(replaces=True, kept_when_unset=True),
    "logOpts": text_map(replaces=True),
    "logs": boolean(),
    "maxRetryCount": integer(),
    "memory": integer(rule=at_least(0)),
    "memoryReservation": integer(rule=at_least(0)),
    "memorySwap": integer(rule=at_least(-1), removed_from_state=True),
    "mounts": records(_MOUNT, replaces=True),
    "mustRun": boolean(default=True),
    "name": text(replaces=True),
    "networkMode": text(replaces=True, default="bridge"),
    "networksAdvanced": records(_NETWORK, replaces=True),
    "pidMode": text(replaces=True),
    "platform": not_implemented(replaces=True),
    "ports": records(_PORT, ordered=True, replaces=True),
    "privileged": boolean(replaces=True),
    "publishAllPorts": boolean(replaces=True),
    "readOnly": boolean(replaces=True),
    "removeVolumes": boolean(default=True),
    "restart": text(default="no", rule=one_of("no", "on-failure", "always", "unless-stopped")),
    "rm": boolean(rule=_only_false),
    "runtime": text(replaces=True, kept_when_unset=True),
    "securityOpts": text_set(replaces=True, kept_when_unset=True, compared_with_state=True),
    "shmSize": integer(replaces=True, kept_when_unset=True, rule=at_least(0)),
    "start": boolean(default=True),
    "stdinOpen": boolean(replaces=True),
    "stopSignal": text(replaces=True, kept_when_unset=True),
    "stopTimeout": integer(replaces=True, kept_when_unset=True),
    "storageOpts": not_implemented(replaces=True),
    "sysctls": text_map(replaces=True),
    "tmpfs": text_map(),
    "tty": boolean(replaces=True),
    "ulimits": records(
        {"hard": integer(required=True), "name": text(required=True), "soft": integer(required=True)},
        replaces=True,
    ),
    "uploads": records(_UPLOAD, replaces=True),
    "user": text(replaces=True, kept_when_unset=True),
    "usernsMode": text(replaces=True),
    "volumes": records(_VOLUME, replaces=True),
    "wait": boolean(),
    "waitTimeout": integer(default=60),
    "workingDir": text(replaces=True, kept_when_unset=True),
}
