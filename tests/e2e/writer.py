"""A client that writes without a pause and remembers every acknowledgement: what must be there whatever happens."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.e2e.raw import exactly, frame, text

CREATE = 1
CLOSE = -11
OPEN = struct.pack(">ii", 1, 31) + text("world") + text("anyone")
NODE_EXISTS = -110
CONNECT_S = 0.5
PAUSE_S = 0.005
Address = tuple[str, int]


class Acknowledged(NamedTuple):
    """One write: when it was sent and answered (seconds of the monotonic clock), its zxid, and who answered."""

    sent: float
    at: float
    path: str
    zxid: int
    address: Address

    @property
    def epoch(self) -> int:
        return self.zxid >> 32


class Writer(threading.Thread):
    """Creates `root`/0, /1, … one after the other through the first of `addresses` that serves, always with one session.

    What was not answered is tried again under its name; that it exists already is an acknowledgement, too.
    """

    def __init__(
        self, addresses: Sequence[Address], root: str, *, patience_s: float = 2.0, session_ms: int = 20_000, pace_s: float = 0.001
    ) -> None:
        """patience_s: how long a reply may take before the next server is tried. pace_s: between two writes."""
        super().__init__(daemon=True)
        self.pace_s = pace_s
        self.addresses, self.root, self.patience_s, self.session_ms = list(addresses), root, patience_s, session_ms
        self.acknowledged: list[Acknowledged] = []
        self.errors: list[int] = []
        """Codes of refusals, of which there must be none."""
        self.sessions = 0
        self._stopping = threading.Event()
        self._session = (0, bytes(16))
        self._turn = 0

    def run(self) -> None:
        number = -1
        while not self._stopping.is_set():
            try:
                with self._connected() as connection:
                    while not self._stopping.is_set():
                        number = self._write(connection, number)
                        time.sleep(self.pace_s)
                    connection.sendall(frame(struct.pack(">ii", 0, CLOSE)))
            except (OSError, EOFError):
                self._turn += 1
                time.sleep(PAUSE_S)

    def finish(self) -> list[Acknowledged]:
        """Stops writing; what was acknowledged."""
        self._stopping.set()
        self.join(20)
        assert not self.is_alive()
        assert not self.errors, f"refused with {self.errors[:5]}"
        return self.acknowledged

    def waits_for(self, more: int, timeout: float = 20.0) -> None:
        """Until so many more writes were acknowledged."""
        goal, deadline = len(self.acknowledged) + more, time.monotonic() + timeout
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline, f"{self.root}: only {len(self.acknowledged)} of {goal} writes were acknowledged"
            time.sleep(0.005)

    def gap(self, since: float) -> float:
        """The longest time between two acknowledgements from `since` on."""
        times = [since, *(each.at for each in self.acknowledged if each.at > since)]
        return max(after - before for before, after in itertools.pairwise(times))

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(self.addresses[self._turn % len(self.addresses)], timeout=CONNECT_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self.patience_s)
            session, password = self._session
            connection.sendall(frame(struct.pack(">iqiqi16s?", 0, 0, self.session_ms, session, 16, password, False)))
            answer = exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])
            _, _, session, _, password = struct.unpack_from(">iiqi16s", answer)
            self.sessions += session != self._session[0]
            self._session = (session, password) if session else (0, bytes(16))
            if not session:
                raise EOFError
        except BaseException:
            connection.close()
            raise
        return connection

    def _write(self, connection: socket.socket, number: int) -> int:
        """Creates one node; returns its number. -1 is the parent of them all."""
        path = self.root if number < 0 else f"{self.root}/{number}"
        sent = time.monotonic()
        body = text(path) + struct.pack(">i", 8) + b"12345678" + OPEN + struct.pack(">i", 0)
        connection.sendall(frame(struct.pack(">ii", number + 2, CREATE) + body))
        answer = exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])
        _, zxid, error = struct.unpack_from(">iqi", answer)
        if error in (0, NODE_EXISTS):
            address = self.addresses[self._turn % len(self.addresses)]
            self.acknowledged.append(Acknowledged(sent, time.monotonic(), path, zxid, address))
        else:
            self.errors.append(error)
        return number + 1
