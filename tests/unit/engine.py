"""A Pulumi engine for tests: it creates nothing, records every registration and answers like the plugins."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import SETTINGS, get_root_resource, set_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
ROLE = "postgresql:index/role:Role"
GRANT = "postgresql:index/grant:Grant"
GRANT_ROLE = "postgresql:index/grantRole:GrantRole"

GENERATED_PASSWORD = "generated-password-of-48-characters"
GENERATED_SALT = "AAECAwQFBgcICQoLDA0ODw=="  # the bytes 0 to 15


@dataclass(frozen=True)
class Registration:
    """One resource as the engine is asked to create it."""

    typ: str
    name: str
    inputs: Mapping[str, Any]
    secret_inputs: frozenset[str]
    """Inputs that are secret or have something secret in them."""
    depends_on: frozenset[str]
    """Names of the resources that have to be there before."""
    parent: str
    provider: str
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    before_create: tuple[str, ...]
    """Names of the hooks that run before creation."""


@dataclass
class Engine(mocks.Mocks):
    """`exit_codes`: job → exit code, 0 for all others; `logs`: job → what it printed."""

    exit_codes: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    registered: dict[str, Registration] = field(default_factory=dict)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program looks something up: {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, object]]:
        state = dict(args.inputs)
        if args.typ == "random:index/randomPassword:RandomPassword":
            state["result"] = rpc.wrap_rpc_secret(GENERATED_PASSWORD)
        if args.typ == "random:index/randomBytes:RandomBytes":
            state["base64"] = rpc.wrap_rpc_secret(GENERATED_SALT)
        if args.typ == VOLUME:
            state["name"] = f"{args.name}-0a1b2c3"
        if args.typ == CONTAINER and args.inputs.get("attach"):
            state["exitCode"] = self.exit_codes.get(args.name, 0)
            state["containerLogs"] = self.logs.get(args.name, "")
        return f"{args.name}-id", state

    def of_type(self, typ: str) -> set[str]:
        """Names of all resources of a type."""
        return {name for name, found in self.registered.items() if found.typ == typ}


class _RecordingMonitor(mocks.MockMonitor):
    """The SDK's own mock hands options to nobody; tests of gates and secrets need them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.engine = engine

    def RegisterResource(self, request: Any) -> object:  # noqa: N802, ANN401 name and types are the SDK's
        inputs = rpc.deserialize_properties(request.object)
        if request.type != "pulumi:pulumi:Stack":
            self.engine.registered[request.name] = Registration(
                typ=request.type,
                name=request.name,
                inputs={key: _plain(value) for key, value in inputs.items()},
                secret_inputs=frozenset(key for key, value in inputs.items() if _has_secret(value)),
                depends_on=frozenset(_name(urn) for urn in request.dependencies),
                parent=_name(request.parent),
                provider=_name(request.provider.rsplit("::", 1)[0]),
                delete_before_replace=request.deleteBeforeReplace,
                replace_on_changes=tuple(request.replaceOnChanges),
                before_create=tuple(request.hooks.before_create),
            )
        answer: object = super().RegisterResource(request)  # type: ignore[no-untyped-call] # the SDK's mocks have no types
        return answer


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _plain(value: object) -> object:
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _has_secret(value: object) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_secret(part) for part in parts)


@dataclass(frozen=True)
class Exported:
    """A stack output, awaited."""

    value: Any
    secret: bool


def run(engine: Engine, program: Callable[[], object], *, preview: bool = False) -> dict[str, Exported]:
    """Run a program to its end on `engine` as stack `prod` of project `pgbouncer`; gives the stack's outputs."""
    # a copied context: the SDK keeps stack, configuration and settings in context variables
    return contextvars.copy_context().run(_run, engine, program, preview)


def _run(engine: Engine, program: Callable[[], object], preview: bool) -> dict[str, Exported]:
    set_root_resource(None)  # type: ignore[arg-type] # no stack yet
    mocks.set_mocks(
        engine, project="pgbouncer", stack="prod", preview=preview, monitor=_RecordingMonitor(engine)
    )
    # what a failed run before left behind, as pulumi.runtime.test does
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    found: dict[str, Exported] = {}

    async def whole() -> None:
        program()
        for name, value in cast(Stack, get_root_resource()).outputs.items():
            output = pulumi.Output.from_input(value)
            found[name] = Exported(await output.future(), await output.is_secret())

    # The run raises it once; every output that hangs on it would say it again when it is collected.
    asyncio.get_event_loop().set_exception_handler(_all_but_run_errors)
    _sync_await(run_pulumi_func(whole))
    return found


def _all_but_run_errors(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), pulumi.RunError):
        loop.default_exception_handler(context)
