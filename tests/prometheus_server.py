"""A Prometheus of a test's own, on loopback, with its data in the test's folder."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from monitoring.prometheus import Prometheus
from toolchain import prometheus
from toolchain.problem import Problem

START_SECONDS = 60
SCRAPE_INTERVAL = "3s"
"""It bounds a scrape, too: a busy machine may take seconds for one."""


@contextmanager
def running(folder: Path, scrape: str, rules: str, addresses: Mapping[str, str]) -> Iterator[Prometheus]:
    """A server that scrapes every SCRAPE_INTERVAL what `scrape` names, and judges `rules`.

    `addresses`: host name in `scrape`, which only Docker's network resolves → address.
    """
    items = yaml.safe_load(scrape)
    for target in (static for item in items for static in item["static_configs"]):
        target["targets"] = [_reachable(one, addresses) for one in target["targets"]]
    for item in items:
        item["scrape_interval"] = SCRAPE_INTERVAL
    (folder / "rules.yml").write_text(rules, encoding="utf-8")
    document = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": items,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    port = _free_port()
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                str(prometheus.ensure().prometheus),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        server = Prometheus(f"http://127.0.0.1:{port}")
        _wait(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def _reachable(target: str, addresses: Mapping[str, str]) -> str:
    host, port = target.rsplit(":", 1)
    return f"{addresses[host]}:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            server.now("vector(1)")
        except Problem:
            answers_late = process.poll() is None and time.monotonic() < end
            assert answers_late, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        else:
            return
