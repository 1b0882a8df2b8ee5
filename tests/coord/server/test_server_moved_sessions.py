"""Sessions that go from server to server: the leader says whether they live, and the old connection ends with its next write."""

from __future__ import annotations

import pytest

from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.records import CreateRequest, MultiRequest
from tests.coord.server.harness import FakeClient, Rig, create, get, on_trio, set_data
from tests.coord.server.test_server_pipeline import exchange, join, learner_of

MULTI = (OpCode.MULTI, MultiRequest([(OpCode.CREATE, CreateRequest("/m", b"", OPEN_ACL_UNSAFE, 0))]))


def revalidate(leader: Rig, follower: Rig, link: int) -> None:
    """Carries what a follower asked about sessions to the leader, and the answers back."""
    asked, follower.replication.revalidations = follower.replication.revalidations, []
    for session_id, timeout_ms in asked:
        follower.pipeline.revalidated(session_id, leader.pipeline.revalidate(session_id, timeout_ms, link))


def moves(old: FakeClient, leader: Rig, follower: Rig, link: int) -> FakeClient:
    new = follower.connect()
    new.hello(old.session_id, old.password)
    revalidate(leader, follower, link)
    assert new.read_hello().session_id == old.session_id
    return new


@pytest.mark.parametrize("write", [set_data("/a", b"old"), MULTI], ids=["setData", "multi"])
@on_trio
def test_the_old_connection_reads_on_and_ends_with_its_next_write(write: tuple[int, object]) -> None:
    """Without a reply to that: the client must not take it for done, nor for refused."""
    leader = Rig()
    first, second = learner_of(leader), learner_of(leader)
    old = join(leader, first, link=1)
    old.ask(1, *create("/a", b"1"))
    for_both = exchange(leader, first, link=1)
    _catch_up(leader, second, for_both)
    old.take()
    new = moves(old, leader, second, link=2)
    old.ask(2, *get("/a"))
    assert old.xids() == [2]
    old.ask(3, *write)  # type: ignore[arg-type]
    old.ask(4, *get("/a"))
    batch = exchange(leader, first, link=1)
    assert old.replies() == []
    assert "moved" in old.transport.reason
    second.pipeline.deliver(batch)
    new.ask(1, *set_data("/a", b"new"))
    exchange(leader, second, link=2)
    assert [(xid, err) for xid, _, err, _ in new.replies()] == [(1, 0)]
    assert leader.pipeline.tree.nodes["/a"].data == b"new"


def _catch_up(leader: Rig, follower: Rig, batch: object) -> None:
    follower.pipeline.deliver(batch)  # type: ignore[arg-type]
    assert follower.pipeline.tree.digest == leader.pipeline.tree.digest


@on_trio
def test_a_session_of_the_leaders_own_clients_moves_to_a_follower() -> None:
    """And back: the leader takes it over without asking anybody."""
    leader = Rig()
    old = leader.client()
    follower = learner_of(leader)
    new = moves(old, leader, follower, link=1)
    old.ask(1, *create("/a"))
    leader.turn()
    follower.pipeline.deliver(leader.replication.commit())
    assert (old.replies(), old.transport.closed) == ([], True)
    back = leader.connect()
    back.hello(new.session_id, new.password)
    assert back.read_hello().session_id == old.session_id
    new.ask(1, *create("/b"))
    exchange(leader, follower)
    assert (new.replies(), new.transport.closed) == ([], True)


@on_trio
def test_a_client_that_connects_twice_before_the_leader_has_answered() -> None:
    """The first of the two connections is closed; one answer is for the second, the other for nobody."""
    leader = Rig()
    old = leader.client()
    follower = learner_of(leader)
    first, second = follower.connect(), follower.connect()
    for client in (first, second):
        client.hello(old.session_id, old.password)
    assert first.transport.closed
    revalidate(leader, follower, 1)
    assert second.read_hello().session_id == old.session_id
    assert first.take() == b""


@on_trio
def test_a_client_that_left_before_the_leader_has_answered() -> None:
    """Nobody is told, and nothing is kept."""
    leader = Rig()
    old = leader.client()
    follower = learner_of(leader)
    gone = follower.connect()
    gone.hello(old.session_id, old.password)
    gone.gone()
    revalidate(leader, follower, 1)
    assert gone.take() == b""
    assert follower.pipeline.sessions == {}


@on_trio
def test_a_session_that_is_being_closed_goes_nowhere() -> None:
    """Its end is decided, though not committed."""
    leader = Rig()
    old = leader.client()
    follower = learner_of(leader)
    old.ask(1, OpCode.CLOSE_SESSION)
    leader.turn()
    new = follower.connect()
    new.hello(old.session_id, old.password)
    revalidate(leader, follower, 1)
    assert new.read_hello().session_id == 0
