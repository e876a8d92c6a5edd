"""The engine's protobuf messages, without the rest of the Pulumi SDK.

Importing `pulumi` itself takes longer than everything else a plugin does at its start, so the two packages on
the way to the messages are put in place without running them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, TypeAlias


def _load(*names: str) -> list[Any]:
    placed: list[str] = []
    spec = importlib.util.find_spec("pulumi") if "pulumi" not in sys.modules else None
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        for name, place in (("pulumi", folder), ("pulumi.runtime", folder / "runtime")):
            package = types.ModuleType(name)
            package.__path__ = [str(place)]
            sys.modules[name] = package
            placed.append(name)
    try:
        return [importlib.import_module(f"pulumi.runtime.proto.{name}") for name in names]
    finally:
        # Whoever imports `pulumi` later in this process shall get the real one.
        for name in placed:
            del sys.modules[name]


Message: TypeAlias = Any
"""A protobuf message; the generated classes ship no usable types."""
plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2 = _load(
    "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"
)
