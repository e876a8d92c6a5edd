"""Installs the stand-in plugins into a Pulumi home of the project's own."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_MARK = "# stand-in plugin"
_MODULES = {
    "docker": ("pulumi-docker", "standin.docker_plugin"),
    "postgresql": ("pulumi-postgresql", "standin.postgres_plugin"),
    "random": ("pulumi-random", "standin.random_plugin"),
}
_SDK = "pulumi"
_LANGUAGE_HOST = "standin.language_host"


@dataclass(frozen=True)
class Installed:
    """Where the language host is, which plugins are stand-ins, and which were official and left alone."""

    language_host: Path
    stand_ins: tuple[str, ...]
    official: tuple[str, ...]


def install(pulumi_home: Path, python: Path) -> Path:
    """Writes the launchers and returns the folder of the language host.

    The engine finds everything in `pulumi_home` by itself; on PATH the host works too, with a warning.
    """
    return install_all(pulumi_home, python).language_host


def install_all(pulumi_home: Path, python: Path) -> Installed:
    """Writes a launcher for each plugin that is not there yet in its official form."""
    home = pulumi_home.resolve()
    versions = _sdk_versions(python)
    stand_ins, official = [], []
    for name, (distribution, module) in _MODULES.items():
        folder = home / "plugins" / f"resource-{name}-v{versions[distribution]}"
        executable = folder / f"pulumi-resource-{name}"
        if executable.exists() and not _is_stand_in(executable):
            official.append(name)
            continue
        _write_launcher(executable, python, module)
        stand_ins.append(name)
    host_folder = home / "plugins" / f"language-python-v{versions[_SDK]}"
    executable = host_folder / "pulumi-language-python"
    if executable.exists() and not _is_stand_in(executable):
        official.append("language host")
    else:
        _write_launcher(executable, python, _LANGUAGE_HOST)
        stand_ins.append("language host")
    return Installed(host_folder, tuple(stand_ins), tuple(official))


def _sdk_versions(python: Path) -> dict[str, str]:
    """The engine asks for exactly the version of the SDK that the program imports."""
    names = [_SDK, *(distribution for distribution, _ in _MODULES.values())]
    query = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    answer = subprocess.run([str(python), "-c", query, *names], check=True, capture_output=True, text=True)
    return dict(zip(names, answer.stdout.split(), strict=True))


def _is_stand_in(executable: Path) -> bool:
    with executable.open("rb") as file:
        return _MARK.encode() in file.read(200)


def _write_launcher(executable: Path, python: Path, module: str) -> None:
    # Not resolved: a virtual environment's interpreter is a link, and its place says which packages to use.
    interpreter = python.absolute()
    text = (
        "#!/bin/sh\n"
        f"{_MARK}\n"
        f"PYTHONPATH={_quoted(_HERE)}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {_quoted(interpreter)} -m {module} "$@"\n'
    )
    if executable.exists() and executable.read_text() == text:
        return
    executable.parent.mkdir(parents=True, exist_ok=True)
    executable.write_text(text)
    executable.chmod(0o755)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def main() -> None:
    """Installs from the command line and prints the folder of the language host."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pulumi_home", type=Path)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    arguments = parser.parse_args()
    sys.stdout.write(f"{install(arguments.pulumi_home, arguments.python)}\n")


if __name__ == "__main__":
    main()
