"""The sans-IO session: every input in every state, and the rules of its docstring one by one."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coord.client.calls import (
    Call,
    Credentials,
    Event,
    Fired,
    Reply,
    StateChanged,
    Watch,
    WatchRemoval,
    encode,
)
from coord.client.failures import ClientLimitError
from coord.client.protocol import OUTSTANDING_BYTES_MAX, OUTSTANDING_MAX, PING_INTERVAL_MAX, Session
from coord.client.states import FINAL, MOVES, Move, State
from coord.client.watches import Kind, WatchEvent
from coord.errors import (
    AuthFailedError,
    BadVersionError,
    ConnectionLossError,
    NoNodeError,
    SessionExpiredError,
)
from coord.wire.jute import Reader, Writer
from coord.wire.ops import (
    AUTH_XID,
    NOTIFICATION_XID,
    PING_XID,
    SET_WATCHES_XID,
    EventType,
    KeeperState,
    OpCode,
)
from coord.wire.records import ConnectRequest, ConnectResponse, SetWatches, SetWatches2, WatcherEvent
from coord.wire.requests import Record

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


# The handshake


def test_handshake_of_a_new_session() -> None:
    """A new session asks with id 0 and zeroes, and takes id, password and timeout from the answer."""
    session = new_session(read_only=True)
    session.connected(5.0)
    asked = ConnectRequest.read(Reader(session.data_to_send(5.0)[4:]))
    assert asked == ConnectRequest(0, 0, 6000, 0, bytes(16), True)
    assert session.deadline() == 5.0 + HANDSHAKE
    session.receive(welcome(timeout=40.0), 5.5)
    assert states(session.events()) == [State.CONNECTED]
    assert (session.session_id, session.password, session.timeout) == (SESSION_ID, PASSWORD, 40.0)


def test_handshake_that_re_attaches() -> None:
    """The second connection brings the id, the password, the negotiated timeout and the last zxid seen."""
    session = connected_session()
    session.submit(get())
    session.receive(reply(1, zxid=77), 0.0)
    session.disconnected(1.0, "gone")
    session.connected(2.0)
    asked = ConnectRequest.read(Reader(session.data_to_send(2.0)[4:]))
    assert asked == ConnectRequest(0, 77, 6000, SESSION_ID, PASSWORD, False)


def test_resumed_session() -> None:
    """Credentials of a living session are used from the first connection."""
    session = new_session(resume=Credentials(SESSION_ID, PASSWORD))
    session.connected(0.0)
    asked = ConnectRequest.read(Reader(session.data_to_send(0.0)[4:]))
    assert (asked.session_id, asked.password) == (SESSION_ID, PASSWORD)
    session.receive(REFUSAL, 0.0)
    assert session.state is State.EXPIRED


def test_old_servers_omit_the_read_only_field() -> None:
    """A connect response of 36 bytes is a server before 3.4."""
    session = new_session()
    session.connected(0.0)
    session.receive(frame(encode(ConnectResponse(0, 4000, 7, PASSWORD, None))), 0.0)
    assert session.state is State.CONNECTED
    assert not session.server_read_only


def test_handshake_without_an_answer() -> None:
    """A server that accepts and stays silent is given up in time; the session may try another."""
    session = new_session()
    session.connected(0.0)
    session.timer(HANDSHAKE - 0.1)
    assert session.linked
    session.timer(HANDSHAKE)
    assert not session.linked
    assert session.state is State.CONNECTING
    assert "handshake" in session.reason or session.deadline() == inf


# Requests and replies


def test_requests_of_a_moment_leave_in_one_piece() -> None:
    """A burst is one send; xids count up."""
    session = connected_session()
    calls = [get(f"/{i}") for i in range(5)]
    for call in calls:
        session.submit(call)
    assert [(xid, op) for xid, op, _ in sent(session)] == [(i, OpCode.GET_DATA) for i in range(1, 6)]
    session.receive(b"".join(reply(i) for i in range(1, 6)), 0.0)
    assert replies(session.events()) == [(call, 0) for call in calls]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_bytes_may_be_cut_anywhere(size: int) -> None:
    """Frames arrive in pieces of any size."""
    session = new_session()
    session.connected(0.0)
    call = get()
    session.submit(call)
    stream = welcome() + event(EventType.NODE_CREATED, "/x") + reply(1, 5, 0, b"body" * 50)
    for start in range(0, len(stream), size):
        session.receive(stream[start : start + size], 0.0)
    ended = [e for e in session.events() if isinstance(e, Reply)]
    assert [(e.call, bytes(e.body)) for e in ended] == [(call, b"body" * 50)]
    assert session.last_zxid == 5


def test_errors_are_handed_on() -> None:
    """A reply with an error ends the call with its code."""
    session = connected_session()
    call = get()
    session.submit(call)
    session.receive(reply(1, 1, BadVersionError.code), 0.0)
    assert replies(session.events()) == [(call, BadVersionError.code)]


@pytest.mark.parametrize(
    "bad",
    [
        reply(2),
        reply(0),
        reply(PING_XID),
        reply(AUTH_XID),
        reply(SET_WATCHES_XID),
        frame(b"short"),
        frame(b""),
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        reply(NOTIFICATION_XID, -1, 0, b"\0\0"),
        reply(NOTIFICATION_XID, -1, 0, encode(WatcherEvent(99, 3, "/x"))),
    ],
)
def test_a_server_that_breaks_the_protocol_loses_the_connection(bad: bytes) -> None:
    """Out of order, unasked, unreadable or too long: the connection goes, the call's outcome is unknown."""
    session = connected_session()
    call = get()
    session.submit(call)
    session.receive(bad, 0.0)
    assert not session.linked
    events = session.events()
    assert states(events) == [State.SUSPENDED]
    assert replies(events) == [(call, ConnectionLossError.code)]
    session.receive(reply(1), 0.0)
    assert session.events() == []


def test_sent_requests_are_lost_and_waiting_ones_wait() -> None:
    """What was sent has an unknown outcome; what was not goes to the next server."""
    session = connected_session()
    before, after = get("/before"), get("/after")
    session.submit(before)
    session.disconnected(1.0, "gone")
    session.submit(after)
    assert replies(session.events()) == [(before, ConnectionLossError.code)]
    session.connected(1.5)
    session.disconnected(1.6, "refused")
    assert [op for _, op, _ in reconnect(session, 2.0)] == [OpCode.GET_DATA]
    session.receive(reply(2), 2.0)
    assert replies(session.events()) == [(after, 0)]


def test_forgotten_calls() -> None:
    """A withdrawn call is not sent if it was not yet, and leaves no watch if it was."""
    session = connected_session()
    call = get(watcher="w")
    session.submit(call)
    session.forget(call)
    session.receive(reply(1), 0.0)
    assert session.watches.count == 0
    session.disconnected(0.0, "gone")
    waiting = get()
    session.submit(waiting)
    session.forget(waiting)
    assert session.unfinished == 0
    assert reconnect(session) == []


def test_xids_wrap() -> None:
    """After 2^31 - 1 comes 1: negative xids mean other things."""
    session = connected_session()
    session._xid = 2**31 - 2
    for _ in range(2):
        session.submit(get())
    assert [xid for xid, _, _ in sent(session)] == [2**31 - 1, 1]


def test_a_silent_server_costs_bounded_memory() -> None:
    """`full` turns true at the limit of requests and at that of bytes, and false again with the replies."""
    session = connected_session()
    for number in range(OUTSTANDING_MAX):
        assert not session.full, number
        session.submit(Call(OpCode.GET_DATA, b"x"))
    assert session.full
    session.receive(reply(1), 0.0)
    assert not session.full
    session = connected_session()
    session.submit(Call(OpCode.SET_DATA, bytes(OUTSTANDING_BYTES_MAX)))
    assert session.full
    session.disconnected(0.0, "gone")
    assert not session.full


# Watches


def test_watches_are_set_by_replies() -> None:
    """A read that succeeds sets its watch; exists on a missing node sets an exist watch; a failed read sets none."""
    session = connected_session()
    session.submit(get("/a", "data"))
    session.submit(Call(OpCode.EXISTS, b"", "/b", Watch(Kind.DATA, "/b", "exist")))
    session.submit(get("/c", "none"))
    session.submit(Call(OpCode.GET_CHILDREN, b"", "/a", Watch(Kind.CHILD, "/a", "child")))
    no_node = NoNodeError.code
    session.receive(reply(1) + reply(2, 1, no_node) + reply(3, 1, no_node) + reply(4), 0.0)
    session.events()
    assert session.watches.count == 3
    session.receive(event(EventType.NODE_CREATED, "/b") + event(EventType.NODE_DELETED, "/a"), 0.0)
    assert fired(session.events()) == [
        ("exist", EventType.NODE_CREATED, "/b"),
        ("data", EventType.NODE_DELETED, "/a"),
        ("child", EventType.NODE_DELETED, "/a"),
    ]
    session.receive(event(EventType.NODE_DATA_CHANGED, "/c"), 0.0)
    assert session.events() == []


def test_an_event_comes_before_the_reply_that_shows_the_change() -> None:
    """The order of the wire is the order of the events."""
    session = connected_session()
    session.watches.add(Kind.DATA, "/a", "w")
    call = get()
    session.submit(call)
    session.receive(event(EventType.NODE_DATA_CHANGED, "/a") + reply(1), 0.0)
    assert [type(e) for e in session.events()] == [Fired, Reply]


def test_reconnect_sends_credentials_then_watches_then_requests() -> None:
    """The order matters: watches need the rights, and requests must not see a change before its event."""
    session = connected_session()
    session.add_auth("digest", b"u:p", Call(0))
    session.receive(reply(AUTH_XID, 0), 0.0)
    session.submit(get("/a", "w"))
    session.receive(reply(1, zxid=9), 0.0)
    session.disconnected(0.0, "gone")
    session.submit(get("/b"))
    (auth, watches, request) = reconnect(session)
    assert auth[:2] == (AUTH_XID, OpCode.AUTH)
    assert watches[:2] == (SET_WATCHES_XID, OpCode.SET_WATCHES)
    assert SetWatches.read(Reader(watches[2])) == SetWatches(9, ["/a"], [], [])
    assert request[1] == OpCode.GET_DATA


def test_persistent_watches_need_the_newer_request() -> None:
    """setWatches2 only where it is needed."""
    session = connected_session()
    session.submit(Call(OpCode.ADD_WATCH, b"", "/p", Watch(Kind.PERSISTENT, "/p", "p")))
    session.submit(Call(OpCode.ADD_WATCH, b"", "/r", Watch(Kind.RECURSIVE, "/r", "r")))
    session.receive(reply(1) + reply(2), 0.0)
    session.disconnected(0.0, "gone")
    ((xid, op, body),) = reconnect(session)
    assert (xid, op) == (SET_WATCHES_XID, OpCode.SET_WATCHES2)
    assert SetWatches2.read(Reader(body)) == SetWatches2(1, [], [], [], ["/p"], ["/r"])
    session.receive(reply(SET_WATCHES_XID), 0.0)
    assert session.linked


def test_refused_watches_cost_the_connection() -> None:
    """Better to try another server than to believe in watches that nobody keeps."""
    session = connected_session()
    session.watches.add(Kind.DATA, "/a", "w")
    session.disconnected(0.0, "gone")
    reconnect(session)
    session.receive(reply(SET_WATCHES_XID, 1, -5), 0.0)
    assert session.state is State.SUSPENDED
    assert session.watches.count == 1


def test_removed_watches_are_told() -> None:
    """removeWatches ends the watches of a path, and their watchers hear of it before the reply."""
    session = connected_session()
    session.watches.add(Kind.DATA, "/a", "d")
    session.watches.add(Kind.PERSISTENT, "/a", "p")
    call = Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", 3))
    session.submit(call)
    session.receive(reply(1), 0.0)
    events = session.events()
    assert fired(events) == [
        ("d", EventType.DATA_WATCH_REMOVED, "/a"),
        ("p", EventType.PERSISTENT_WATCH_REMOVED, "/a"),
    ]
    assert replies(events) == [(call, 0)]
    session.watches.add(Kind.DATA, "/a", "d")
    session.submit(Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", 3)))
    session.receive(reply(2, 1, -121), 0.0)
    assert session.watches.count == 1


def test_limits_of_watches_and_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit it is taken, beyond it refused; requests without a watch still pass."""
    monkeypatch.setattr("coord.client.protocol.WATCHES_MAX", 1)
    monkeypatch.setattr("coord.client.protocol.AUTHS_MAX", 1)
    session = connected_session()
    session.submit(get("/a", "w"))
    session.receive(reply(1), 0.0)
    with pytest.raises(ClientLimitError):
        session.submit(get("/b", "w"))
    session.submit(get("/b"))
    session.submit(Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", 3)))
    session.add_auth("digest", b"u:p", Call(0))
    with pytest.raises(ClientLimitError):
        session.add_auth("digest", b"u:p", Call(0))


# Time


def test_pings_when_idle() -> None:
    """A third of the timeout without sending brings a ping; sending puts it off."""
    session = connected_session(0.0)
    assert session.deadline() == TIMEOUT / 3
    session.submit(get())
    session.data_to_send(1.0)
    session.receive(reply(1), 1.5)
    assert session.deadline() == 1.0 + TIMEOUT / 3
    session.timer(3.0)
    assert [(xid, op) for xid, op, _ in sent(session, 3.0)] == [(PING_XID, OpCode.PING)]
    session.receive(reply(PING_XID), 3.1)
    assert session.linked
    assert session.deadline() == 3.0 + TIMEOUT / 3


def test_pings_are_not_rarer_than_ten_seconds() -> None:
    """Long sessions ping every ten seconds, as Java's client does."""
    session = new_session()
    session.connected(0.0)
    session.receive(welcome(timeout=100.0), 0.0)
    assert session.deadline() == PING_INTERVAL_MAX


def test_a_silent_server_is_given_up() -> None:
    """Two thirds of the timeout without a byte: another server gets a chance before the session expires."""
    session = connected_session(0.0)
    session.timer(2.0)
    session.timer(3.99)
    assert session.linked
    session.timer(4.0)
    assert not session.linked
    assert states(session.events()) == [State.SUSPENDED]


def test_expiry_without_a_server() -> None:
    """After four thirds of the timeout the session is over, connecting or not; what waited is told so."""
    session = connected_session(0.0)
    session.watches.add(Kind.DATA, "/a", "w")
    session.disconnected(1.0, "gone")
    waiting = get()
    session.submit(waiting)
    session.connected(7.9)
    assert session.deadline() == 8.0
    session.timer(8.0)
    events = session.events()
    assert states(events) == [State.SUSPENDED, State.EXPIRED]
    assert replies(events) == [(waiting, SessionExpiredError.code)]
    assert [e.event for e in events if isinstance(e, Fired)] == [WatchEvent(EventType.NONE, KeeperState.EXPIRED, "")]
    assert not session.linked
    assert session.deadline() == inf
    with pytest.raises(SessionExpiredError):
        session.submit(get())


def test_expiry_told_by_a_server() -> None:
    """A refused re-attachment ends the session."""
    session = connected_session(0.0)
    session.disconnected(1.0, "gone")
    session.connected(1.5)
    session.receive(REFUSAL, 1.6)
    assert session.state is State.EXPIRED
    assert not session.linked


def test_a_session_not_yet_begun_does_not_expire() -> None:
    """Whoever waits for the first connection may wait for ever: there is nothing that could expire."""
    session = new_session()
    assert session.deadline() == inf
    session.connected(0.0)
    session.disconnected(1.0, "refused")
    session.timer(1000.0)
    assert session.state is State.CONNECTING
    assert session.deadline() == inf


# Credentials and the end


def test_refused_credentials_end_the_session() -> None:
    """AUTH_FAILED is final, and everything asked for ends."""
    session = connected_session()
    auth, call = Call(0), get()
    session.submit(call)
    session.add_auth("digest", b"u:p", auth)
    session.receive(reply(AUTH_XID, 0, AuthFailedError.code), 0.0)
    events = session.events()
    assert states(events) == [State.AUTH_FAILED]
    assert replies(events) == [(call, ConnectionLossError.code), (auth, AuthFailedError.code)]
    with pytest.raises(AuthFailedError):
        session.submit(get())


def test_credentials_outlive_a_lost_connection() -> None:
    """The first answer ends the call, on whatever server; every server gets them."""
    session = new_session()
    auth = Call(0)
    session.add_auth("digest", b"u:p", auth)
    for attempt in range(3):
        assert [op for _, op, _ in reconnect(session)] == [OpCode.AUTH]
        if attempt:
            session.receive(reply(AUTH_XID, 0), 0.0)
        session.disconnected(0.0, "gone")
    assert replies(session.events()) == [(auth, 0)]


def test_close_with_a_server() -> None:
    """closeSession goes behind the requests; its reply ends the session, and later requests are refused at once."""
    session = connected_session()
    call = get()
    session.submit(call)
    session.close()
    session.close()
    assert [op for _, op, _ in sent(session)] == [OpCode.GET_DATA, OpCode.CLOSE_SESSION]
    with pytest.raises(SessionExpiredError):
        session.submit(get())
    session.receive(reply(1) + reply(2), 0.0)
    events = session.events()
    assert replies(events) == [(call, 0)]
    assert states(events) == [State.CLOSED]
    assert not session.linked


def test_close_without_a_server() -> None:
    """There is nobody to ask: closed at once. A connection lost while closing is the end too."""
    session = connected_session()
    session.disconnected(0.0, "gone")
    session.close()
    assert session.state is State.CLOSED
    session = connected_session()
    session.close()
    session.disconnected(0.0, "gone")
    assert session.state is State.CLOSED
    session = connected_session()
    session.abandon("enough")
    assert (session.state, session.linked) == (State.CLOSED, False)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("move", list(Move))
def test_moves_that_are_not_in_the_table_are_mistakes(state: State, move: Move) -> None:
    """The table is the truth; a final state has no way out."""
    session = new_session()
    session.state = state
    if (state, move) in MOVES:
        session._move(move, "test")
        assert session.state is MOVES[state, move]
        assert state not in FINAL
    else:
        with pytest.raises(AssertionError, match=move.name):
            session._move(move, "test")


# Everything in every state


class AnyOrder(RuleBasedStateMachine):
    """A server that answers, lies, goes silent or away, and a user who does anything at any moment."""

    @initialize(resume=st.booleans())
    def begin(self, resume: bool) -> None:
        self.session = new_session(resume=Credentials(SESSION_ID, PASSWORD) if resume else None)
        self.now = 100.0
        self.open_calls: dict[Call, None] = {}
        self.server: deque[tuple[int, int]] = deque()
        self.welcomed = False
        self.watchers = 0

    def drain(self) -> None:
        """What the driver does after every input; checks what comes out."""
        before = self.session.linked
        for each in self.session.events():
            if isinstance(each, Reply):
                assert each.call in self.open_calls, "a call ends once"
                del self.open_calls[each.call]
        data = self.session.data_to_send(self.now)
        if data and not self.welcomed:
            size = int.from_bytes(data[:4], "big")
            assert size == 45
            ConnectRequest.read(Reader(data[4:49]))
            data = data[4 + size :]
        while data:
            size, xid, op = (int.from_bytes(data[i : i + 4], "big", signed=True) for i in (0, 4, 8))
            self.server.append((xid, op))
            data = data[4 + size :]
        if not before:
            self.server.clear()
            self.welcomed = False

    def receive(self, data: bytes, cuts: list[int]) -> None:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        for start, end in pairwise(edges):
            self.session.receive(data[start:end], self.now)
        self.drain()

    cuts = st.lists(st.integers(0, 200), max_size=3)

    @precondition(lambda self: not self.session.linked and self.session.state not in FINAL)
    @rule()
    def connects(self) -> None:
        self.session.connected(self.now)
        self.drain()

    @precondition(lambda self: self.session.linked and not self.welcomed)
    @rule(ok=st.sampled_from([True, True, True, False]), cuts=cuts)
    def server_answers_the_handshake(self, ok: bool, cuts: list[int]) -> None:
        self.welcomed = ok
        self.receive(welcome() if ok else REFUSAL, cuts)

    @precondition(lambda self: self.server)
    @rule(err=st.sampled_from([0, 0, 0, 0, -101, -103]), cuts=cuts, count=st.integers(1, 4))
    def server_replies(self, err: int, cuts: list[int], count: int) -> None:
        data = b""
        while self.server and count:
            xid, _ = self.server.popleft()
            data += reply(xid, 5, err if xid > 0 else 0)
            count -= 1
        self.receive(data, cuts)

    @precondition(lambda self: self.server and self.server[0][0] == AUTH_XID)
    @rule()
    def server_refuses_credentials(self) -> None:
        self.receive(reply(self.server.popleft()[0], 0, AuthFailedError.code), [])

    @rule(kind=st.sampled_from(list(EventType)), path=st.sampled_from(["/", "/a", "/a/b", ""]), cuts=cuts)
    def server_notifies(self, kind: EventType, path: str, cuts: list[int]) -> None:
        self.receive(event(kind, path), cuts)

    @rule(data=st.binary(max_size=40))
    def server_sends_garbage(self, data: bytes) -> None:
        self.receive(data, [])

    @rule(reason=st.just("gone"))
    def connection_breaks(self, reason: str) -> None:
        self.session.disconnected(self.now, reason)
        self.drain()

    @rule(
        op=st.sampled_from([OpCode.GET_DATA, OpCode.EXISTS, OpCode.PING, OpCode.ADD_WATCH, OpCode.DELETE]),
        path=st.sampled_from(["/", "/a", "/a/b"]),
        kind=st.sampled_from([None, *Kind]),
    )
    def user_asks(self, op: OpCode, path: str, kind: Kind | None) -> None:
        self.watchers += 1
        watch = Watch(kind, path, self.watchers % 5) if kind is not None else None
        call = Call(op, b"abc" if op is not OpCode.PING else b"", path, watch)
        self.offer(call, lambda: self.session.submit(call))

    @rule()
    def user_removes_watches(self) -> None:
        call = Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", 3))
        self.offer(call, lambda: self.session.submit(call))

    @rule()
    def user_adds_credentials(self) -> None:
        call = Call(0)
        self.offer(call, lambda: self.session.add_auth("digest", b"u:p", call))

    def offer(self, call: Call, ask: object) -> None:
        assert callable(ask)
        try:
            ask()
        except (SessionExpiredError, AuthFailedError):
            assert self.session.state in FINAL or self.session._closing
        else:
            self.open_calls[call] = None
        self.drain()

    @precondition(lambda self: any(call.op for call in self.open_calls))
    @rule(data=st.data())
    def user_gives_up(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.open_calls if call.op]))
        waited = call in self.session._waiting
        self.session.forget(call)
        if waited:
            del self.open_calls[call]
        self.drain()

    @rule(how=st.sampled_from(["close", "close", "abandon"]))
    @precondition(lambda self: self.now > 103.0)
    def user_closes(self, how: str) -> None:
        if how == "close":
            self.session.close()
        else:
            self.session.abandon("enough")
        self.drain()

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.session.deadline() <= self.now:
            self.session.timer(self.now)
            self.drain()
            assert self.session.deadline() > self.now, "a timer that is due again at once is a busy loop"

    @invariant()
    def nothing_is_inconsistent(self) -> None:
        if not hasattr(self, "session"):
            return
        session = self.session
        if session.state in FINAL:
            assert not session.linked
            assert not self.open_calls, "everything ends with the session"
            assert session.watches.count == 0
            assert session.deadline() == inf
        if session.state is State.CONNECTED:
            assert session.linked
            assert not session._waiting
        if not session.linked:
            assert not session._sent
            assert session.state is not State.CONNECTED
        unfinished = [*session._sent, *session._waiting]
        assert session._unfinished_bytes == sum(len(call.payload) for call in unfinished)
        assert session.watches.count == sum(
            len(watchers) for table in session.watches._tables for watchers in table.values()
        )


TestAnyOrder = AnyOrder.TestCase


def test_records_encode() -> None:
    """`encode` is the record's own bytes."""
    record: Record = SetWatches(1, ["/a"], [], [])
    w = Writer()
    record.write(w)
    assert encode(record) == w.getvalue()
