"""A client that is one TCP socket and nothing else: what happens to the socket happens to it, and it never reconnects.

Frontend/backend protocol 3.0 of PostgreSQL's documentation, chapter "Message Flow": startup, SASL, simple query.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict
from scramp import ScramClient  # type: ignore[import-untyped] # ships no types

SASL, SASL_CONTINUE, SASL_FINAL = 10, 11, 12


class RawClient:
    """Logs in once. Every failure of the socket is an OSError, every ErrorResponse a RuntimeError."""

    def __init__(self, dsn: str) -> None:
        given = conninfo_to_dict(dsn)
        self._socket = socket.create_connection((str(given["hostaddr"]), int(str(given["port"]))), timeout=30)
        self._in = self._socket.makefile("rb")
        startup = "".join(
            f"{key}\0{given[name]}\0" for key, name in (("user", "user"), ("database", "dbname"))
        )
        body = struct.pack("!I", 3 << 16) + startup.encode() + b"\0"
        self._socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self._log_in(str(given["user"]), str(given["password"]))
        self._until_ready()

    def query(self, statement: str) -> list[bytes]:
        """First column of each row, as text."""
        self._send(b"Q", statement.encode() + b"\0")
        return [body[6:] for kind, body in self._until_ready() if kind == b"D"]

    def close(self) -> None:
        self._socket.close()

    def _log_in(self, user: str, password: str) -> None:
        client = ScramClient(["SCRAM-SHA-256"], user, password)
        while True:
            kind, body = self._receive()
            (stage,) = struct.unpack("!I", body[:4])
            assert kind == b"R", (kind, body)
            if stage == SASL:
                first = client.get_client_first().encode()
                self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
            elif stage == SASL_CONTINUE:
                client.set_server_first(body[4:].decode())
                self._send(b"p", client.get_client_final().encode())
            elif stage == SASL_FINAL:
                client.set_server_final(body[4:].decode())
            else:
                return

    def _until_ready(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        while not found or found[-1][0] != b"Z":
            found.append(self._receive())
            if found[-1][0] == b"E":
                raise RuntimeError(found[-1][1].replace(b"\0", b" ").decode())
        return found

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _receive(self) -> tuple[bytes, bytes]:
        header = self._in.read(5)
        if len(header) < 5:
            raise ConnectionResetError("the socket was closed")
        return header[:1], self._in.read(struct.unpack("!I", header[1:])[0] - 4)


@contextmanager
def raw_clients(dsn: str, clients: int) -> Iterator[list[object]]:
    """`clients` sockets that run transactions until the block ends: 1 for each answer, text for what ended a socket."""
    stop, met, threads = threading.Event(), list[object](), list[threading.Thread]()

    def run(client: RawClient) -> None:
        where = "between transactions"
        try:
            while not stop.is_set():
                client.query("BEGIN")
                where = "in a transaction"
                met.append(int(client.query("SELECT 1")[0]))
                client.query("COMMIT")
                where = "between transactions"
                time.sleep(0.005)
        except (OSError, RuntimeError) as ended:
            met.append(f"{where}: {ended}")
        finally:
            client.close()

    for client in [RawClient(dsn) for _ in range(clients)]:
        threads.append(threading.Thread(target=run, args=[client], daemon=True))
        threads[-1].start()
    try:
        yield met
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"
