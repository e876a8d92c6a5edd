"""The examples fit the project that they are part of."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping

import pytest
import yaml

from tests.unit.stacks import ROOT
from toolchain import dev_stack

APP = ROOT / "examples" / "app-stack"
lane: Callable[[Mapping[str, str] | None, str, str], str] = runpy.run_path(str(APP / "imported.py"))["lane"]
ROUTES = {"worker": "direct", "grafana": "transaction"}


def test_the_lane_is_that_of_the_service() -> None:
    assert lane(ROUTES, "grafana", "organization/pgbouncer/prod") == "transaction"


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="service: ") as refused:
        lane(ROUTES, "grafna", "organization/pgbouncer/prod")
    assert str(refused.value) == (
        "service: grafna is not a service of organization/pgbouncer/prod; it has grafana, worker"
    )


def test_a_stack_that_is_not_up_is_named_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="pooler_stack: ") as refused:
        lane(None, "grafana", "organization/pgbouncer/prod")
    assert str(refused.value) == (
        "pooler_stack: organization/pgbouncer/prod has no outputs; run `pulumi up` there first, or correct the name"
    )


def test_the_app_stack_takes_the_versions_of_the_project() -> None:
    pinned = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert set((APP / "requirements.txt").read_text(encoding="utf-8").split()) <= set(pinned)


def test_the_app_stack_of_the_throwaway_stack_is_on_its_network() -> None:
    config = yaml.safe_load((APP / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    assert config["app-stack:network"] == dev_stack.DATABASE.network


def test_compose_joins_the_network_of_the_throwaway_stack_unless_told_otherwise() -> None:
    text = (ROOT / "examples" / "compose" / "compose.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["networks"]["database"]["name"] == (
        f"${{NETWORK:-{dev_stack.DATABASE.network}}}"
    )
