"""How a leadership ends, and what does not end it: silence, ACKs that are owed, quorums that are gone, epochs used up."""

from __future__ import annotations

import pytest

from coord.wire.quorum import (
    Acks,
    LearnerInfo,
    Packet,
    PacketType,
)
from coord.wire.zxid import COUNTER_MAX, EPOCH_MAX, first_of
from coord.zab.effects import Effects
from coord.zab.follower import Stage
from coord.zab.leader import ALONE_SECONDS, QUORUM_GRACE
from coord.zab.quorums import majority
from tests.coord.zab.zab_play import LeaderPlay, established, packet, said, transactions, z


def test_learners_are_pinged_and_the_silent_closed() -> None:
    """Twice a tick; after syncLimit ticks of silence a learner is gone, and with it the quorum."""
    play = established()
    play.join(2)
    assert said(play.pass_time(0.5), 1) == [Packet(PacketType.PING, 1)]
    play.pass_time(4.0)
    play.hear(2, packet(PacketType.PING, 0, b""))
    play.pass_time(0.5)
    assert list(play.leader.learners) == [2]
    assert play.leader.lost is None
    play.pass_time(4.5)
    assert "no quorum" in str(play.leader.lost)


def test_a_learner_that_owes_an_ack_too_long_is_closed() -> None:
    """It answers pings, but its disk does not answer."""
    play = established()
    play.join(2)
    play.propose(1)
    for _ in range(12):
        play.pass_time(0.5)
        play.hear(1, packet(PacketType.PING, 0, b""), Acks(z(1, 1), z(1, 1)))
        play.hear(2, packet(PacketType.PING, 0, b""))

    assert list(play.leader.learners) == [1]


def test_without_proposals_nobody_owes_an_ack() -> None:
    """A quiet ensemble stays together, also one that ended a busy epoch before."""
    play = LeaderPlay(history=transactions(1, 1, 2), epoch=1)
    play.join(1, z(1, 2), 1)
    play.propose(1)
    play.synced()
    play.hear(1, Acks(z(2, 1), z(2, 1)))
    play.join(2, z(1, 1), 1)
    for _ in range(40):
        play.pass_time(0.5)
        play.hear(1, packet(PacketType.PING, 0, b""))
        play.hear(2, packet(PacketType.PING, 0, b""))

    assert sorted(play.leader.learners) == [1, 2]


def test_without_a_quorum_it_steps_down_at_once() -> None:
    """A closed link is known at once; nothing is waited for."""
    play = established()
    play.leader.closed(1)
    assert "no quorum" in str(play.leader.lost)
    out = Effects()
    play.leader.stop(out)
    assert out.listen is False


def test_nobody_comes() -> None:
    """An elected server looks again soon: the others may serve under another leader, and would never call."""
    play = LeaderPlay()
    play.pass_time(ALONE_SECONDS - 0.5)
    assert play.leader.lost is None
    play.pass_time(0.5)
    assert "only servers [3] came" in str(play.leader.lost)


def test_those_that_came_have_time_to_join() -> None:
    """initLimit for each step, as long as a quorum is there."""
    play = LeaderPlay()
    play.greet(1)
    play.pass_time(9.5)
    assert play.leader.lost is None
    play.pass_time(0.5)
    assert "initLimit" in str(play.leader.lost)


def test_a_voter_that_still_looks_ends_the_wait_for_a_quorum() -> None:
    """ZOOKEEPER-3109: they would wait for each other. It joins only where a quorum is, this leader would wait for initLimit."""
    play = LeaderPlay()
    play.leader.looking(2, QUORUM_GRACE / 2)
    assert play.leader.lost is None
    play.leader.looking(2, QUORUM_GRACE)
    assert "still looks" in str(play.leader.lost)

    play = LeaderPlay()
    play.greet(1)
    play.leader.looking(2, QUORUM_GRACE * 2)
    play.leader.looking(1, QUORUM_GRACE * 2)
    assert play.leader.lost is None, "with server 1 there is a quorum"


def test_a_voter_that_promised_more_ends_the_epoch() -> None:
    """It could never join this epoch; the next leader takes a newer one at once."""
    play = established()
    play.greet(2, accepted=9)
    assert "has promised epoch 9" in str(play.leader.lost)
    assert play.ledger.highest_promise == 9


def test_a_stranger_that_promised_more_changes_nothing() -> None:
    """Whoever is in no configuration joins as a follower without a vote, and says nothing about the ensemble's epochs."""
    play = LeaderPlay()
    play.greet(99, accepted=9)
    play.greet(1, accepted=2)
    assert (play.leader.epoch, play.ledger.highest_promise) == (3, 2)
    assert play.leader.learners[99].stage is Stage.PROMISING

    play = established()
    assert said(play.greet(99, accepted=9), 99) == [Packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0")]
    assert (play.leader.lost, play.ledger.highest_promise) == (None, 0)


def test_a_follower_that_serves_has_promised_nothing_newer() -> None:
    """Somebody who takes its name ends neither its connection nor the epoch; it has left when its connection is gone."""
    play = established()
    play.leader.opened(7, play.now, play.out)
    greeting = packet(PacketType.FOLLOWERINFO, first_of(9), LearnerInfo(1).encode())
    assert play.hear(7, greeting).close == [(7, "server 1 follows in epoch 1, and somebody says that it has promised 9")]
    assert play.leader.learners[1].stage is Stage.SERVING
    assert (play.leader.lost, play.ledger.highest_promise) == (None, 0)

    play.leader.closed(1)
    play.leader.opened(7, play.now, play.out)
    play.hear(7, greeting)
    assert "has promised epoch 9" in str(play.leader.lost)


@pytest.mark.parametrize(
    ("sid", "zxid", "reason"),
    [
        (1, first_of(EPOCH_MAX), "beyond which there is none"),
        (99, first_of(EPOCH_MAX), "beyond which there is none"),
        (1, -1, "beyond which there is none"),
        (3, 0, "which is this one"),
    ],
)
def test_a_greeting_that_cannot_be_true_is_refused(sid: int, zxid: int, reason: str) -> None:
    """An epoch after which no zxid is left, a negative one, the leader's own name; before the epoch is found and after."""
    for play in (LeaderPlay(), established()):
        play.leader.opened(7, play.now, play.out)
        assert reason in play.hear(7, packet(PacketType.FOLLOWERINFO, zxid, LearnerInfo(sid).encode())).close[0][1]
        assert (play.leader.lost, play.ledger.highest_promise) == (None, 0)


def test_epochs_come_to_an_end() -> None:
    """The last one serves; after it a leader says so, again and again, and no server stops."""
    play = LeaderPlay(epoch=1)
    play.greet(2, accepted=EPOCH_MAX - 1)
    assert play.leader.epoch == EPOCH_MAX
    assert said(play.out, 2) == [Packet(PacketType.LEADERINFO, first_of(EPOCH_MAX), b"\0\1\0\0")]

    play = LeaderPlay(majority([3]), epoch=EPOCH_MAX)
    assert "no zxid can have a later one" in str(play.leader.lost)


def test_the_counter_ends_the_epoch() -> None:
    """The last zxid of an epoch is not proposed: the next one would belong to another epoch."""
    play = established()
    play.leader.broadcast.last_proposed = first_of(1) + COUNTER_MAX - 2
    play.ledger.logged = first_of(1) + COUNTER_MAX - 2
    zxid = play.leader.next_zxid()
    play.leader.propose([(zxid, b"")], Effects())
    assert play.leader.lost is None
    out = Effects()
    play.leader.propose([(play.leader.next_zxid(), b"")], out)

    assert "used up" in str(play.leader.lost)
    assert out.persist == []


def test_a_learner_that_stops_half_way_is_closed() -> None:
    """initLimit for each step of its own; waiting for others is no fault of its."""
    play = established()
    play.leader.opened(2, 0.0, Effects())
    for _ in range(19):
        play.pass_time(0.5)
        play.hear(1, packet(PacketType.PING, 0, b""))
    assert 2 in play.leader.learners
    play.pass_time(0.5)
    assert 2 not in play.leader.learners


def test_a_body_on_its_way_is_no_silence() -> None:
    """As long as pieces leave, the learner has time."""
    play = established()
    play.ledger.recent.clear()
    play.ledger.delivered = z(1, 5)
    play.greet(2)
    assert play.promise(2).freeze == [2]
    play.leader.frozen(2, z(1, 5), 0.0, Effects())
    for _ in range(60):
        play.pass_time(0.5)
        play.hear(1, packet(PacketType.PING, 0, b""))
        play.leader.streamed(2, play.now)
    assert 2 in play.leader.learners
