"""ZooKeeper's client protocol on a bare socket: for what no client library lets itself be made to do."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

TIMEOUT_S = 10


def frame(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def text(value: str) -> bytes:
    return struct.pack(">i", len(value.encode())) + value.encode()


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def reply(connection: socket.socket) -> bytes:
    """The next frame, without its length."""
    connection.settimeout(TIMEOUT_S)
    return exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])


class RawClient:
    """One connection, with a new session or with one that lives already. Leaving the block cuts it without a word."""

    def __init__(
        self, port: int, session_id: int = 0, password: bytes = bytes(16), timeout_ms: int = 10_000, host: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self.socket.sendall(frame(struct.pack(">iqiqi16s?", 0, 0, timeout_ms, session_id, 16, password, False)))
        answer = reply(self.socket)
        _, self.timeout_ms, self.session_id = struct.unpack_from(">iiq", answer)
        self._xid = 0

    def ask(self, op: int, body: bytes) -> tuple[int, bytes]:
        """(error code, response record) of one request; events that come before it are skipped."""
        return self.answer(self.send(op, body))

    def send(self, op: int, body: bytes) -> int:
        """Sends a request; returns its number."""
        self._xid += 1
        self.socket.sendall(frame(struct.pack(">ii", self._xid, op) + body))
        return self._xid

    def answer(self, number: int) -> tuple[int, bytes]:
        """(error code, response record) of the request of that number; what comes before it is skipped."""
        while True:
            answer = reply(self.socket)
            xid, _, error = struct.unpack_from(">iqi", answer)
            if xid == number:
                return error, answer[16:]

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()
