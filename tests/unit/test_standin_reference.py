"""The stand-in plugins are held against what the official plugins did: tests/reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from standin.checking import check
from standin.diff import differences
from standin.docker_container import Container
from standin.docker_container_state import shown
from standin.docker_engine import Engine
from standin.docker_network import Network
from standin.docker_volume import Volume
from standin.postgres_function import Function
from standin.postgres_grant import Grant
from standin.postgres_grant_role import GrantRole
from standin.postgres_role import Role
from standin.postgres_schema import Schema
from standin.postgres_server import Server, ServerConfig
from standin.random_types import RandomBytes, RandomPassword
from standin.resource import Cancellation, ResourceType
from standin.schema import Property
from standin.values import Secret, Value, without_internal_keys

REFERENCE = Path(__file__).resolve().parent.parent / "reference"
STATES: list[dict[str, Any]] = json.loads((REFERENCE / "official-plugin-state.json").read_text())
SEMANTICS: dict[str, dict[str, Any]] = json.loads((REFERENCE / "resource-change-semantics.json").read_text())

SAMPLES: dict[str, Any] = {"string": "x", "integer": 7, "number": 7, "boolean": True}


def _types() -> dict[str, ResourceType]:
    engine, server, cancellation = Engine("unix:///nowhere"), Server(ServerConfig()), Cancellation()
    kinds: list[ResourceType] = [
        Container(engine, cancellation),
        Volume(engine, cancellation),
        Network(engine, cancellation),
        Role(server),
        Schema(server),
        Function(server),
        Grant(server),
        GrantRole(server),
        RandomPassword(),
        RandomBytes(),
    ]
    return {kind.urn_type: kind for kind in kinds}


TYPES = _types()
IMPLEMENTED = sorted(TYPES)
CONTAINERS = [
    pytest.param(state, id=state["name"])
    for state in STATES
    if state["type"] == "docker:index/container:Container"
]
REAL = [pytest.param(state, id=state["name"]) for state in STATES]


def _revealed(value: Value) -> Value:
    """The recorded values, with a stand-in text for each secret that was cut out."""
    if isinstance(value, dict):
        if value == {"<secret>": True}:
            return "cut out"
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list) else value


def _recorded(state: dict[str, Any], part: str) -> dict[str, Any]:
    values: dict[str, Any] = _revealed(state[part])
    for key in ("uploads", "labels"):
        if values.get(key) == "cut out":
            values[key] = (
                [{"file": "/f", "content": "x"}] if key == "uploads" else [{"label": "l", "value": "x"}]
            )
    return values


def _sample(wanted: Property) -> Value:
    if wanted.kind in ("list", "set"):
        return [_sample(wanted.item or Property("string"))]
    if wanted.kind == "map":
        return {"key": "x"}
    if wanted.kind == "object":
        return {name: _sample(field) for name, field in wanted.fields.items()}
    return SAMPLES[wanted.kind]


@pytest.mark.parametrize("token", IMPLEMENTED)
def test_the_inputs_are_exactly_those_of_the_official_type(token: str) -> None:
    official = SEMANTICS[token]
    assert sorted(TYPES[token].properties) == sorted(
        official["changing_these_replaces"] + official["changing_these_updates"]
    )


@pytest.mark.parametrize("token", IMPLEMENTED)
def test_a_change_replaces_exactly_where_the_official_plugin_replaces(token: str) -> None:
    replacing = sorted(key for key, wanted in TYPES[token].properties.items() if wanted.replaces)
    assert replacing == sorted(SEMANTICS[token]["changing_these_replaces"])


@pytest.mark.parametrize("token", IMPLEMENTED)
def test_the_required_inputs_are_those_of_the_official_type(token: str) -> None:
    required = sorted(key for key, wanted in TYPES[token].properties.items() if wanted.required)
    assert required == sorted(SEMANTICS[token]["required"])


@pytest.mark.parametrize("token", IMPLEMENTED)
def test_every_changed_input_is_seen_as_a_difference(token: str) -> None:
    properties = TYPES[token].properties
    unseen = [
        key
        for key, wanted in properties.items()
        if not differences(properties, {}, {}, {key: _sample(wanted)})
    ]
    kept = {
        key for key in properties if properties[key].unset_means is True or properties[key].default is True
    }
    assert set(unseen) <= kept


def test_a_container_is_deleted_before_its_replacement_is_made() -> None:
    assert Container.deletes_before_replace


@pytest.mark.parametrize("state", REAL)
def test_inputs_of_an_official_state_pass_the_check_unchanged(state: dict[str, Any]) -> None:
    kind = TYPES[state["type"]]
    inputs = _recorded(state, "inputs")
    checked, _ = check(kind.urn_type, kind.properties, inputs)
    assert not differences(kind.properties, inputs, {}, checked)


@pytest.mark.parametrize("state", REAL)
def test_inputs_of_an_official_state_are_not_refused(state: dict[str, Any]) -> None:
    kind = TYPES[state["type"]]
    assert check(kind.urn_type, kind.properties, _recorded(state, "inputs"))[1] == []


@pytest.mark.parametrize(
    "state",
    [each for each in REAL if each.id not in ("probe",)],  # the probe has a limit without a swap limit
)
def test_an_official_state_previews_as_unchanged(state: dict[str, Any]) -> None:
    inputs = _recorded(state, "inputs")
    outputs = _recorded(state, "outputs")
    assert differences(TYPES[state["type"]].properties, inputs, outputs, inputs) == []


def test_a_memory_limit_without_a_swap_limit_shows_a_difference_at_every_preview() -> None:
    probe = next(state for state in STATES if state["name"] == "probe")
    found = differences(Container.properties, probe["inputs"], probe["outputs"], probe["inputs"])
    assert [each.path for each in found] == ["memorySwap"]


@pytest.mark.parametrize("state", CONTAINERS)
def test_defaults_of_a_container_are_those_of_the_official_plugin(state: dict[str, Any]) -> None:
    given = {"image": "example/pgbouncer:1.26.1"}
    checked, _ = check(Container.urn_type, Container.properties, given)
    defaults = {key: value for key, value in without_internal_keys(checked).items() if key not in given}
    # Where the recorded program gave a value of its own, it differs from the default on purpose.
    own = {"mustRun", "networkMode", "restart"}
    recorded = state["inputs"]
    assert {key: recorded[key] for key in defaults if key not in own} == {
        key: value for key, value in defaults.items() if key not in own
    }


@pytest.mark.parametrize("state", CONTAINERS)
def test_the_outputs_of_a_container_have_the_official_names(state: dict[str, Any]) -> None:
    inspected: dict[str, Any] = {
        "Id": "abc",
        "Name": "/x",
        "Image": "sha256:abc",
        "State": {"Running": False, "ExitCode": 0},
        "Config": {"Image": "x"},
        "HostConfig": {"LogConfig": {"Type": "json-file"}, "RestartPolicy": {}},
        "NetworkSettings": {},
    }
    outputs = shown(inspected, {"mustRun": False}, {})
    assert sorted([*outputs, "id"]) == sorted(state["outputs"])


@pytest.mark.parametrize(
    ("inputs", "state_name"),
    [({"length": 48, "special": False, "keepers": {"rotation": "2"}}, "auth"), ({"length": 16}, "salt")],
)
def test_a_generated_value_has_the_official_outputs(inputs: dict[str, Any], state_name: str) -> None:
    state = next(each for each in STATES if each["name"] == state_name)
    made = TYPES[state["type"]].create(inputs)
    plain = {key: value for key, value in made.outputs.items() if not isinstance(value, Secret)}
    recorded = {
        key: value for key, value in state["outputs"].items() if value != {"<secret>": True} and key != "id"
    }
    assert plain == recorded


@pytest.mark.parametrize(("kind", "length"), [(RandomPassword(), 20), (RandomBytes(), 16)])
def test_a_generated_value_marks_the_official_secrets(kind: ResourceType, length: int) -> None:
    made = kind.create({"length": length})
    secret = sorted(key for key, value in made.outputs.items() if isinstance(value, Secret))
    assert secret == sorted(SEMANTICS[kind.urn_type]["secret_outputs"])
