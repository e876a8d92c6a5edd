"""Diff of the stand-in plugins."""

from __future__ import annotations

from typing import Any

from standin.diff import Difference, differences
from standin.docker_container import Container
from standin.postgres_function import Function
from standin.postgres_role import Role
from standin.random_types import RandomPassword
from standin.values import UNKNOWN


def _container(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    return differences(Container.properties, old, {}, new)


def test_the_place_of_a_change_is_told_exactly() -> None:
    old = {"healthcheck": {"tests": ["CMD", "true"], "interval": "5s"}}
    new = {"healthcheck": {"tests": ["CMD", "false"], "interval": "5s"}}
    assert _container(old, new) == [
        Difference("healthcheck.tests[1]", "update", "healthcheck", replaces=False)
    ]


def test_a_changed_upload_replaces_the_container() -> None:
    old = {"uploads": [{"file": "/f", "content": "one"}]}
    new = {"uploads": [{"file": "/f", "content": "two"}]}
    assert _container(old, new) == [Difference("uploads[0].content", "update", "uploads", replaces=True)]


def test_the_order_of_a_set_does_not_matter() -> None:
    assert _container({"envs": ["A=1", "B=2"]}, {"envs": ["B=2", "A=1"]}) == []


def test_the_order_of_a_set_within_an_object_does_not_matter() -> None:
    old = {"networksAdvanced": [{"name": "edge", "aliases": ["a", "b"]}]}
    new = {"networksAdvanced": [{"name": "edge", "aliases": ["b", "a"]}]}
    assert _container(old, new) == []


def test_the_order_of_a_command_matters() -> None:
    found = _container({"command": ["a", "b"]}, {"command": ["b", "a"]})
    assert [each.path for each in found] == ["command[0]", "command[1]"]


def test_keys_that_plugins_keep_for_themselves_are_no_difference() -> None:
    old = {"image": "x", "__defaults": ["start"], "volumes": [{"containerPath": "/c", "__defaults": []}]}
    assert _container(old, {"image": "x", "volumes": [{"containerPath": "/c"}]}) == []


def test_a_null_means_the_same_as_nothing() -> None:
    assert _container({"hostname": None, "memory": 64}, {"memory": 64}) == []


def test_a_false_that_is_the_default_means_the_same_as_nothing() -> None:
    assert _container({}, {"attach": False}) == []


def test_a_true_that_is_the_default_means_the_same_as_nothing() -> None:
    assert _container({}, {"mustRun": True}) == []


def test_an_unknown_value_may_be_a_change() -> None:
    found = _container({"pidMode": "container:1"}, {"pidMode": UNKNOWN})
    assert found == [Difference("pidMode", "update", "pidMode", replaces=True)]


def test_a_value_that_docker_would_choose_may_be_taken_out_without_a_difference() -> None:
    assert _container({"hostname": "pooler"}, {}) == []


def test_a_removed_limit_is_a_difference() -> None:
    assert [each.change for each in _container({"memory": 64}, {})] == ["delete"]


def test_a_role_that_others_made_a_member_shows_a_difference_once_it_was_read() -> None:
    found = differences(Role.properties, {"name": "svc"}, {"roles": ["readers"]}, {"name": "svc"})
    assert [each.path for each in found] == ["roles"]


def test_an_expiry_that_postgres_writes_differently_shows_a_difference() -> None:
    inputs = {"validUntil": "2027-01-01"}
    found = differences(Role.properties, inputs, {"validUntil": "2027-01-01 00:00:00+00"}, inputs)
    assert [each.path for each in found] == ["validUntil"]


def test_an_argument_type_that_postgres_writes_differently_replaces_the_function() -> None:
    inputs = {"args": [{"name": "i", "type": "int"}]}
    outputs = {"args": [{"name": "i", "type": "integer", "mode": "IN", "default": ""}]}
    assert [each.replaces for each in differences(Function.properties, inputs, outputs, inputs)] == [True]


def test_a_new_keeper_draws_a_new_password() -> None:
    found = differences(RandomPassword.properties, {"keepers": {"r": "1"}}, {}, {"keepers": {"r": "2"}})
    assert found == [Difference("keepers.r", "update", "keepers", replaces=True)]
