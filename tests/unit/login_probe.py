"""A port that reads what a driver sends at login, and then refuses it: the real driver's own reading of a DSN."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from types import TracebackType
from typing import Self

_NO_ENCRYPTION = b"N"
_CLEARTEXT_PASSWORD = b"R" + struct.pack("!ii", 8, 3)
_FATAL = b"SFATAL\0C28P01\0Mread\0\0"
_REFUSAL = b"E" + struct.pack("!i", 4 + len(_FATAL)) + _FATAL
_ENCRYPTION_REQUESTS = (80877103, 80877104)  # TLS, GSSAPI


@dataclass
class LoginProbe:
    """Speaks the first messages of Postgres' protocol on a port of this host; keeps the last login."""

    startup: dict[str, str] = field(default_factory=dict)
    """Parameters of the startup message: user, database, and whatever else the driver sent to the server."""
    password: str | None = None

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            # pgx leaves after a refused TLS and comes back on a connection of its own without.
            with client, client.makefile("rb") as received, suppress(struct.error):
                self._login(client, received)

    def _login(self, client: socket.socket, received: BufferedReader) -> None:
        length, code = struct.unpack("!ii", received.read(8))
        while code in _ENCRYPTION_REQUESTS:
            client.sendall(_NO_ENCRYPTION)
            length, code = struct.unpack("!ii", received.read(8))
        words = received.read(length - 8).decode().split("\0")
        self.startup = dict(zip(words[:-2:2], words[1:-2:2], strict=True))
        client.sendall(_CLEARTEXT_PASSWORD)
        _, length = struct.unpack("!ci", received.read(5))
        self.password = received.read(length - 4).decode().rstrip("\0")
        client.sendall(_REFUSAL)
