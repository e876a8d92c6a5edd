"""The configuration that the views read, as `pulumi config --json --show-secrets` prints it."""

from __future__ import annotations

import json

import pytest

from toolchain.problem import Problem
from toolchain.stack import Stack
from views.sample import settings_of

CONFIG = {
    "network": "app_net",
    "database": "app",
    "admin_password": "correct horse",
    "image": "team/pgbouncer:1.26.1",
    "services": json.dumps({"web": {"route": "transaction"}}),
}


def said(monkeypatch: pytest.MonkeyPatch, **changes: str) -> str:
    """What a view says of stack `mine` with this configuration."""
    shown = {f"pgbouncer:{key}": {"value": value} for key, value in (CONFIG | changes).items()}
    monkeypatch.setattr(Stack, "pulumi", lambda *_: json.dumps(shown))
    with pytest.raises(Problem) as problem:
        settings_of(Stack("mine"))
    return str(problem.value)


def test_an_edited_configuration_that_no_pooler_can_have_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert said(monkeypatch, services=json.dumps({"web": {"route": "pool"}})) == (
        "the configuration of stack mine cannot be used:\n"
        'services.web.route: "pool" is not known; use direct, transaction or session'
    )


def test_pools_that_do_not_fit_are_one_clear_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    services = json.dumps({"web": {"route": "transaction", "pool_size": 30}})
    assert said(monkeypatch, services=services) == (
        "the configuration of stack mine cannot be used:\n"
        "services.web.pool_size: 30 is more than max_backends (25); "
        "lower it, or raise max_backends within max_connections"
    )
