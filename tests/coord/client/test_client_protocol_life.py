"""The sans-IO session: pings, expiry, credentials, and every way to its end."""

from __future__ import annotations

from math import inf

import pytest

from coord.client.calls import Call, Fired
from coord.client.protocol import PING_INTERVAL_MAX
from coord.client.states import FINAL, MOVES, Move, State
from coord.client.watches import Kind, WatchEvent
from coord.errors import AuthFailedError, ConnectionLossError, SessionExpiredError
from coord.wire.ops import AUTH_XID, PING_XID, EventType, KeeperState, OpCode
from tests.coord.client.played import (
    REFUSAL,
    TIMEOUT,
    connected_session,
    get,
    new_session,
    reconnect,
    replies,
    reply,
    sent,
    states,
    welcome,
)

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
    assert (session.state, session.reason) == (State.CLOSED, "closed without a server: the servers will expire the session")
    session = new_session()
    session.close()
    assert (session.state, session.reason) == (State.CLOSED, "no server was reached")
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
