"""The sans-IO session: watches, events, and what a reconnect sends again."""

from __future__ import annotations

import pytest

from coord.client.calls import Call, Fired, Reply, Watch, WatchRemoval
from coord.client.failures import ClientLimitError
from coord.client.states import State
from coord.client.watches import Kind
from coord.errors import NoNodeError
from coord.wire.jute import Reader
from coord.wire.ops import AUTH_XID, SET_WATCHES_XID, EventType, OpCode, WatcherType
from coord.wire.records import SetWatches, SetWatches2
from tests.coord.client.played import connected_session, event, fired, get, reconnect, replies, reply

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


def test_a_watcher_is_told_once_that_it_is_removed() -> None:
    """Of one path it may have both kinds of lasting watch, and both that data sets: one event for each pair."""
    session = connected_session()
    for kind in Kind:
        session.watches.add(kind, "/a", "w")
    session.submit(Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", WatcherType.ANY)))
    session.receive(reply(1), 0.0)
    assert fired(session.events()) == [
        ("w", EventType.DATA_WATCH_REMOVED, "/a"),
        ("w", EventType.CHILD_WATCH_REMOVED, "/a"),
        ("w", EventType.PERSISTENT_WATCH_REMOVED, "/a"),
    ]
    assert session.watches.count == 0


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
