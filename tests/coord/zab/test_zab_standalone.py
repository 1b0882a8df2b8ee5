"""A server without peers: its own disk is the quorum."""

from __future__ import annotations

from coord.zab.application import ForwardedRequest, Role
from coord.zab.events import Proposed, Saved, SyncAsked, Synced
from coord.zab.standalone import Standalone
from tests.coord.zab.zab_play import transactions, z

SYNC = SyncAsked(ForwardedRequest(0, 0, 9, b"", ()))


def test_it_serves_at_once_in_the_epoch_of_its_log() -> None:
    """And goes on counting where the log ends."""
    server = Standalone(z(4, 7))

    assert server.start(0.0).became == [(Role.STANDALONE, 4)]
    assert server.next_zxid() == z(4, 8)


def test_what_is_synced_is_committed() -> None:
    """Nothing is delivered before its sync, and all of it with it."""
    server = Standalone(z(1, 0))
    out = server.handle([Proposed(transactions(1, 1, 2)), Proposed(transactions(1, 3))], 0.0)
    assert (out.persist, out.deliver) == (transactions(1, 1, 2, 3), [])
    assert server.handle([Synced(z(1, 2))], 0.0).deliver == transactions(1, 1, 2)


def test_a_sync_waits_for_what_was_proposed_before_it() -> None:
    """In order."""
    server = Standalone(0)
    assert server.handle([SYNC], 0.0).syncs_done == 1
    out = server.handle([Proposed([(1, b"")]), SYNC, Proposed([(2, b"")]), SYNC], 0.0)
    assert out.syncs_done == 0
    assert server.handle([Synced(1)], 0.0).syncs_done == 1
    assert server.handle([Synced(2)], 0.0).syncs_done == 1


def test_the_next_epoch_follows_the_last_number() -> None:
    """The beginning of an epoch names no transaction."""
    server = Standalone(z(1, 0xFFFFFFFE))

    assert [server.next_zxid(), server.next_zxid()] == [z(1, 0xFFFFFFFF), z(2, 1)]


def test_it_knows_no_time_and_no_peers() -> None:
    """Events of an ensemble mean nothing to it."""
    server = Standalone(0)

    assert server.deadline() == float("inf")
    assert server.leader is None
    assert server.handle([Saved()], 0.0).send == []
