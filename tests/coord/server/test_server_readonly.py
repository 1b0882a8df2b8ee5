"""A server without a quorum: it serves reads to those who want them from such a server, and nothing else."""

from __future__ import annotations

import trio
import trio.testing

from coord.server.readonly import serve_alone
from coord.tree.sessions import password_of
from coord.wire.codes import OpCode
from coord.wire.jute import Reader
from coord.wire.records import ConnectRequest, ConnectResponse, SyncRequest
from coord.zab.application import Role
from tests.coord.server.harness import FakeClient, Rig, create, framed, get, on_trio, set_data


def alone() -> Rig:
    """It has served before, and looks for a leader now."""
    rig = Rig(Role.LEADING, words=("*",))
    client = rig.client()
    client.ask(1, *create("/a", b"1"))
    rig.settle()
    rig.replication.become(Role.LOOKING)
    rig.pipeline.serve_reads()
    return rig


def hello(rig: Rig, *, read_only: bool = True, session_id: int = 0) -> FakeClient:
    client = rig.connect()
    client.feed(framed(ConnectRequest(0, 0, 10_000, session_id, password_of(session_id), read_only)))
    return client


def welcome(client: FakeClient) -> ConnectResponse:
    return ConnectResponse.read(Reader(client.take()[4:]))


def word(rig: Rig, name: bytes) -> str:
    client = rig.connect()
    client.feed(name)
    return client.take().decode()


@on_trio
def test_reads_are_answered_and_the_rest_refused() -> None:
    """In order; the session is local and costs nobody anything."""
    rig = alone()
    client = hello(rig)
    response = welcome(client)
    assert response.read_only
    assert response.session_id in rig.pipeline.locals
    client.ask(1, *get("/a", watch=True))
    client.ask(2, *set_data("/a", b"2"))
    client.ask(3, OpCode.SYNC, SyncRequest("/a"))
    client.ask(4, OpCode.MULTI)
    client.ask(5, *get("/a"))
    client.ask(6, OpCode.PING)
    client.ask(7, OpCode.CLOSE_SESSION)
    rig.turn()
    assert [(xid, err) for xid, _, err, _ in client.replies()] == [
        (1, 0), (2, -119), (3, -119), (4, -119), (5, 0), (6, 0), (7, 0),
    ]  # fmt: skip
    assert client.transport.closed
    assert rig.replication.forwarded == rig.replication.proposed == []
    assert rig.pipeline.outstanding == len(rig.pipeline.locals) == 0


@on_trio
def test_only_clients_that_say_so() -> None:
    """The others have to find a server that writes."""
    assert hello(alone(), read_only=False).transport.closed
    rig = Rig(Role.LOOKING)
    assert hello(rig).transport.closed, "it has not begun to serve reads"
    client = hello(Rig(Role.LEADING))
    assert not client.transport.closed
    assert not client.take(), "an ordinary session, by the leader"


@on_trio
def test_sessions_that_it_knows_may_come() -> None:
    """Those of its state, and its own; it cannot ask anybody about others. It can close none that is not its own."""
    rig = alone()
    known = next(iter(rig.pipeline.tree.sessions))
    client = hello(rig, session_id=known)
    assert welcome(client).session_id == known
    client.ask(1, OpCode.CLOSE_SESSION)
    rig.turn()
    assert [(xid, err) for xid, _, err, _ in client.replies()] == [(1, -119)]
    assert known in rig.pipeline.tree.sessions
    own = welcome(hello(rig)).session_id
    assert welcome(hello(rig, session_id=own)).session_id == own
    assert welcome(hello(rig, session_id=99)).session_id == 0


@on_trio
def test_it_ends_with_a_quorum() -> None:
    """Every client has to connect anew, and its read-only session is nobody's any more."""
    rig = alone()
    client = hello(rig)
    session_id = welcome(client).session_id
    rig.replication.become(Role.LEADING)
    assert client.transport.closed
    assert not rig.pipeline.read_only
    assert session_id not in rig.pipeline.locals
    assert welcome(hello(rig, session_id=session_id)).session_id == 0


@on_trio
def test_a_state_that_is_taken_back_ends_the_connections() -> None:
    """Else a client would see the tree go back."""
    rig = alone()
    client = hello(rig)
    welcome(client)
    cut = rig.state.freeze()
    assert cut is not None
    restoration = rig.pipeline.restore()
    for chunk in cut.chunks():
        restoration.feed(memoryview(chunk))
    cut.close()
    restoration.install(cut.zxid)
    assert client.transport.closed


@on_trio
def test_the_words_say_so() -> None:
    """Clients look for another server by isro."""
    rig = alone()
    assert word(rig, b"isro") == "ro"
    assert "Mode: read-only\n" in word(rig, b"srvr")
    assert "zk_server_state\tread-only\n" in word(rig, b"mntr")
    rig.replication.become(Role.STANDALONE)
    assert word(rig, b"isro") == "rw"
    rig.replication.become(Role.LOOKING)
    assert word(rig, b"isro") == "null"


@on_trio
def test_isro_is_answered_wherever_the_mode_is_allowed() -> None:
    """Without being in the whitelist."""
    assert word(Rig(Role.STANDALONE, read_only_enabled=True), b"isro") == "rw"
    assert "not in the whitelist" in word(Rig(Role.STANDALONE), b"isro")


def test_it_begins_after_two_seconds_or_a_tick() -> None:
    """Not while there is a quorum; and again when it is lost."""

    async def main() -> None:
        for tick_ms, patience in ((500, 2.0), (5000, 5.0)):
            rig = Rig(Role.FOLLOWING)
            rig.pipeline.since = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_alone, rig.pipeline, tick_ms)
                await trio.sleep(10)
                assert not rig.pipeline.read_only
                for _ in range(2):
                    rig.replication.become(Role.LOOKING)
                    await trio.sleep(patience - 0.1)
                    assert not rig.pipeline.read_only
                    await trio.sleep(0.4)
                    assert rig.pipeline.read_only
                    rig.replication.become(Role.FOLLOWING)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
