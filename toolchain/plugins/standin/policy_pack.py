"""Policy packs for the engine: their process, and the server between it and the engine.

A pack of the Python SDK reads the stack's configuration from environment variables at its start, and the engine
hands that over by a call to the running pack. The official host answers this call itself, starts the pack then, and
passes every other call on; so does this one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import grpc  # type: ignore[import-untyped]  # it ships no types
from google.protobuf import json_format  # type: ignore[import-untyped]  # it ships no types
from pulumi.runtime.proto import analyzer_pb2, language_pb2

Message: TypeAlias = Any
"""A protobuf message; the generated classes ship no usable types."""
_SERVICE = "/pulumirpc.Analyzer/"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_running: set[subprocess.Popen[bytes]] = set()


class PackError(Exception):
    """The pack cannot be started; the text says why and what to do."""


@dataclass(frozen=True)
class Program:
    """A pack as the engine asks for it."""

    folder: Path
    interpreter: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, request: Message) -> Program:
        """From a RunPluginRequest; raises PackError when the pack's environment is not there."""
        folder = Path(request.info.program_directory)
        environment = dict(line.partition("=")[::2] for line in request.env)
        virtualenv = json_format.MessageToDict(request.info.options).get("virtualenv")
        if not virtualenv:
            return cls(folder, Path("python3"), tuple(request.args), environment)
        place = Path(request.info.root_directory) / virtualenv
        interpreter = place / "bin" / "python"
        if not interpreter.exists():
            raise PackError(
                f"the policy pack's environment {place} is not there; "
                "make it with `make policy`, or `python3 -m venv` and `pip install -r requirements.txt`"
            )
        environment |= {
            "VIRTUAL_ENV": str(place),
            "PATH": f"{interpreter.parent}{os.pathsep}{environment.get('PATH', '')}",
        }
        return cls(folder, interpreter, tuple(request.args), environment)

    def start(self, configuration: Message | None) -> subprocess.Popen[bytes]:
        """Starts the SDK's own runner. In this process's group, which the engine ends as a whole."""
        return subprocess.Popen(
            [
                str(self.interpreter),
                "-u",
                "-m",
                "pulumi.policy",
                *self.arguments,
                str(self.folder),
            ],
            cwd=self.folder,
            env={**stack_variables(configuration), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def stack_variables(configuration: Message | None) -> dict[str, str]:
    """What the SDK reads at its start: stack, project and the decrypted configuration."""
    if configuration is None:
        return {}
    variables = {
        "PULUMI_ORGANIZATION": configuration.organization,
        "PULUMI_PROJECT": configuration.project,
        "PULUMI_STACK": configuration.stack,
        "PULUMI_DRY_RUN": "true" if configuration.dry_run else "false",
        "PULUMI_CONFIG": json.dumps(dict(configuration.config)),
    }
    return {name: value for name, value in variables.items() if value}


class Pack(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Answers the engine; the first call that needs the pack starts it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Any = None
        self._output: queue.Queue[Message | None] = queue.Queue()

    def service(self, details: Any) -> Any:
        """Every method of the Analyzer service, as bytes: what the pack can do is between it and the engine."""
        if not details.method.startswith(_SERVICE):
            return None
        method = details.method.removeprefix(_SERVICE)

        def answer(request: bytes, context: Any) -> bytes:
            if method == "Handshake":
                return b""
            configuration = (
                analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request)
                if method == "ConfigureStack"
                else None
            )
            try:
                return self._passed_on(details.method, request, configuration)
            except PackError as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(answer)

    def serve(self, context: Any) -> Iterator[Message]:
        """The stream of RunPlugin: this server's port, then what the pack prints, until the engine hangs up."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=_UNLIMITED)
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        context.add_callback(lambda: self._output.put(None))
        try:
            yield language_pb2.RunPluginResponse(stdout=f"{port}\n".encode())
            while (message := self._output.get()) is not None:
                yield message
        finally:
            server.stop(0)
            self._stop()

    def _passed_on(self, method: str, request: bytes, configuration: Message | None) -> bytes:
        with self._lock:
            if self._channel is None:
                self._start(configuration)
        answer: bytes = self._channel.unary_unary(method)(request)
        return answer

    def _start(self, configuration: Message | None) -> None:
        self._process = process = self._program.start(configuration)
        _running.add(process)
        assert process.stdout is not None
        assert process.stderr is not None
        self._copy(process.stderr, "stderr")
        said = process.stdout.readline().strip()
        if not said.isdigit():
            raise PackError(f"the policy pack in {self._program.folder} did not start; see what it prints")
        self._copy(process.stdout, "stdout")
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(said)}", options=_UNLIMITED)

    def _copy(self, stream: IO[bytes], name: str) -> None:
        def copy() -> None:
            for line in stream:
                self._output.put(language_pb2.RunPluginResponse(**{name: line}))

        threading.Thread(target=copy, daemon=True).start()

    def _stop(self) -> None:
        if self._process is not None:
            stop([self._process])
            _running.discard(self._process)


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ends packs; they keep nothing that could be lost."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def stop_all() -> None:
    """For the end of this host, when no engine is there any more to hang up."""
    stop(list(_running))
