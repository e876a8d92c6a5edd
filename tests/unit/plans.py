"""Previews as `pulumi preview --json` prints them, shortened (CLI 3.259)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

POOLER = "pgbouncer:pooler:Pooler$docker:index/container:Container"
VERIFICATION = "pgbouncer:verification:Verification$docker:index/container:Container"
LOOKUP = "pgbouncer:auth:AuthLookup$postgresql:index/"


def step(operation: str, kind: str, name: str, *keys: str) -> dict[str, Any]:
    """One step; its states hold a secret, which nobody may read."""
    state = {"inputs": {"password": "sentinel-in-a-step", "uploads": [{"content": "sentinel-in-a-step"}]}}
    return {
        "op": operation,
        "urn": f"urn:pulumi:prod::pgbouncer::{kind}::{name}",
        "provider": "urn:pulumi:prod::pgbouncer::pulumi:providers:docker::engine::1",
        "oldState": state,
        "newState": state,
        "detailedDiff": {key: {"kind": "update", "inputDiff": True} for key in keys},
    }


def document(*steps: dict[str, Any], diagnostics: Sequence[dict[str, Any]] = ()) -> str:
    """The whole document."""
    return json.dumps(
        {
            "config": {"pgbouncer:admin_password": "[secret]"},
            "steps": [step("same", "pulumi:pulumi:Stack", "pgbouncer-prod"), *steps],
            "diagnostics": list(diagnostics),
            "duration": 1,
        }
    )


VERIFY = step("replace", VERIFICATION, "pgbouncer-verify", "command[0]", "uploads[0].content")
"""Comes with nearly every change."""
RELOAD = (
    step("replace", POOLER, "pgbouncer-write", "command[0]", "uploads[0].content"),
    step("replace", POOLER, "pgbouncer-reload", "command[0]"),
    VERIFY,
)
REPLACE = (
    step("replace", POOLER, "pgbouncer-pooler", "memory", "memorySwap"),
    step("replace", POOLER, "pgbouncer-ready", "command[0]"),
    step("replace", POOLER, "pgbouncer-reload", "command[1]"),
    VERIFY,
)
