"""A client's connection: the handshake, the order of replies, and everything a client should not do."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from coord.kit.framing import LENGTH
from coord.server.connection import QUEUED_MAX, REPLIES_MAX
from coord.tree.acl import digest_id
from coord.tree.sessions import password_of
from coord.wire.codes import AUTH_XID, OpCode
from coord.wire.data import ACL
from coord.wire.jute import Writer
from coord.wire.records import AuthPacket, ConnectRequest, CreateRequest, GetChildrenRequest, SetWatches
from coord.zab.application import Role
from tests.coord.server.harness import Rig, create, framed, get, on_trio, request, set_data

# ---- handshake -------------------------------------------------------------------------------------------------------


@on_trio
def test_a_new_session_waits_for_its_transaction() -> None:
    """Nothing is answered, and nothing more is read, before createSession is committed."""
    rig = Rig()
    client = rig.connect()
    client.hello()
    rig.turn()
    assert client.take() == b""
    assert client.transport.paused
    rig.replication.commit()
    response = client.read_hello()

    assert not client.transport.paused
    assert (response.timeout_ms, response.password) == (10_000, password_of(response.session_id))
    assert rig.pipeline.tree.sessions == {response.session_id: 10_000}


@on_trio
@pytest.mark.parametrize(("asked", "given_ms"), [(1, 4000), (10_000, 10_000), (10**6, 40_000)])
def test_timeouts_are_kept_within_bounds(asked: int, given_ms: int) -> None:
    """The negotiated timeout lies between minSessionTimeout and maxSessionTimeout."""
    rig = Rig()
    client = rig.connect()
    client.hello(timeout_ms=asked)
    rig.settle()
    assert client.read_hello().timeout_ms == given_ms


@on_trio
@pytest.mark.parametrize(("flag", "size"), [(None, 36), (False, 37), (True, 37)])
def test_an_old_client_gets_no_read_only_flag(flag: bool | None, size: int) -> None:
    """The reply has the flag when the request has it."""
    rig = Rig()
    client = rig.connect()
    client.feed(framed(ConnectRequest(0, 0, 10_000, 0, bytes(16), flag)))
    rig.settle()
    assert len(client.take()) == 4 + size


@on_trio
@pytest.mark.parametrize("known", [False, True])
def test_a_session_that_is_unknown_or_badly_proved_is_rejected(known: bool) -> None:
    """Zeros, and the connection is closed."""
    rig = Rig()
    session_id = rig.client().session_id if known else 0x1234
    client = rig.connect()
    client.hello(session_id, bytes(16) if known else password_of(session_id))
    rig.settle()
    response = client.read_hello()
    assert (response.timeout_ms, response.session_id, response.password) == (0, 0, bytes(16))
    assert client.transport.closed


@on_trio
def test_a_server_that_does_not_serve_answers_nothing() -> None:
    """A minority neither opens sessions nor answers reads."""
    client = Rig(Role.LOOKING).connect()
    client.hello()
    assert client.transport.closed
    assert client.take() == b""


@on_trio
def test_a_client_that_has_seen_more_is_sent_away() -> None:
    """It must find a server that is not behind what it has seen."""
    rig = Rig()
    client = rig.connect()
    client.hello(seen=rig.pipeline.last_zxid + 1)
    assert client.transport.closed
    assert client.take() == b""


@on_trio
@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", LENGTH.pack(-1), LENGTH.pack(5000), LENGTH.pack(3) + b"abc"])
def test_a_first_frame_that_is_no_handshake_closes(first: bytes) -> None:
    """Neither a word nor a ConnectRequest."""
    client = Rig().connect()
    client.feed(first)
    assert client.transport.closed


@on_trio
def test_reconnecting_here_replaces_the_old_connection() -> None:
    """The old connection is closed, the session goes on, its watches are the client's to set again."""
    rig = Rig()
    old = rig.client()
    new = rig.connect()
    new.hello(old.session_id, old.password, 8000)
    assert old.transport.reason == "the client has connected again"
    response = new.read_hello()
    assert (response.session_id, response.timeout_ms) == (old.session_id, 8000)
    old.gone()
    new.ask(1, *create("/a"))
    rig.settle()
    assert new.xids() == [1]


@on_trio
def test_replies_to_the_old_connection_are_not_taken_for_the_new_ones() -> None:
    """Both connections count from 1; what was under way on the old one goes nowhere."""
    rig = Rig()
    old = rig.client()
    old.ask(1, *create("/old"))
    rig.turn()
    new = rig.connect()
    new.hello(old.session_id, old.password)
    old.gone()
    new.ask(1, *create("/new"))
    rig.turn()
    new.read_hello()
    rig.replication.commit(1)
    assert new.replies() == []
    rig.replication.commit(1)
    assert [(xid, body[4:]) for xid, _, _, body in new.replies()] == [(1, b"/new")]


@on_trio
def test_a_client_that_left_before_its_session_stood_leaves_nothing() -> None:
    """The session exists and expires later; nothing of the connection stays."""
    rig = Rig()
    client = rig.connect()
    client.hello()
    rig.turn()
    client.gone()
    rig.replication.commit()
    assert rig.pipeline.sessions == {}
    assert rig.clients.connections == {}
    assert rig.pipeline.outstanding == 0


# ---- order -----------------------------------------------------------------------------------------------------------


@on_trio
def test_reads_wait_for_the_sessions_earlier_writes() -> None:
    """Replies come in the order of the requests, and a read sees the write before it; other sessions do not wait."""
    rig = Rig()
    one, other = rig.client(), rig.client()
    for xid, (op, record) in enumerate([create("/a", b"1"), get("/a"), set_data("/a", b"2"), get("/a")], 1):
        one.ask(xid, op, record)
    one.ask(-2, OpCode.PING)
    other.ask(1, *get("/a"))
    assert [(xid, err) for xid, _, err, _ in other.replies()] == [(1, -101)]
    rig.turn()
    assert one.replies() == []
    rig.replication.commit(1)
    first = one.replies()
    assert [reply[0] for reply in first] == [1, 2]
    assert first[1][3][4:5] == b"1"
    rig.replication.commit(1)
    second = one.replies()
    assert [reply[0] for reply in second] == [3, 4, -2]
    assert second[1][3][4:5] == b"2"
    assert rig.pipeline.outstanding == 0


@on_trio
def test_what_arrives_together_is_proposed_together_and_answered_together() -> None:
    """One proposal batch for all writes of a wake-up, one write to the socket for all reads of a receive."""
    rig = Rig()
    one, other = rig.client(), rig.client()
    proposals = rig.replication.proposals
    one.feed(b"".join(request(n, *create(f"/a{n}")) for n in range(3)))
    other.feed(b"".join(request(n, *create(f"/b{n}")) for n in range(3)))
    rig.turn()
    assert rig.replication.proposals == proposals + 1
    assert len(rig.replication.proposed) == 6
    rig.replication.commit()
    one.take()
    one.feed(b"".join(request(n, *get("/a0")) for n in range(REPLIES_MAX)))
    assert len(one.transport.writes) == 1
    assert one.xids() == list(range(REPLIES_MAX))


@on_trio
def test_an_event_comes_before_the_reply_that_shows_the_change() -> None:
    """Also for the client that makes the change itself."""
    rig = Rig()
    one, other = rig.client(), rig.client()
    one.ask(1, *create("/a"))
    rig.settle()
    one.take()
    for client in (one, other):
        client.ask(2, *get("/a", watch=True))
        client.take()
    one.ask(3, *set_data("/a", b"x"))
    rig.settle()
    assert one.xids() == [-1, 3]
    assert other.replies()[0][1:3] == (-1, 0)
    one.ask(4, *set_data("/a", b"y"))
    rig.settle()
    assert (one.xids(), other.xids()) == ([4], [])


@on_trio
def test_set_watches_tells_what_was_missed_before_it_answers() -> None:
    """Events first, then the reply with xid -8."""
    rig = Rig()
    client = rig.client()
    client.ask(1, *create("/a"))
    rig.settle()
    client.take()
    client.ask(-8, OpCode.SET_WATCHES, SetWatches(0, ["/a", "/none"], [], []))
    assert client.xids() == [-1, -1, -8]


@on_trio
@given(st.data())
def test_requests_cut_anywhere_give_the_same_replies(data: st.DataObject) -> None:
    """The cuts of the stream do not matter."""
    stream = b"".join(
        request(n, *(create(f"/n{n}", b"d" * n) if n % 3 == 0 else get(f"/n{n - n % 3}"))) for n in range(12)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    rig = Rig()
    client = rig.client()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        client.feed(stream[start:end])
        rig.settle()
    assert [(xid, err) for xid, _, err, _ in client.replies()] == [(n, 0) for n in range(12)]


# ---- closing ---------------------------------------------------------------------------------------------------------


@on_trio
def test_close_session_is_answered_and_takes_the_ephemerals() -> None:
    """The reply, then the end of the connection; what was sent behind it is not looked at."""
    rig = Rig()
    client = rig.client()
    client.ask(1, *create("/e", flags=1))
    client.feed(request(2, OpCode.CLOSE_SESSION) + request(3, *create("/late")))
    rig.settle()
    assert client.xids() == [1, 2]
    assert client.transport.closed
    assert "/e" not in rig.pipeline.tree.nodes
    assert rig.pipeline.tree.sessions == {}
    client.gone()
    assert rig.pipeline.sessions == {}


@on_trio
@pytest.mark.parametrize("op", [0, -1, -10, 13, 20, 99, 1000])
def test_an_unknown_operation_is_answered_and_closes(op: int) -> None:
    """xid as sent, zxid -1, error -6; a bare check is unknown too, since it would spoil Apache's log."""
    rig = Rig()
    client = rig.client()
    client.feed(request(1, *create("/a")) + request(7, op) + request(8, *get("/a")))
    rig.settle()
    assert [reply[:3] for reply in client.replies()][1:] == [(7, -1, -6)]
    assert client.transport.closed


@on_trio
@pytest.mark.parametrize("op", [OpCode.SASL, OpCode.CREATE_TTL])
def test_an_operation_that_is_not_offered_is_refused(op: OpCode) -> None:
    """Error -6, and the connection lives."""
    rig = Rig()
    client = rig.client()
    client.ask(1, op, CreateRequest("/a", b"", (ACL(31, digest_id(b"a:b")),), 5) if op == OpCode.CREATE_TTL else None)
    rig.settle()
    assert [reply[2] for reply in client.replies()] in ([-6], [-5])
    assert not client.transport.closed


@on_trio
@pytest.mark.parametrize("length", [-1, 7, 1_048_576, 0x7FFFFFFF])
def test_a_frame_that_nobody_may_send_closes(length: int) -> None:
    """What came before it is still answered."""
    rig = Rig()
    client = rig.client()
    client.feed(request(1, *get("/")) + LENGTH.pack(length))
    assert client.xids() == [1]
    assert client.transport.closed
    assert str(length) in client.transport.reason


@on_trio
def test_the_largest_frame_is_taken() -> None:
    """A request of jute.maxbuffer bytes."""
    rig = Rig()
    client = rig.client()
    frame = request(1, *create("/a", b"x" * (1_048_575 - 8 - 4 - 2 - 4 - 27 - 4)))
    assert len(frame) == 4 + 1_048_575
    client.feed(frame)
    rig.settle()
    assert [reply[2] for reply in client.replies()] == [0]


@on_trio
@given(st.binary(max_size=60))
def test_garbage_is_refused_and_harms_nobody(body: bytes) -> None:
    """Any bytes as the body of any request: an answer or a closed connection, and the server goes on."""
    rig = Rig()
    other = rig.client()
    for op in [*OpCode, 50]:
        client = rig.client()
        w = Writer()
        w.int(1)
        w.int(op)
        w.raw(body)
        client.feed(LENGTH.pack(len(w)) + w.getvalue())
        rig.settle()
        assert client.transport.closed or client.replies()
    other.ask(1, *get("/"))
    assert other.xids() == [1]


# ---- identities ------------------------------------------------------------------------------------------------------


@on_trio
def test_a_proved_identity_opens_what_it_owns() -> None:
    """addauth digest; the reply has zxid 0; another connection is refused."""
    rig = Rig()
    owner, stranger = rig.client(), rig.client()
    owner.ask(AUTH_XID, OpCode.AUTH, AuthPacket(0, "digest", b"user:secret"))
    assert owner.replies() == [(AUTH_XID, 0, 0, b"")]
    owner.ask(1, OpCode.CREATE, CreateRequest("/a", b"", (ACL(31, digest_id(b"user:secret")),), 0))
    rig.settle()
    for client, error in ((owner, 0), (stranger, -102)):
        client.take()
        client.ask(2, *get("/a"))
        assert [reply[2] for reply in client.replies()] == [error]
    stranger.ask(3, *set_data("/a", b"x"))
    rig.settle()
    assert [reply[2] for reply in stranger.replies()] == [-102]


@on_trio
def test_a_failed_authentication_is_answered_and_closes() -> None:
    """Error -115."""
    rig = Rig()
    client = rig.client()
    client.ask(AUTH_XID, OpCode.AUTH, AuthPacket(0, "sesame", b"open"))
    assert client.replies() == [(AUTH_XID, 0, -115, b"")]
    assert client.transport.closed
    assert rig.stats.auth_failures == 1


# ---- limits ----------------------------------------------------------------------------------------------------------


@on_trio
def test_too_much_under_way_is_not_read() -> None:
    """globalOutstandingLimit: the connection is paused, and resumed when there is room; nothing is lost."""
    rig = Rig(outstanding_max=3)
    client = rig.client()
    client.feed(b"".join(request(n, *create(f"/a{n}")) for n in range(7)))
    assert client.transport.paused
    assert rig.pipeline.outstanding == 3
    for _ in range(3):
        rig.settle()
        assert not client.transport.paused
        client.feed_again()
    rig.settle()
    assert client.xids() == list(range(7))


@on_trio
def test_a_client_that_does_not_read_is_not_read_either() -> None:
    """Its replies stop at a bound, and go on when it reads."""
    rig = Rig()
    client = rig.client()
    client.ask(1, *create("/a", b"x" * 1_000_000))
    rig.settle()
    client.take()
    client.transport.stuck = True
    client.feed(b"".join(request(n, *get("/a")) for n in range(50)))
    assert client.transport.paused
    assert QUEUED_MAX < client.transport.queued < QUEUED_MAX + 2_000_000
    rig.turn()
    assert client.transport.paused
    client.transport.queued, client.transport.stuck = 0, False
    rig.turn()
    assert not client.transport.paused
    client.feed_again()
    assert client.xids() == list(range(50))


@on_trio
def test_connections_of_one_host_are_bounded() -> None:
    """maxClientCnxns; a closed one makes room."""
    rig = Rig(connections_of_host_max=2)
    first, _second, third = (rig.connect() for _ in range(3))
    assert (first.transport.closed, third.transport.closed) == (False, True)
    assert not rig.connect("10.0.0.2").transport.closed
    third.gone()
    first.gone()
    assert not rig.connect().transport.closed
    assert rig.stats.connections_refused == 1


def test_a_mute_connection_is_closed_in_bounded_time() -> None:
    """Who connects and says nothing goes after 10 s; who has a session after its timeout; who speaks stays."""

    async def main() -> None:
        rig = Rig()
        mute, silent, alive = rig.connect(), rig.client(), rig.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.clients.close_the_silent)
            await trio.sleep(0.25)  # between the ticks
            for second in range(1, 14):
                await trio.sleep(1)
                alive.ask(-2, OpCode.PING)
                assert mute.transport.closed == (second > 10), second
                assert second > 10 or not silent.transport.closed, second
            assert silent.transport.closed
            assert not alive.transport.closed
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_slow_reader_is_not_silent() -> None:
    """What it takes counts as a word, for its pings are not read; who takes nothing goes, with its session."""

    async def main() -> None:
        rig = Rig()
        slow, stuck = rig.client(), rig.client()
        slow.ask(1, *create("/a", b"x" * 1_000_000))
        rig.settle()
        slow.take()
        for client in (slow, stuck):
            client.transport.stuck = True
            client.feed(b"".join(request(n, *get("/a")) for n in range(50)))
            assert client.transport.paused
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.clients.close_the_silent)
            await trio.sleep(0.25)  # between the ticks
            for _ in range(30):
                await trio.sleep(0.5)
                slow.transport.queued -= 1000
                rig.pipeline.take_touched()
            assert stuck.transport.closed
            assert not slow.transport.closed
            slow.transport.queued -= 1000
            await trio.sleep(0.5)
            assert [session_id for session_id, _ in rig.pipeline.take_touched()] == [slow.session_id]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@on_trio
def test_children_of_a_large_folder_are_listed_whole() -> None:
    """A reply larger than the batch threshold leaves at once, in order."""
    rig = Rig()
    client = rig.client()
    for n in range(3000):
        client.ask(n, *create(f"/child-with-a-long-name-{n:06d}"))
    rig.settle()
    client.take()
    client.feed(b"".join(request(n, OpCode.GET_CHILDREN, GetChildrenRequest("/", False)) for n in range(5)))
    assert client.xids() == list(range(5))
