"""A server played by the test against the sans-IO session: frames both ways, and what the session tells."""

from __future__ import annotations

from coord.client.calls import Call, Event, Fired, Reply, StateChanged, Watch, encode
from coord.client.protocol import Session
from coord.client.states import State
from coord.client.watches import Kind
from coord.wire.jute import Reader, Writer
from coord.wire.ops import NOTIFICATION_XID, EventType, KeeperState, OpCode
from coord.wire.records import ConnectResponse, WatcherEvent

PASSWORD = bytes(range(16))
SESSION_ID = 0x100000000000001
TIMEOUT = 6.0
HANDSHAKE = 2.0


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def reply(xid: int, zxid: int = 1, err: int = 0, body: bytes = b"") -> bytes:
    w = Writer()
    w.int(xid)
    w.long(zxid)
    w.int(err)
    return frame(w.getvalue() + body)


def event(kind: EventType, path: str) -> bytes:
    record = WatcherEvent(kind, KeeperState.SYNC_CONNECTED, path)
    return reply(NOTIFICATION_XID, -1, 0, encode(record))


def welcome(session_id: int = SESSION_ID, timeout: float = TIMEOUT) -> bytes:
    return frame(encode(ConnectResponse(0, round(timeout * 1000), session_id, PASSWORD, False)))


REFUSAL = frame(encode(ConnectResponse(0, 0, 0, bytes(16), False)))


def sent(session: Session, now: float = 0.0) -> list[tuple[int, int, bytes]]:
    """What the session wants to send, as (xid, operation, record)."""
    data = session.data_to_send(now)
    requests = []
    while data:
        size = int.from_bytes(data[:4], "big")
        r = Reader(data[4 : 4 + size])
        requests.append((r.int(), r.int(), bytes(data[12 : 4 + size])))
        data = data[4 + size :]
    return requests


def new_session(**options: object) -> Session:
    return Session(timeout=TIMEOUT, handshake_timeout=HANDSHAKE, **options)  # type: ignore[arg-type]


def connected_session(now: float = 0.0, **options: object) -> Session:
    session = new_session(**options)
    reconnect(session, now)
    session.data_to_send(now)
    session.events()
    return session


def reconnect(session: Session, now: float = 0.0) -> list[tuple[int, int, bytes]]:
    """Connects to a server that welcomes the session; returns what is sent after the handshake."""
    session.connected(now)
    session.data_to_send(now)
    session.receive(welcome(session.session_id or SESSION_ID), now)
    return sent(session, now)


def replies(events: list[Event]) -> list[tuple[Call, int]]:
    return [(e.call, e.err) for e in events if isinstance(e, Reply)]


def states(events: list[Event]) -> list[State]:
    return [e.state for e in events if isinstance(e, StateChanged)]


def fired(events: list[Event]) -> list[tuple[object, EventType, str]]:
    return [(e.watcher, e.event.type, e.event.path) for e in events if isinstance(e, Fired)]


def get(path: str = "/a", watcher: str | None = None) -> Call:
    return Call(OpCode.GET_DATA, b"x", path, Watch(Kind.DATA, path, watcher) if watcher else None)
