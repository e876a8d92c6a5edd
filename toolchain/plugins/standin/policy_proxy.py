"""The server between the engine and a policy pack.

A pack of the Python SDK reads the stack's configuration from environment variables at its start, and the engine
hands that over by a call to the running pack. The official host answers this call itself, starts the pack then, and
passes every other call on; so does this one.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import IO, Any, TypeAlias

import grpc  # type: ignore[import-untyped]  # it ships no types
from pulumi.runtime.proto import analyzer_pb2, language_pb2

from .policy_pack import PackError, Program, stop

Message: TypeAlias = Any
"""A protobuf message or something of grpc's; neither ships usable types."""
_SERVICE = "/pulumirpc.Analyzer/"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Proxy(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Answers the engine; the first call that needs the pack starts it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Any = None
        self._output: queue.Queue[Message | None] = queue.Queue()

    def service(self, details: Message) -> Message:
        """Every method of the Analyzer service, as bytes: what the pack can do is between it and the engine."""
        if not details.method.startswith(_SERVICE):
            return None
        method = details.method.removeprefix(_SERVICE)

        def answer(request: bytes, context: Message) -> bytes:
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

    def serve(self, context: Message) -> Iterator[Message]:
        """The stream of RunPlugin: this server's port, then what the pack prints, until the engine hangs up."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=_UNLIMITED)
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        if not context.add_callback(lambda: self._output.put(None)):
            self._output.put(None)  # it has hung up already
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
        assert process.stdout is not None
        assert process.stderr is not None
        self._copy(process.stderr, lambda line: language_pb2.RunPluginResponse(stderr=line))
        said = process.stdout.readline().strip()
        if not said.isdigit():
            raise PackError(f"the policy pack in {self._program.folder} did not start; see what it prints")
        self._copy(process.stdout, lambda line: language_pb2.RunPluginResponse(stdout=line))
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(said)}", options=_UNLIMITED)

    def _copy(self, stream: IO[bytes], response: Callable[[bytes], Message]) -> None:
        def copy() -> None:
            for line in stream:
                self._output.put(response(line))

        threading.Thread(target=copy, daemon=True).start()

    def _stop(self) -> None:
        if self._process is not None:
            stop([self._process])
