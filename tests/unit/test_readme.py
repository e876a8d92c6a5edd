"""The README says what the program does."""

from __future__ import annotations

import re

import yaml

from tests.unit.stacks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))


def rows_of_the_configuration_table() -> list[tuple[str, str]]:
    """First two cells of each row."""
    section = README.split("## Configuration")[1].split("### Outputs")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    return [(key.strip(), default.strip()) for key, default in rows]


def test_every_key_of_the_project_is_in_the_table_once() -> None:
    keys = [key for cell, _ in rows_of_the_configuration_table() for key in re.findall(r"`(\w+)`", cell)]
    assert sorted(keys) == sorted(PROJECT["config"])


def test_the_plain_defaults_in_the_table_are_those_of_the_project() -> None:
    for cell, shown in rows_of_the_configuration_table():
        for key, default in zip(
            re.findall(r"`(\w+)`", cell), [text.strip().strip("`") for text in shown.split(",")], strict=False
        ):
            declared = PROJECT["config"][key].get("default")
            if declared not in (None, "", [], {}):
                assert default == str(declared), key


def test_every_make_target_that_it_names_exists() -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(
        r"make (?:-s )?([a-z][a-z0-9-]+)\b(?=[` \n])", "".join(re.findall(r"`[^`]+`|```[^`]+```", README))
    )
    assert set(named) - set(targets) == set()
