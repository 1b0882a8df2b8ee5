"""Mistakes that ZooKeeper's servers made with sessions, played against the pipeline; docs/known-bugs.md lists them all."""

from __future__ import annotations

from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.jute import Writer
from coord.wire.records import CreateRequest
from coord.zab.application import ForwardedRequest, Role
from tests.coord.server.harness import Rig, on_trio


@on_trio
def test_a_session_that_was_never_committed_is_no_session() -> None:
    """ZOOKEEPER-2926: a session was put into the state when it was proposed. So a SNAP or a snapshot of that moment held a
    session that no log had, and its owner went on in it under the next leader."""
    leader, learner = Rig(), Rig(Role.LOOKING)
    leader.connect().hello()
    leader.turn()
    [session_id] = leader.pipeline.sessions
    assert len(leader.replication.proposed) == 1, "createSession is on its way"

    cut = leader.pipeline.freeze()
    assert cut is not None
    restoration = learner.pipeline.restore()
    body = memoryview(b"".join(cut.chunks()))
    assert restoration.feed(body) == len(body)
    cut.close()
    restoration.install(cut.zxid)
    assert leader.pipeline.tree.sessions == learner.pipeline.tree.sessions == {}

    for rig in (leader, learner):  # the leader loses its followers, and either of the two leads next
        rig.replication.proposed.clear()
        if rig is leader:
            rig.replication.become(Role.LOOKING)
        rig.replication.epoch += 1
        rig.replication.become(Role.LEADING)
        assert not rig.pipeline.revalidate(session_id, 10_000, 1)
        w = Writer()
        CreateRequest("/e", b"", OPEN_ACL_UNSAFE, 1).write(w)
        rig.pipeline.requests([ForwardedRequest(session_id, 1, OpCode.CREATE, w.getvalue(), (), 1)])
        rig.settle()
        assert "/e" not in rig.pipeline.tree.nodes
