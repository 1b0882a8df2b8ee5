"""One server's pipeline and clients without network or peers: transports that remember, replication that commits on demand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from struct import Struct

import trio
import trio.testing

from coord.server.clients import Clients
from coord.server.config import ServerConfig
from coord.server.connection import Connection
from coord.server.pipeline import Pipeline
from coord.server.state import State
from coord.server.stats import Statistics
from coord.server.words import Words
from coord.store.storage import Storage, StorageOptions
from coord.tree.acl import Guard
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.jute import Reader, Writer
from coord.wire.records import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    GetDataRequest,
    Record,
    SetDataRequest,
)
from coord.zab.application import ForwardedRequest, Role, Transaction
from tests.sim.disk import SimDisk

HEAD = Struct(">iqi")


@dataclass(eq=False)
class FakeTransport:
    """`Transport` that keeps what is written. stuck: the other side takes nothing, so everything stays queued."""

    host: str = "10.0.0.1"
    peer: str = "10.0.0.1:5000"
    queued: int = 0
    closed: bool = False
    paused: bool = False
    stuck: bool = False
    reason: str = ""
    writes: list[bytes] = field(default_factory=list)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.writes.append(bytes(data))
            self.queued += len(data) if self.stuck else 0

    def close(self) -> None:
        self.closed = True

    def abort(self, reason: str) -> None:
        self.closed = True
        self.reason = self.reason or reason

    def pause(self, *, until_end: bool = False) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class FakeReplication:
    """`Replication` that remembers what it was asked."""

    def __init__(self, application: Pipeline) -> None:
        self.role = Role.LOOKING
        self.epoch = 1
        self.leader: int | None = None
        self.application = application
        self.proposed: list[Transaction] = []
        self.proposals = 0
        self.forwarded: list[ForwardedRequest] = []
        self.syncs: list[ForwardedRequest] = []
        self.revalidations: list[tuple[int, int]] = []
        self._zxid = 0

    def become(self, role: Role) -> None:
        self.role = role
        self._zxid = max(self._zxid, self.application.last_zxid, self.epoch << 32)
        self.application.became(role, self.epoch)

    def next_zxid(self) -> int:
        self._zxid += 1
        return self._zxid

    def propose(self, batch: list[Transaction]) -> None:
        self.proposals += 1
        self.proposed += batch

    def forward(self, batch: list[ForwardedRequest]) -> None:
        self.forwarded += batch

    def sync(self, request: ForwardedRequest) -> None:
        self.syncs.append(request)

    def revalidate(self, session_id: int, timeout_ms: int) -> None:
        self.revalidations.append((session_id, timeout_ms))

    def commit(self, count: int | None = None) -> list[Transaction]:
        """Delivers the oldest proposals, all by default."""
        batch, self.proposed = self.proposed[:count], self.proposed[count:] if count is not None else []
        if batch:
            self.application.deliver(batch)
        return batch


    def finish_syncs(self) -> None:
        """Answers every sync of this server's clients."""
        count = sum(1 for request in self.syncs if request.learner == 0)
        self.syncs.clear()
        self.application.syncs_done(count)


class FakeWall:
    now = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.now


class Rig:
    """A server. role: what it serves as from the start."""

    def __init__(self, role: Role = Role.LEADING, **settings: object) -> None:
        self.config = ServerConfig(**{"data_dir": "/data", "data_log_dir": "/data", "min_timeout_ms": 4000, "max_timeout_ms": 40_000, **settings})  # type: ignore[arg-type]
        disk = SimDisk(Random(1))
        extended = self.config.extended_types
        self.storage = Storage(disk, "/data", None, Random(1), StorageOptions(extended_types=extended))
        self.stats = Statistics()
        self.state = State(self.storage, extended_types=extended)
        self.pipeline = Pipeline(FakeWall(), self.config, self.state, Guard(), self.stats)
        self.words = Words(self.config, self.pipeline, self.state, self.stats, disk, FakeWall(), 0.0)
        self.clients = Clients(self.config, self.pipeline, self.stats, FakeWall(), self.words.answer)
        self.words.connections = self.clients.connections
        self.replication = FakeReplication(self.pipeline)
        self.pipeline.replication = self.replication
        if role is not Role.LOOKING:
            self.replication.become(role)

    def turn(self) -> None:
        """The end of a wake-up."""
        self.clients.release()
        self.pipeline.wake()

    def settle(self) -> None:
        """Everything that has arrived is decided, committed and applied."""
        self.turn()
        while self.replication.proposed or self.replication.syncs:
            self.replication.commit()
            self.replication.finish_syncs()
            self.turn()

    def connect(self, host: str = "10.0.0.1") -> FakeClient:
        """A connection that has said nothing yet."""
        return FakeClient(self, host)

    def client(self, host: str = "10.0.0.1") -> FakeClient:
        """A connection with a session."""
        client = self.connect(host)
        client.hello()
        self.settle()
        client.read_hello()
        return client


class FakeClient:
    """The other side of one connection."""

    def __init__(self, rig: Rig, host: str) -> None:
        self.rig = rig
        self.transport = FakeTransport(host=host, peer=f"{host}:5000")
        self.connection: Connection = rig.clients.accept(self.transport)
        self.session_id = 0
        self.password = b""
        self.timeout_ms = 0
        self.unread = b""
        self._left = b""

    def feed(self, data: bytes) -> None:
        """Bytes arrive, as the network would hand them out; an exception closes the connection."""
        data = self._left + data
        try:
            used = self.connection.received(memoryview(data))
        except Exception as error:
            self.transport.abort(str(error))
            self.gone()
            return
        self._left = data[used:]

    def feed_again(self) -> None:
        """What `resume` leads to."""
        self.feed(b"")

    def gone(self) -> None:
        """The connection is closed, by whomever."""
        self.transport.closed = True
        self.connection.closed(self.transport.reason or "closed")

    def hello(self, session_id: int = 0, password: bytes = bytes(16), timeout_ms: int = 10_000, seen: int = 0) -> None:
        self.feed(framed(ConnectRequest(0, seen, timeout_ms, session_id, password)))

    def read_hello(self) -> ConnectResponse:
        data = self.take()
        response = ConnectResponse.read(Reader(data[4:]))
        self.unread = data[4 + int.from_bytes(data[:4], "big") :]
        self.session_id, self.password, self.timeout_ms = response.session_id, response.password, response.timeout_ms
        return response

    def ask(self, xid: int, op: int, record: Record | None = None) -> None:
        self.feed(request(xid, op, record))

    def take(self) -> bytes:
        """Everything written since the last call."""
        data = self.unread + b"".join(self.transport.writes)
        self.transport.writes.clear()
        self.unread = b""
        return data

    def replies(self) -> list[tuple[int, int, int, bytes]]:
        """(xid, zxid, error, body) of every reply and event since the last call."""
        data, found = self.take(), []
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append((*HEAD.unpack_from(data, 4), data[20 : 4 + size]))
            data = data[4 + size :]
        return found

    def xids(self) -> list[int]:
        return [reply[0] for reply in self.replies()]


def framed(record: Record) -> bytes:
    w = Writer()
    record.write(w)
    return len(w).to_bytes(4, "big") + w.getvalue()


def request(xid: int, op: int, record: Record | None = None) -> bytes:
    w = Writer()
    w.int(xid)
    w.int(op)
    if record is not None:
        record.write(w)
    return len(w).to_bytes(4, "big") + w.getvalue()


def create(path: str, data: bytes = b"", flags: int = 0) -> tuple[int, CreateRequest]:
    return OpCode.CREATE, CreateRequest(path, data, OPEN_ACL_UNSAFE, flags)


def set_data(path: str, data: bytes, version: int = -1) -> tuple[int, SetDataRequest]:
    return OpCode.SET_DATA, SetDataRequest(path, data, version)


def get(path: str, watch: bool = False) -> tuple[int, GetDataRequest]:
    return OpCode.GET_DATA, GetDataRequest(path, watch)


def on_trio(body: Callable[..., None]) -> Callable[..., None]:
    """Runs a test inside trio, for the pipeline asks it for the time; its clock stands still."""

    @functools.wraps(body)
    def run(*args: object, **kwargs: object) -> None:
        async def main() -> None:
            body(*args, **kwargs)

        trio.run(main, clock=trio.testing.MockClock())

    return run
