"""A client that does exactly what it is told: no pings, no retries, no courtesy."""

from __future__ import annotations

import socket
from struct import Struct

from coord.wire.jute import Reader, Writer
from coord.wire.records import ConnectRequest, ConnectResponse, Record

HEADER = Struct(">iqi")


class RawClient:
    """A blocking connection. Timeouts of reads are seconds."""

    def __init__(self, port: int, timeout: float = 5.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.session = ConnectResponse(0, 0, 0, b"")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hello(self, timeout_ms: int = 10_000, session_id: int = 0, password: bytes = bytes(16), seen: int = 0) -> ConnectResponse:
        self.send(ConnectRequest(0, seen, timeout_ms, session_id, password))
        self.session = ConnectResponse.read(Reader(self.frame()))
        return self.session

    def send(self, record: Record) -> None:
        w = Writer()
        record.write(w)
        self.socket.sendall(len(w).to_bytes(4, "big") + w.getvalue())

    def request(self, xid: int, op: int, record: Record | None = None, body: bytes = b"") -> None:
        w = Writer()
        w.int(xid)
        w.int(op)
        if record is not None:
            record.write(w)
        w.raw(body)
        self.socket.sendall(len(w).to_bytes(4, "big") + w.getvalue())

    def frame(self) -> bytes:
        """The next frame. Raises EOFError when the server has closed."""
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def reply(self) -> tuple[int, int, int, bytes]:
        """(xid, zxid, error, body)."""
        frame = self.frame()
        return (*HEADER.unpack_from(frame), frame[HEADER.size :])

    def is_closed(self) -> bool:
        """Waits for the server's end; what it still sends is thrown away."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise EOFError
            got += more
        return got
