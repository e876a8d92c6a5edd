"""The stand-in for the Python language host: runs the project's program for the engine."""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import grpc  # type: ignore[import-untyped]  # it ships no types
import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # it ships no types
from pulumi import RunError
from pulumi.automation import _server
from pulumi.runtime import run_in_stack
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from typing_extensions import override

from . import policy_pack, policy_proxy
from .lifetime import engine_address, wait_for_the_end

Message: TypeAlias = Any
"""A protobuf message; the generated classes ship no usable types."""
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# Frames of these files are the machinery around a program, not the program.
_MACHINERY = tuple(
    str(Path(module.__file__ or "").resolve().parent) + os.sep
    for module in (sys.modules[__name__], pulumi, asyncio)
)


class LanguageHost(_server.LanguageServer):
    """Runs `__main__.py` of the project, in this process: resource hooks are called here too."""

    def __init__(self) -> None:
        super().__init__(self._run_program)
        self._folder = Path.cwd()
        self._entry_point = "."

    @override
    def GetPluginInfo(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Says which version this stands in for."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    @override
    def Handshake(self, request: Message, context: grpc.ServicerContext) -> Message:
        """There is nothing to agree on."""
        return language_pb2.LanguageHandshakeResponse()

    @override
    def Run(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Runs the program once."""
        self._folder = Path(request.info.program_directory or request.pwd or ".").resolve()
        self._entry_point = request.info.entry_point or "."
        os.chdir(self._folder)
        sys.argv = [str(self._folder), *request.args]
        result = super().Run(request, context)  # type: ignore[no-untyped-call]  # the SDK has no types here
        # The error is on the user's screen already; without this the engine would say it a second time.
        return language_pb2.RunResponse(bail=True) if result.error else result

    @override
    def RunPlugin(self, request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        """Runs a policy pack in its own environment; the stack's own plugins are programs, not projects."""
        if request.kind != "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"this stand-in runs policy packs only, not a plugin of kind {request.kind}",
            )
        try:
            program = policy_pack.Program.of(request)
        except policy_pack.PackError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        yield from policy_proxy.Proxy(program).serve(context)

    @override
    def InstallDependencies(self, request: Message, context: grpc.ServicerContext) -> Message:
        """The project's own environment runs this host: there is nothing to install."""
        yield language_pb2.InstallDependenciesResponse(
            stdout=b"The dependencies are those of the environment that this host was installed from.\n"
        )

    @override
    def GetProgramDependencies(self, request: Message, context: grpc.ServicerContext) -> Message:
        """The Pulumi packages of this environment."""
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=found.name, version=found.version)
                for found in metadata.distributions()
                if found.name.startswith("pulumi")
            ]
        )

    @override
    def RuntimeOptionsPrompts(self, request: Message, context: grpc.ServicerContext) -> Message:
        """There is nothing to choose."""
        return language_pb2.RuntimeOptionsResponse()

    @override
    def Cancel(self, request: Message, context: grpc.ServicerContext) -> Message:
        """The engine stops waiting by itself."""
        return empty_pb2.Empty()

    def _run_program(self) -> None:
        program = (self._folder / self._entry_point).resolve()
        folder = program if program.is_dir() else program.parent
        sys.path.insert(0, str(folder))
        runpy.run_path(str(program / "__main__.py" if program.is_dir() else program), run_name="__main__")


async def _run_in_stack_with_plain_errors(program: Callable[[], Any]) -> None:
    try:
        await run_in_stack(program)
    except (RunError, grpc.RpcError):
        raise
    except Exception as error:
        raise RunError(_program_traceback(error)) from None


# The SDK's own server shows every exception with all of its frames; a RunError it shows as it is.
_server.run_in_stack = _run_in_stack_with_plain_errors  # type: ignore[attr-defined,assignment]


def _program_traceback(error: Exception) -> str:
    """The error as Python shows it, with the frames of the program only."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*_MACHINERY, "<frozen"))
    ]
    shown = ["Program failed with an unhandled exception:\n", "Traceback (most recent call last):\n"]
    shown += traceback.format_list(frames)
    shown += traceback.format_exception_only(error)
    return "".join(shown)


def main() -> None:
    """Serves until the engine ends the process; prints the port and nothing else."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=_UNLIMITED)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # ^C belongs to the engine: it cancels the update and then ends this process.
    wait_for_the_end(engine_address())
    policy_pack.stop_all()
    os._exit(0)


if __name__ == "__main__":
    main()
