"""Requests of one session keep their order around a sync, also when the sync's end comes with later commits.

The driver hands over a wake-up's commits as one batch, and what it learned of syncs behind it. Found by the trio world
(seeds 0 to 3, `SessionReadsMonotonic`): the state that replies told went back.
"""

from __future__ import annotations

import pytest

from coord.wire.codes import OpCode
from coord.wire.jute import Reader
from coord.wire.records import GetDataResponse, SyncRequest
from coord.zab.application import Role
from tests.coord.server.harness import FakeClient, Rig, create, get, on_trio, set_data
from tests.coord.server.test_server_pipeline import exchange, join, learner_of


def _ask(client: FakeClient) -> None:
    client.ask(2, OpCode.SYNC, SyncRequest("/a"))
    client.ask(3, *get("/a"))
    client.ask(4, *set_data("/a", b"later"))
    client.ask(5, *get("/a"))
    client.ask(6, *set_data("/a", b"last"))


def _check(client: FakeClient) -> None:
    replies = client.replies()
    zxids = [zxid for _, zxid, _, _ in replies]

    assert [(xid, err) for xid, _, err, _ in replies] == [(2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]
    assert zxids == sorted(zxids)
    assert [_data(body) for xid, _, _, body in replies if xid in (3, 5)] == [b"first", b"later"]


def _data(body: bytes) -> bytes | None:
    return GetDataResponse.read(Reader(body)).data


@pytest.mark.parametrize("role", [Role.LEADING, Role.STANDALONE])
@on_trio
def test_a_read_behind_a_sync_does_not_show_what_its_session_wrote_later(role: Role) -> None:
    """On the server that decides."""
    rig = Rig(role)
    client = rig.client()
    client.ask(1, *create("/a", b"first"))
    rig.settle()
    client.replies()
    _ask(client)
    rig.turn()
    rig.replication.commit()
    rig.replication.finish_syncs()
    _check(client)


@on_trio
def test_writes_behind_a_sync_are_answered_on_a_learner() -> None:
    """Two commits came with the sync: the second was taken for nobody's, and its session waited for ever."""
    leader = Rig()
    follower = learner_of(leader)
    client = join(leader, follower)
    client.ask(1, *create("/a", b"first"))
    exchange(leader, follower)
    client.replies()
    _ask(client)
    exchange(leader, follower)
    follower.replication.finish_syncs()
    _check(client)
    assert follower.pipeline.outstanding == 0
