"""Installation of the stand-in plugins."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from install import install, install_all

PYTHON = Path(sys.executable)


def test_a_plugin_is_installed_in_the_version_of_its_python_package(tmp_path: Path) -> None:
    install(tmp_path, PYTHON)
    folder = tmp_path / "plugins" / f"resource-docker-v{version('pulumi-docker')}"
    assert (folder / "pulumi-resource-docker").exists()


def test_the_language_host_is_in_the_folder_that_is_returned(tmp_path: Path) -> None:
    assert (install(tmp_path, PYTHON) / "pulumi-language-python").stat().st_mode & 0o111


def test_an_official_plugin_is_left_alone(tmp_path: Path) -> None:
    official = (
        tmp_path / "plugins" / f"resource-random-v{version('pulumi-random')}" / "pulumi-resource-random"
    )
    official.parent.mkdir(parents=True)
    official.write_bytes(b"\x7fELF official")
    install(tmp_path, PYTHON)
    assert official.read_bytes() == b"\x7fELF official"


def test_an_official_plugin_is_reported(tmp_path: Path) -> None:
    official = (
        tmp_path / "plugins" / f"resource-random-v{version('pulumi-random')}" / "pulumi-resource-random"
    )
    official.parent.mkdir(parents=True)
    official.write_bytes(b"\x7fELF official")
    assert install_all(tmp_path, PYTHON).official == ("random",)


def test_a_second_installation_writes_nothing(tmp_path: Path) -> None:
    host = install(tmp_path, PYTHON) / "pulumi-language-python"
    before = host.stat().st_mtime_ns
    install(tmp_path, PYTHON)
    assert host.stat().st_mtime_ns == before


def test_a_python_whose_path_has_blanks_is_quoted(tmp_path: Path) -> None:
    blank = tmp_path / "my env" / "python"
    blank.parent.mkdir()
    blank.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    blank.chmod(0o755)
    host = install(tmp_path / "home", blank) / "pulumi-language-python"
    assert f"exec '{blank}' -m" in host.read_text()
