"""Sessions that one server alone knows: no transaction makes or ends them, and an ephemeral node needs an upgrade."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from coord.server.localsessions import wants_ephemeral
from coord.tree.sessions import password_of
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.records import CreateRequest, DeleteRequest, MultiRequest, SyncRequest
from coord.wire.txns import ErrorTxn, decode_txn
from coord.zab.application import ForwardedRequest, Role
from tests.coord.server.harness import FakeClient, Rig, create, get, on_trio, set_data
from tests.coord.server.test_server_pipeline import body_of, exchange, learner_of

EPHEMERAL = create("/e", flags=1)
MULTI = (OpCode.MULTI, MultiRequest([(OpCode.CREATE, CreateRequest("/m", b"", OPEN_ACL_UNSAFE, 3))]))


def local_rig(role: Role = Role.LEADING, *, upgrading: bool = True) -> Rig:
    return Rig(role, server_id=3, local_sessions=True, local_upgrading=upgrading)


def errors(client: FakeClient) -> list[tuple[int, int]]:
    return [(xid, err) for xid, _, err, _ in client.replies()]


@on_trio
def test_a_local_session_costs_no_transaction() -> None:
    """Neither its begin nor its end; in between it reads and writes like any other."""
    rig = local_rig()
    client = rig.client()
    assert rig.replication.proposals == 0
    assert client.session_id in rig.pipeline.locals
    assert client.session_id not in rig.pipeline.tree.sessions
    client.ask(1, *create("/a", b"1"))
    client.ask(2, *get("/a"))
    client.ask(3, OpCode.CLOSE_SESSION)
    rig.turn()
    assert client.replies() == [], "the end waits for what was asked before it"
    rig.settle()
    assert errors(client) == [(1, 0), (2, 0), (3, 0)]
    assert client.transport.closed
    assert len(rig.pipeline.locals) == rig.pipeline.outstanding == 0
    assert rig.replication.proposals == 1


@pytest.mark.parametrize("request_", [EPHEMERAL, MULTI], ids=["create", "multi"])
@on_trio
def test_who_wants_an_ephemeral_node_is_upgraded(request_: tuple[int, CreateRequest]) -> None:
    """The same id, from then on known to all; what it asked before and after stays in order."""
    rig = local_rig()
    client = rig.client()
    client.ask(1, *create("/a"))
    client.ask(2, *request_)
    client.ask(3, *request_)
    client.ask(4, *get("/a"))
    rig.settle()
    assert [xid for xid, _ in errors(client)] == [1, 2, 3, 4]
    assert rig.pipeline.tree.sessions == {client.session_id: client.timeout_ms}
    assert len(rig.pipeline.tree.ephemerals[client.session_id]) >= 1
    assert len(rig.pipeline.locals) == 0
    client.ask(5, OpCode.CLOSE_SESSION)
    rig.settle()
    assert errors(client) == [(5, 0)]
    assert rig.pipeline.tree.ephemerals == rig.pipeline.tree.sessions == {}


@on_trio
def test_without_upgrading_it_is_refused() -> None:
    """-120, in its turn, and the session goes on."""
    rig = local_rig(upgrading=False)
    client = rig.client()
    client.ask(1, *create("/a"))
    client.ask(2, *EPHEMERAL)
    client.ask(3, *MULTI)
    client.ask(4, *set_data("/a", b"1"))
    rig.settle()
    assert errors(client) == [(1, 0), (2, -120), (3, -120), (4, 0)]
    assert rig.pipeline.tree.ephemerals == {}


@on_trio
def test_a_followers_local_session() -> None:
    """The leader lets it write, though it has never heard of it; the upgrade goes before the request that needs it."""
    leader = local_rig()
    follower = learner_of(leader, Rig(Role.LOOKING, server_id=1, local_sessions=True, local_upgrading=True))
    client = follower.connect()
    client.hello()
    client.read_hello()
    client.ask(1, *create("/a"))
    exchange(leader, follower)
    client.ask(2, *EPHEMERAL)
    client.ask(3, OpCode.SYNC, SyncRequest("/"))
    assert len(exchange(leader, follower)) == 2
    follower.replication.finish_syncs()
    assert errors(client) == [(1, 0), (2, 0), (3, 0)]
    assert list(leader.pipeline.tree.sessions) == list(follower.pipeline.tree.sessions) == [client.session_id]


@on_trio
def test_a_session_that_nobody_knows_owns_nothing() -> None:
    """A session of another server may be local there; an ephemeral node of it would never go."""
    rig = local_rig()
    foreign, own = 5 << 56 | 1, 3 << 56 | 1
    for session_id, plain in ((foreign, 0), (own, -112)):
        for flags, error in ((0, plain), (1, -112)):
            rig.pipeline.requests([_forwarded(session_id, flags)])
            [(_, data)] = rig.replication.commit()
            _, body, _ = decode_txn(data)
            assert (body.err if isinstance(body, ErrorTxn) else 0) == error, (session_id, flags)


def _forwarded(session_id: int, flags: int) -> ForwardedRequest:
    body = body_of(CreateRequest("/x-", b"", OPEN_ACL_UNSAFE, flags + 2))
    return ForwardedRequest(session_id, 1, OpCode.CREATE, body, (), 1)


@on_trio
def test_it_comes_back_to_its_server_and_to_no_other() -> None:
    """With its password; elsewhere the leader does not know it."""
    rig = local_rig()
    client = rig.client()
    client.gone()
    again = rig.connect()
    again.hello(client.session_id, client.password)
    assert again.read_hello().session_id == client.session_id
    stranger = rig.connect()
    stranger.hello(77, password_of(77))
    assert stranger.read_hello().session_id == 0


def test_a_silent_one_expires_here() -> None:
    """Also while its connection is gone; a sign of life counts."""

    async def main() -> None:
        rig = local_rig()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.pipeline.expire_sessions)
            client = rig.client()
            for _ in range(10):
                await trio.sleep(client.timeout_ms / 2000)
                client.ask(1, *get("/"))
            assert client.session_id in rig.pipeline.locals
            await trio.sleep(client.timeout_ms / 1000 + 2 * rig.config.tick_ms / 1000)
            assert client.transport.closed
            assert len(rig.pipeline.locals) == len(rig.pipeline.sessions) == 0
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_which_requests_want_an_ephemeral_node() -> None:
    """Garbage is for the leader to refuse."""
    for flags, wanted in ((0, False), (1, True), (2, False), (3, True), (9, False)):
        record = CreateRequest("/a", b"", OPEN_ACL_UNSAFE, flags)
        assert wants_ephemeral(OpCode.CREATE2, body_of(record)) is wanted
        multi = MultiRequest([(OpCode.DELETE, DeleteRequest("/b", -1)), (OpCode.CREATE, record)])
        assert wants_ephemeral(OpCode.MULTI, body_of(multi)) is wanted
    assert not wants_ephemeral(OpCode.CREATE, b"")
    assert not wants_ephemeral(OpCode.MULTI, b"\0")
    assert not wants_ephemeral(OpCode.SET_DATA, body_of(CreateRequest("/a", b"", OPEN_ACL_UNSAFE, 1)))


@on_trio
def test_it_outlives_a_change_of_leader() -> None:
    """Nobody else has to know it, so nobody has to be asked; what was under way is lost like any other request."""
    rig = local_rig()
    client = rig.client()
    client.ask(1, *create("/a"))
    rig.turn()
    rig.replication.become(Role.LOOKING)
    assert client.transport.closed
    client.gone()
    rig.replication.become(Role.LEADING)
    again = rig.connect()
    again.hello(client.session_id, client.password)
    assert again.read_hello().session_id == client.session_id
    again.ask(1, *create("/b"))
    rig.settle()
    assert errors(again) == [(1, 0)]
