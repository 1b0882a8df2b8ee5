"""The sans-IO session: the handshake, requests, and the rules of its docstring one by one."""

from __future__ import annotations

from math import inf

import pytest

from coord.client.calls import Call, Credentials, Reply, encode
from coord.client.protocol import OUTSTANDING_BYTES_MAX, OUTSTANDING_MAX
from coord.client.states import State
from coord.errors import BadVersionError, ConnectionLossError
from coord.wire.jute import Reader, Writer
from coord.wire.ops import AUTH_XID, NOTIFICATION_XID, PING_XID, SET_WATCHES_XID, EventType, OpCode
from coord.wire.records import ConnectRequest, ConnectResponse, SetWatches, WatcherEvent
from coord.wire.requests import Record
from tests.coord.client.played import (
    HANDSHAKE,
    PASSWORD,
    REFUSAL,
    SESSION_ID,
    connected_session,
    event,
    frame,
    get,
    new_session,
    reconnect,
    replies,
    reply,
    sent,
    states,
    welcome,
)

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


def test_records_encode() -> None:
    """`encode` is the record's own bytes."""
    record: Record = SetWatches(1, ["/a"], [], [])
    w = Writer()
    record.write(w)
    assert encode(record) == w.getvalue()
