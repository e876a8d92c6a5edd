"""The gRPC side of a plugin: one servicer for all resource types."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import NoReturn

import grpc  # type: ignore[import-untyped]  # it ships no types
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]  # it ships no types
from typing_extensions import override

from .checking import autoname, check, is_autonamed, note_default, strip_defaults_key
from .diff import Difference, differences, same
from .lifetime import engine_address, wait_for_the_end
from .messages import Message, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from .resource import Cancellation, IncompleteError, PluginError, ResourceType
from .values import UNKNOWN, JsonObject, from_wire, holds_unknown, is_unknown, to_wire

# The engine runs up to four resources per core at once, and a waiting container holds its thread.
_THREADS = 128
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Plugin(ABC):
    """What differs between plugins: their name, their configuration and their resource types."""

    name: str
    version: str

    def __init__(self, cancellation: Cancellation) -> None:
        self.cancellation = cancellation
        self.types: Mapping[str, ResourceType] = {}

    @abstractmethod
    def check_config(self, config: JsonObject) -> list[tuple[str, str]]:
        """Refused configuration keys and the reason for each."""

    @abstractmethod
    def configure(self, config: JsonObject) -> None:
        """Takes over the configuration and makes the resource types."""


class Servicer(provider_pb2_grpc.ResourceProviderServicer):  # type: ignore[misc]  # no types
    """Answers the engine for one plugin."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    @override
    def Handshake(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Says what the plugin understands."""
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    @override
    def GetPluginInfo(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Says which version this stands in for."""
        return plugin_pb2.PluginInfo(version=self._plugin.version)

    @override
    def CheckConfig(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Refuses configuration that the stand-in does not implement."""
        news = from_wire(request.news)
        known = {key: value for key, value in news.items() if value is not None and not key.startswith("__")}
        failures = [
            provider_pb2.CheckFailure(property=key, reason=reason)
            for key, reason in self._plugin.check_config(known)
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @override
    def DiffConfig(self, request: Message, context: grpc.ServicerContext) -> Message:
        """No configuration change replaces a provider."""
        old, new = from_wire(request.old_inputs), from_wire(request.news)
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        answer = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=answer, diffs=changed)

    @override
    def Configure(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Takes over the configuration."""
        with _errors_shown(context):
            config = {key: value for key, value in from_wire(request.args).items() if value is not None}
            self._plugin.configure(config)
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    @override
    def Check(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Completes and judges the inputs of a resource."""
        with _errors_shown(context):
            kind = self._type(request.urn)
            news, olds = from_wire(request.news), from_wire(request.olds)
            inputs, failures = check(kind.urn_type, kind.properties, news)
            if kind.autonamed and "name" not in inputs and "name" in kind.properties:
                name = _resource_name(request.urn)
                proposed = request.autonaming.proposed_name if request.HasField("autonaming") else ""
                old = olds.get("name")
                inputs["name"] = old if old else autoname(name, request.randomSeed, proposed)
                note_default(inputs, "name")
            reasons = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures]
            if not failures and (complaint := kind.complaint(inputs)):
                reasons.append(provider_pb2.CheckFailure(reason=complaint))
            if not kind.keeps_defaults_key:
                inputs = strip_defaults_key(inputs)
            return provider_pb2.CheckResponse(inputs=to_wire(inputs), failures=reasons)
        raise AssertionError("unreachable")

    @override
    def Diff(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Says what changed and whether that replaces the resource."""
        with _errors_shown(context):
            kind = self._type(request.urn)
            old_inputs, news = from_wire(request.old_inputs), from_wire(request.news)
            found = differences(kind.properties, old_inputs, from_wire(request.olds), news)
            replaces = sorted({each.property for each in found if each.replaces})
            keeps_name = (
                "name" in kind.properties
                and news.get("name") == old_inputs.get("name")
                and not is_autonamed(_resource_name(request.urn), news.get("name"))
            )
            some = provider_pb2.DiffResponse.DIFF_SOME
            return provider_pb2.DiffResponse(
                changes=some if found else provider_pb2.DiffResponse.DIFF_NONE,
                diffs=sorted({each.property for each in found}),
                replaces=replaces,
                deleteBeforeReplace=bool(replaces) and (kind.deletes_before_replace or keeps_name),
                hasDetailedDiff=True,
                detailedDiff={each.path: _wire_difference(each, kind, old_inputs, news) for each in found},
            )
        raise AssertionError("unreachable")

    @override
    def Create(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Creates a resource, or tells what a preview can know of it."""
        with _errors_shown(context):
            kind = self._type(request.urn)
            inputs = from_wire(request.properties)
            if request.preview:
                return provider_pb2.CreateResponse(properties=to_wire(_previewed(kind, inputs, {})))
            _refuse_unknowns(kind, inputs)
            live = kind.create(inputs)
            return provider_pb2.CreateResponse(id=live.identity, properties=to_wire(live.outputs))
        raise AssertionError("unreachable")

    @override
    def Read(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Refreshes a resource, or imports it if the engine has no inputs of it yet."""
        with _errors_shown(context):
            kind = self._type(request.urn)
            inputs, outputs = from_wire(request.inputs), from_wire(request.properties)
            importing = not inputs and not outputs
            if importing and not kind.importable:
                raise PluginError(
                    f"{kind.urn_type} cannot be imported: the official plugin cannot import it either"
                )
            live = kind.read(request.id, inputs, outputs)
            if live is None:
                return provider_pb2.ReadResponse()
            read = live.inputs if importing else kind.refreshed_inputs(inputs, live)
            return provider_pb2.ReadResponse(
                id=live.identity, properties=to_wire(live.outputs), inputs=to_wire(read)
            )
        raise AssertionError("unreachable")

    @override
    def Update(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Changes a resource in place."""
        with _errors_shown(context):
            kind = self._type(request.urn)
            olds, news = from_wire(request.olds), from_wire(request.news)
            if request.preview:
                return provider_pb2.UpdateResponse(properties=to_wire(_previewed(kind, news, olds)))
            _refuse_unknowns(kind, news)
            live = kind.update(request.id, from_wire(request.old_inputs), olds, news)
            return provider_pb2.UpdateResponse(properties=to_wire(live.outputs))
        raise AssertionError("unreachable")

    @override
    def Delete(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Deletes a resource."""
        with _errors_shown(context):
            self._type(request.urn).delete(request.id, from_wire(request.properties))
        return empty_pb2.Empty()

    @override
    def Cancel(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Ends waits."""
        self._plugin.cancellation.set()
        return empty_pb2.Empty()

    @override
    def Invoke(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Functions are not implemented: previews must not depend on look-ups."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"the stand-in does not implement the function {request.tok}"
        )

    @override
    def GetMapping(self, request: Message, context: grpc.ServicerContext) -> Message:
        """There is no Terraform mapping."""
        return provider_pb2.GetMappingResponse()

    def _type(self, urn: str) -> ResourceType:
        token = urn.split("::", 3)[2].rsplit("$", 1)[-1]
        kind = self._plugin.types.get(token)
        if kind is None:
            raise PluginError(f"the stand-in for the {self._plugin.name} plugin does not implement {token}")
        return kind


class _errors_shown:  # noqa: N801  # reads as the statement that it is: with _errors_shown(context)
    """Turns failures into the plain text that the engine shows."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IncompleteError):
            _abort_with_resource(self._context, error)
        if isinstance(error, PluginError):
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _abort_with_resource(context: grpc.ServicerContext, error: IncompleteError) -> NoReturn:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.identity, properties=to_wire(error.outputs), reasons=[str(error)]
        )
    )
    code: int = grpc.StatusCode.UNKNOWN.value[0]
    status = status_pb2.Status(code=code, message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise AssertionError("unreachable")


def _previewed(kind: ResourceType, inputs: JsonObject, olds: JsonObject) -> JsonObject:
    """The outputs that a preview promises."""
    known = {key: value for key, value in inputs.items() if not key.startswith("__")}
    unknown = {key: UNKNOWN for key in kind.computed if key not in known}
    return {**unknown, **olds, **known}


def _refuse_unknowns(kind: ResourceType, inputs: JsonObject) -> None:
    for key, value in inputs.items():
        if is_unknown(value) or holds_unknown(value):
            raise PluginError(f"{kind.urn_type}: {key!r} is still unknown")


def _wire_difference(
    each: Difference, kind: ResourceType, old_inputs: JsonObject, news: JsonObject
) -> Message:
    names = {"add": "ADD", "delete": "DELETE", "update": "UPDATE"}
    code = provider_pb2.PropertyDiff.Kind.Value(names[each.change] + ("_REPLACE" if each.replaces else ""))
    old, new = old_inputs.get(each.property), news.get(each.property)
    # Equal inputs: the old value that differs is then in the outputs, and the engine shows it from there.
    return provider_pb2.PropertyDiff(kind=code, inputDiff=not same(kind.properties[each.property], old, new))


def _resource_name(urn: str) -> str:
    return urn.split("::", 3)[3]


def serve(make_plugin: Callable[[Cancellation], Plugin]) -> None:
    """Serves the plugin until the engine ends it; prints the port and nothing else."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(make_plugin(Cancellation())), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    wait_for_the_end(engine_address())
    # Not sys.exit: a thread that still waits for Docker or Postgres must not keep the process.
    os._exit(0)
