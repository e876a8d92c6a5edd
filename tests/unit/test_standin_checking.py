"""Check of the stand-in plugins: refusals, defaults, names."""

from __future__ import annotations

from typing import Any

import pytest
from standin.checking import autoname, check, is_autonamed
from standin.docker_container import Container
from standin.docker_plugin import DockerPlugin
from standin.postgres_plugin import PostgresPlugin
from standin.random_types import RandomPassword
from standin.resource import Cancellation
from standin.values import UNKNOWN


def _checked(inputs: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    values, failures = check(Container.urn_type, Container.properties, {"image": "x", **inputs})
    return values, [failure.reason for failure in failures]


def test_an_unknown_property_is_refused_by_name() -> None:
    assert _checked({"colour": "red"})[1] == ["docker:index/container:Container has no property 'colour'"]


def test_an_unknown_nested_property_is_refused_with_its_path() -> None:
    _, reasons = _checked({"uploads": [{"file": "/f", "contents": "x"}]})
    assert reasons == ["docker:index/container:Container has no property 'uploads[0].contents'"]


def test_an_official_property_that_is_not_implemented_is_refused() -> None:
    _, reasons = _checked({"gpus": "all"})
    assert reasons == ["'gpus' of docker:index/container:Container is not implemented by the stand-in"]


def test_a_missing_required_property_is_refused() -> None:
    _, failures = check(Container.urn_type, Container.properties, {})
    assert [failure.reason for failure in failures] == ["docker:index/container:Container needs 'image'"]


def test_a_value_of_the_wrong_type_is_refused() -> None:
    assert _checked({"memory": "64"})[1] == [
        "'memory' of docker:index/container:Container must be of type integer"
    ]


def test_containers_that_remove_themselves_are_refused() -> None:
    assert len(_checked({"rm": True})[1]) == 1


def test_an_unknown_value_passes_the_check() -> None:
    assert _checked({"pidMode": UNKNOWN})[0]["pidMode"] is UNKNOWN


def test_a_published_port_gets_its_protocol() -> None:
    values, _ = _checked({"ports": [{"internal": 6432}]})
    assert values["ports"][0]["protocol"] == "tcp"


def test_a_health_check_gets_its_start_interval() -> None:
    values, _ = _checked({"healthcheck": {"tests": ["CMD", "true"]}})
    assert values["healthcheck"]["startInterval"] == "0s"


def test_defaulted_keys_are_recorded_for_the_official_plugin() -> None:
    values, _ = _checked({"mustRun": False})
    assert "mustRun" not in values["__defaults"]


def test_a_made_up_name_ends_in_seven_hex_digits() -> None:
    assert is_autonamed("pooler", autoname("pooler", b"seed"))


def test_the_proposed_name_of_the_engine_wins() -> None:
    assert autoname("pooler", b"seed", "pooler-from-policy") == "pooler-from-policy"


def test_two_seeds_give_two_names() -> None:
    assert autoname("pooler", b"one") != autoname("pooler", b"two")


def test_a_given_name_is_not_taken_for_a_made_up_one() -> None:
    assert not is_autonamed("pooler", "pooler-production")


@pytest.mark.parametrize("key", ["registryAuth", "certPath", "context", "sshOpts"])
def test_docker_configuration_that_is_not_implemented_is_refused(key: str) -> None:
    assert [refused for refused, _ in DockerPlugin(Cancellation()).check_config({key: "x"})] == [key]


def test_a_docker_host_of_an_unknown_kind_is_refused() -> None:
    assert [key for key, _ in DockerPlugin(Cancellation()).check_config({"host": "npipe://x"})] == ["host"]


@pytest.mark.parametrize("key", ["expectedVersion", "scheme", "awsRdsIamAuth"])
def test_postgres_configuration_that_is_not_implemented_is_refused(key: str) -> None:
    assert [refused for refused, _ in PostgresPlugin(Cancellation()).check_config({key: "x"})] == [key]


def test_an_ssl_mode_that_the_official_driver_does_not_know_is_refused() -> None:
    assert [key for key, _ in PostgresPlugin(Cancellation()).check_config({"sslmode": "prefer"})] == [
        "sslmode"
    ]


def test_a_password_that_is_shorter_than_its_parts_is_refused() -> None:
    assert RandomPassword().complaint({"length": 3, "minLower": 2, "minUpper": 2}) is not None
