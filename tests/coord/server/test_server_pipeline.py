"""The pipeline as the ensemble's application: on the leader, on a learner, and when roles change."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from coord.server.pipeline import Pipeline
from coord.tree.sessions import password_of
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.jute import Writer
from coord.wire.records import CreateRequest, Record, SyncRequest
from coord.zab.application import Application, ForwardedRequest, Role, Transaction
from tests.coord.server.harness import FakeClient, Rig, create, get, on_trio, set_data


def body_of(record: Record) -> bytes:
    w = Writer()
    record.write(w)
    return w.getvalue()


def application(pipeline: Pipeline) -> Application:
    """The pipeline is what the ensemble asks for (checked by the type checker)."""
    return pipeline


def learner_of(leader: Rig, follower: Rig | None = None) -> Rig:
    """A follower with the leader's state."""
    follower = follower or Rig(Role.LOOKING)
    restoration = follower.pipeline.restore()
    cut = leader.pipeline.freeze()
    assert cut is not None
    for chunk in cut.chunks():
        view = memoryview(chunk)
        while view:
            view = view[restoration.feed(view) :]
    cut.close()
    assert restoration.finished
    restoration.install(cut.zxid)
    follower.replication.become(Role.FOLLOWING)
    return follower


def exchange(leader: Rig, follower: Rig, link: int = 1) -> list[Transaction]:
    """Carries what the follower forwarded to the leader, and what the leader committed to both."""
    follower.turn()
    requests = [r._replace(learner=link) for r in follower.replication.forwarded]
    follower.replication.forwarded.clear()
    leader.pipeline.requests(requests)
    batch = leader.replication.commit()
    if batch:
        follower.pipeline.deliver(batch)
    return batch


def join(leader: Rig, follower: Rig, link: int = 1) -> FakeClient:
    """A client of the follower with a session."""
    client = follower.connect()
    client.hello()
    exchange(leader, follower, link)
    client.read_hello()
    return client


@on_trio
def test_a_followers_client_writes_through_the_leader() -> None:
    """Requests go to the leader in order; the reply comes from the follower, once it has applied the transaction."""
    leader = Rig()
    follower = learner_of(leader)
    client = join(leader, follower)
    client.ask(1, *create("/a", b"1"))
    client.ask(2, *get("/a"))
    client.ask(3, *create("/a"))
    assert client.replies() == []
    exchange(leader, follower)
    assert [(xid, err) for xid, _, err, _ in client.replies()] == [(1, 0), (2, 0), (3, -110)]
    assert leader.pipeline.tree.digest == follower.pipeline.tree.digest
    assert follower.pipeline.outstanding == 0


@on_trio
def test_a_sync_keeps_its_place_among_the_sessions_requests() -> None:
    """It is asked for after the writes before it, and answered in their order."""
    leader = Rig()
    follower = learner_of(leader)
    client = join(leader, follower)
    client.ask(1, *create("/a"))
    client.ask(2, OpCode.SYNC, SyncRequest("/a"))
    client.ask(3, *get("/a"))
    follower.turn()
    assert [r.op for r in follower.replication.syncs] == [OpCode.SYNC]
    exchange(leader, follower)
    assert client.xids() == [1]
    follower.replication.finish_syncs()
    synced, read = client.replies()
    assert (synced[0], synced[3], read[0]) == (2, body_of(SyncRequest("/a")), 3)


@on_trio
def test_a_learners_sync_follows_its_writes_on_the_leader() -> None:
    """The leader proposes what came before, then asks for the sync in that learner's name."""
    leader = Rig()
    write = ForwardedRequest(0, 1, OpCode.CREATE, body_of(CreateRequest("/a", b"", OPEN_ACL_UNSAFE, 0)), (), 7)
    asked: list[int] = []
    leader.replication.sync = lambda request: asked.append(len(leader.replication.proposed))  # type: ignore[method-assign]
    leader.pipeline.requests([write, write._replace(op=OpCode.SYNC, body=b""), write._replace(cxid=3)])
    assert asked == [1]
    assert len(leader.replication.proposed) == 2


@on_trio
def test_reattaching_through_a_follower_asks_the_leader() -> None:
    """REVALIDATE; the leader hands the session over, and the old server's next write cuts its client off."""
    leader = Rig()
    follower = learner_of(leader)
    old = leader.client()
    follower.pipeline.deliver([])
    new = follower.connect()
    new.hello(old.session_id, old.password)
    assert follower.replication.revalidations == [(old.session_id, 10_000)]
    assert new.take() == b""
    assert leader.pipeline.revalidate(old.session_id, 10_000, 1)
    follower.pipeline.revalidated(old.session_id, True)
    assert new.read_hello().session_id == old.session_id
    old.ask(1, *get("/"))
    assert old.xids() == [1]
    old.ask(2, *create("/a"))
    leader.settle()
    assert old.replies() == []
    assert old.transport.closed
    old.gone()
    assert leader.pipeline.outstanding == 0
    assert leader.pipeline.sessions == {}


@on_trio
def test_the_leader_does_not_know_every_session() -> None:
    """A session that is unknown or being closed is not handed over, and its client is rejected."""
    leader = Rig()
    follower = learner_of(leader)
    client = follower.connect()
    client.hello(77, password_of(77))
    assert not leader.pipeline.revalidate(77, 10_000, 1)
    follower.pipeline.revalidated(77, False)
    assert client.read_hello().session_id == 0
    assert client.transport.closed
    follower.pipeline.revalidated(77, True)


def test_only_silent_sessions_expire_and_their_ephemerals_with_them() -> None:
    """After the timeout, not before; learners' touches count; the session's connection is closed."""

    async def main() -> None:
        rig = Rig(tick_ms=1000)
        silent, alive, distant = rig.client(), rig.client(), rig.client()
        for number, client in enumerate((silent, alive, distant)):
            client.ask(1, *create(f"/e{number}", flags=1))
        rig.settle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.pipeline.expire_sessions)
            await trio.sleep(0.25)  # between the ticks
            for second in range(1, 14):
                await trio.sleep(1)
                alive.ask(-2, OpCode.PING)
                rig.pipeline.touch([(distant.session_id, 10_000)])
                rig.settle()
                assert ("/e0" in rig.pipeline.tree.nodes) == (second < 11), second
            nursery.cancel_scope.cancel()
        assert {"/e1", "/e2"} < rig.pipeline.tree.nodes.keys()
        assert silent.transport.closed
        assert not alive.transport.closed

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@on_trio
def test_a_learner_reports_whom_it_heard_once() -> None:
    """take_touched empties the list."""
    leader = Rig()
    follower = learner_of(leader)
    client = join(leader, follower)
    client.ask(-2, OpCode.PING)
    assert follower.pipeline.take_touched() == [(client.session_id, 10_000)]
    assert follower.pipeline.take_touched() == []


@on_trio
@pytest.mark.parametrize("role", [Role.LEADING, Role.FOLLOWING])
def test_a_lost_role_closes_everything(role: Role) -> None:
    """Clients must find a server that serves; nothing of what was under way is answered later."""
    leader = Rig()
    rig = leader if role is Role.LEADING else learner_of(leader)
    client = rig.client() if role is Role.LEADING else join(leader, rig)
    client.ask(1, *create("/a"))
    client.ask(2, *get("/"))
    rig.turn()
    fresh = rig.connect()
    rig.replication.become(Role.LOOKING)
    assert client.transport.closed
    assert not fresh.transport.closed
    client.gone()
    assert client.replies() == []
    assert (rig.pipeline.sessions, rig.pipeline.outstanding) == ({}, 0)
    batch, rig.replication.proposed = rig.replication.proposed, []
    rig.pipeline.deliver(batch)  # an old proposal that the next leader committed
    assert ("/a" in rig.pipeline.tree.nodes) == (role is Role.LEADING)
    assert client.take() == b""
    fresh.hello()
    assert fresh.transport.closed


@on_trio
def test_a_new_leader_gives_every_session_its_full_timeout() -> None:
    """Sessions are the tree's; whoever had one may come back."""
    rig = Rig()
    client = rig.client()
    rig.replication.become(Role.LOOKING)
    client.gone()
    rig.replication.epoch += 1
    rig.replication.become(Role.LEADING)
    assert rig.pipeline.tracker is not None
    assert client.session_id in rig.pipeline.tracker
    again = rig.connect()
    again.hello(client.session_id, client.password)
    assert again.read_hello().session_id == client.session_id


@on_trio
def test_the_leader_applies_what_it_decided_without_decoding_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own proposals come back as the decisions it kept."""
    rig = Rig()
    client = rig.client()
    monkeypatch.setattr("coord.server.pipeline.decode_txn", None)
    client.ask(1, *create("/a"))
    client.ask(2, *set_data("/a", b"x", 9))
    rig.settle()
    assert [(xid, err) for xid, _, err, _ in client.replies()] == [(1, 0), (2, -103)]


@on_trio
def test_a_cut_stays_as_it_was_while_writes_go_on() -> None:
    """A learner's SNAP shows the moment it was frozen; a second cut has to wait for the first."""
    rig = Rig()
    client = rig.client()
    client.ask(1, *create("/a", b"old"))
    rig.settle()
    cut = rig.pipeline.freeze()
    assert cut is not None
    assert rig.pipeline.freeze() is None
    client.ask(2, *set_data("/a", b"new"))
    client.ask(3, *create("/b"))
    rig.settle()
    body = b"".join(cut.chunks())
    cut.close()
    assert b"old" in body
    assert b"new" not in body
    assert b"/b" not in body
    assert cut.zxid == rig.pipeline.last_zxid - 2
    assert rig.pipeline.freeze() is not None


@on_trio
def test_an_abandoned_restoration_changes_nothing() -> None:
    """Half a snapshot is no state."""
    leader, follower = Rig(), Rig(Role.LOOKING)
    leader.client()
    cut = leader.pipeline.freeze()
    assert cut is not None
    restoration = follower.pipeline.restore()
    restoration.feed(memoryview(b"".join(cut.chunks())[:50]))
    tree = follower.pipeline.tree
    restoration.close()
    assert follower.pipeline.tree is tree
    assert not restoration.finished
