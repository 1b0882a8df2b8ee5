"""The leader, packet by packet: discovery, synchronisation, broadcast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.data import Id
from coord.wire.quorum import (
    Acks,
    Commits,
    Informs,
    LearnerInfo,
    Packet,
    PacketType,
    Proposals,
    encode_sessions,
)
from coord.zab.application import ForwardedRequest, Role
from coord.zab.effects import Effects
from coord.zab.leader import LINKS_MAX
from coord.zab.quorums import majority
from tests.coord.zab.zab_play import OBSERVED, THREE, LeaderPlay, established, packet, said, transactions, z

NEWLEADER = Packet(PacketType.NEWLEADER, z(1, 0), THREE.text().encode())
UPTODATE = Packet(PacketType.UPTODATE, -1)


# discovery


def test_a_normal_start() -> None:
    """FOLLOWERINFO, LEADERINFO, ACKEPOCH, DIFF, NEWLEADER, ACK, UPTODATE, with the epochs durable on the way."""
    play = LeaderPlay()
    assert play.out.listen is True
    out = play.greet(1)
    assert out.accepted_epoch == 1
    assert said(out, 1) == [Packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0")]
    out = play.promise(1)
    assert out.current_epoch == 1
    assert said(out, 1) == [Packet(PacketType.DIFF, 0), NEWLEADER]
    out = play.ack_new_leader(1)
    assert out.became == [(Role.LEADING, 1)]
    assert said(out, 1) == [UPTODATE]


def test_the_epoch_is_beyond_all_that_a_quorum_promised() -> None:
    """The greatest accepted epoch of a quorum, this server's included, and one more."""
    play = LeaderPlay(majority([1, 2, 3, 4, 5]), epoch=4)
    assert said(play.greet(1, accepted=7), 1) == [], "two of five are no quorum"
    out = play.greet(2, accepted=2)

    assert out.accepted_epoch == 8
    assert [said(out, link) for link in (1, 2)] == [[Packet(PacketType.LEADERINFO, z(8, 0), b"\0\1\0\0")]] * 2


def test_observers_and_strangers_are_no_quorum() -> None:
    """They are answered only when voters have decided."""
    play = LeaderPlay(OBSERVED)
    play.greet(4, kind=PacketType.OBSERVERINFO)
    out = play.greet(99)
    assert play.leader.epoch == 0
    out = play.greet(2)

    assert {link for link, _ in out.send} == {2, 4, 99}


def test_who_is_ahead_of_the_leader_is_refused() -> None:
    """A newer epoch, or a longer log in the same one: this leader would lose what that server has."""
    play = LeaderPlay(history=transactions(2, 1, 2), epoch=2)
    play.greet(1, 2)
    play.greet(2, 2)
    assert "ahead of this leader" in play.promise(1, z(2, 3), 2).close[0][1]
    assert "ahead of this leader" in play.promise(2, z(1, 9), 3).close[0][1]
    assert not play.leader.serving


def test_a_promise_made_before_does_not_count_again() -> None:
    """-1 in ACKEPOCH: the same epoch was promised already, perhaps to somebody else."""
    play = LeaderPlay()
    play.greet(1)
    assert said(play.promise(1, 0, -1), 1) == []
    play.greet(2)
    assert said(play.promise(2, 0, 0), 1)[0] == Packet(PacketType.DIFF, 0), "it is synchronised when others have promised"


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (LearnerInfo(1, 0x0FFFF).encode(), "before ZooKeeper 3.4"),
        (LearnerInfo(1, 0x10000, 1).encode(), "newer configuration"),
        (b"123", "does not say who it is"),
        (None, "does not say who it is"),
    ],
)
def test_a_learner_that_cannot_be_understood_is_refused(info: bytes | None, reason: str) -> None:
    """With the reason."""
    play = LeaderPlay()
    play.leader.opened(1, 0.0, play.out)

    assert reason in play.hear(1, packet(PacketType.FOLLOWERINFO, 0, info)).close[0][1]
    assert play.leader.learners == {}


@given(st.integers(1, 19), st.sampled_from(["GREETING", "WAITING", "PROMISING", "SYNCING", "SERVING"]))
def test_a_packet_out_of_turn_ends_the_connection(kind: int, stage: str) -> None:
    """Every type at every stage: taken where it belongs, else the link is closed and nothing else happens."""
    play = LeaderPlay(majority([1, 2, 3, 4, 5]) if stage == "WAITING" else THREE)
    play.leader.opened(1, 0.0, play.out)
    if stage != "GREETING":
        play.hear(1, packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode()))
    if stage in ("SYNCING", "SERVING"):
        play.promise(1)
    if stage == "SERVING":
        play.ack_new_leader(1)
    assert play.leader.learners[1].stage.name == stage

    out = play.hear(1, Packet(kind, z(1, 0), bytes(20)))

    closed = bool(out.close)
    expected = {
        "GREETING": {PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO},
        "WAITING": set(),
        "PROMISING": set(),  # ACKEPOCH has four bytes of data
        "SYNCING": {PacketType.ACK},
        "SERVING": {PacketType.ACK, PacketType.REQUEST},
    }[stage]
    if kind in (PacketType.PING, PacketType.REVALIDATE) and stage == "SERVING":
        return  # 20 bytes are no sessions; tested below
    if stage == "GREETING" and kind in expected:
        assert closed, "twenty zero bytes say a protocol version of 0"
    else:
        assert closed == (kind not in expected)


def test_messages_of_leaders_are_refused() -> None:
    """A learner proposes nothing."""
    play = established()
    assert play.hear(1, Proposals(transactions(1, 1))).close
    play = established()
    assert play.hear(1, Commits(z(1, 1), z(1, 1))).close


def test_a_server_that_connects_anew_replaces_itself() -> None:
    """The old link is closed."""
    play = LeaderPlay(majority([1, 2, 3, 4, 5]))
    play.greet(1)
    play.leader.opened(8, 0.0, Effects())
    out = play.hear(8, packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode()))

    assert [link for link, _ in out.close] == [1]


def test_too_many_connections_are_refused() -> None:
    """A bound on what callers can cost."""
    play = LeaderPlay()
    out = Effects()
    for link in range(LINKS_MAX + 1):
        play.leader.opened(link, 0.0, out)

    assert [link for link, _ in out.close] == [LINKS_MAX]


# synchronisation


def test_the_leader_counts_itself_when_its_history_is_durable() -> None:
    """Transactions, then currentEpoch, then its own acknowledgement: the same rule as for learners."""
    play = LeaderPlay(history=transactions(1, 1, 2), epoch=1)
    play.ledger.synced = z(1, 1)
    play.greet(1, 1)
    play.promise(1, z(1, 2), 1)
    out = play.ack_new_leader(1)
    assert (out.current_epoch, out.became) == (None, [])
    out = play.synced()

    assert out.current_epoch == 2
    assert out.became == [(Role.LEADING, 2)]
    assert said(out, 1) == [UPTODATE]


def test_what_a_learner_lacks_is_sent_and_committed() -> None:
    """DIFF with each PROPOSAL and its COMMIT, then NEWLEADER."""
    history = transactions(1, 1, 2, 3)
    play = LeaderPlay(history=history, epoch=1)
    play.greet(1, 1)
    out = play.promise(1, z(1, 1), 1)

    assert said(out, 1) == [
        Packet(PacketType.DIFF, z(1, 3)),
        Proposals([history[1]]),
        Commits(z(1, 2), z(1, 2)),
        Proposals([history[2]]),
        Commits(z(1, 3), z(1, 3)),
        Packet(PacketType.NEWLEADER, z(2, 0), THREE.text().encode()),
    ]


def test_what_was_never_committed_is_cut_off() -> None:
    """ZOOKEEPER-2832: TRUNC to the end of this leader's history."""
    play = LeaderPlay(history=transactions(1, 1, 2), epoch=2)
    play.greet(1, 2)
    play.promise(1, z(1, 2), 2)
    play.ack_new_leader(1)
    play.greet(2, 2)
    out = play.promise(2, z(1, 5), 1)

    assert said(out, 2)[0] == Packet(PacketType.TRUNC, z(1, 2))


def test_a_learner_too_far_behind_gets_the_state() -> None:
    """ZOOKEEPER-3104: SNAP when a cut could be made, the body behind it, then NEWLEADER and what is on its way."""
    play = established()
    play.propose(1, 2)
    play.synced()
    play.hear(1, Acks(z(1, 1), z(1, 1)))
    play.ledger.recent.clear()
    play.greet(2, 1)
    out = play.promise(2, 0, 0)
    assert (out.freeze, said(out, 2)) == ([2], [])
    play.propose(3)
    assert said(play.out, 2) == [], "nothing before the SNAP"
    out = Effects()
    play.leader.frozen(2, z(1, 1), 0.0, out)

    assert said(out, 2) == [
        Packet(PacketType.SNAP, z(1, 1)),
        "body",
        NEWLEADER,
        Proposals(transactions(1, 2, 3)),
    ]
    assert said(play.propose(4), 2) == [Proposals(transactions(1, 4))]


def test_a_cut_for_a_learner_that_left_is_of_no_use() -> None:
    """Nothing is sent."""
    play = established()
    out = Effects()
    play.leader.frozen(99, 0, 0.0, out)
    play.leader.frozen(1, 0, 0.0, out)

    assert out.send == []


def test_a_late_follower_gets_what_is_on_its_way() -> None:
    """ZOOKEEPER-4394: outstanding proposals follow NEWLEADER. A COMMIT before UPTODATE would end the connection of Apache's
    learner, had it got the proposal before."""
    play = established()
    play.propose(1)
    play.greet(2, 0)
    out = play.promise(2)
    assert said(out, 2) == [Packet(PacketType.DIFF, 0), NEWLEADER, Proposals(transactions(1, 1))]
    play.synced()
    out = play.hear(1, Acks(z(1, 1), z(1, 1)))

    assert said(out, 2) == [Commits(z(1, 1), z(1, 1))]
    assert said(play.ack_new_leader(2), 2) == [UPTODATE]


def test_a_learner_of_another_epoch_is_refused() -> None:
    """Its ACK of NEWLEADER names the epoch."""
    play = LeaderPlay()
    play.greet(1)
    play.promise(1)

    assert play.hear(1, packet(PacketType.ACK, z(5, 0))).close


# broadcast


def test_a_batch_is_one_buffer_for_all_followers() -> None:
    """Encoded once, and committed once a quorum has logged it: the leader by its own sync, in one buffer again."""
    play = established()
    play.join(2)
    out = play.propose(1, 2, 3)
    assert [data for _, data in out.send] == [out.send[0][1]] * 2
    assert out.send[0][1] is out.send[1][1]
    assert out.persist == transactions(1, 1, 2, 3)
    assert play.synced().deliver == [], "the leader's disk alone commits nothing"
    out = play.hear(2, Acks(z(1, 1), z(1, 2)))

    assert out.deliver == transactions(1, 1, 2)
    assert said(out, 1) == said(out, 2) == [Commits(z(1, 1), z(1, 2))]


def test_the_leader_need_not_wait_for_its_own_disk() -> None:
    """Two followers are a quorum."""
    play = established()
    play.join(2)
    play.propose(1)
    play.hear(1, Acks(z(1, 1), z(1, 1)))

    assert play.hear(2, Acks(z(1, 1), z(1, 1))).deliver == transactions(1, 1)


def test_observers_are_informed_of_what_is_committed() -> None:
    """INFORM with the transaction; an observer's ACK would not count."""
    play = LeaderPlay(OBSERVED)
    play.join(1)
    play.join(4, kind=PacketType.OBSERVERINFO)
    assert said(play.propose(1), 4) == []
    play.hear(4, Acks(z(1, 1), z(1, 1)))
    assert play.synced().deliver == []
    out = play.hear(1, Acks(z(1, 1), z(1, 1)))

    assert said(out, 4) == [Informs(transactions(1, 1))]
    assert said(out, 1) == [Commits(z(1, 1), z(1, 1))]


def test_an_ack_before_newleader_counts_after_it() -> None:
    """ZOOKEEPER-4685: Apache's followers may send them in that order."""
    play = established()
    play.propose(1)
    play.synced()
    play.leader.closed(99)
    play.greet(2)
    play.promise(2)
    assert play.hear(2, Acks(z(1, 1), z(1, 1))).deliver == []
    assert play.ack_new_leader(2).deliver == transactions(1, 1)


def test_an_ack_of_what_was_never_proposed_ends_the_connection() -> None:
    """It cannot be true."""
    play = established()
    play.propose(1)

    assert play.hear(1, Acks(z(1, 1), z(1, 2))).close


def sync(play: LeaderPlay, *links: int) -> Effects:
    """Syncs of learners' clients, or of the leader's own (link 0), which came together."""
    play.out = Effects()
    for link in links:
        play.leader.sync(ForwardedRequest(0, 0, 9, b"", (), link), play.now, play.out)
    assert play.leader.deadline() <= play.now, "the quorum is asked at once"
    play.leader.tick(play.now, play.out)
    return play.out


def pinged(out: Effects, link: int) -> int:
    """The number of the PING that goes to a learner."""
    [number] = [word.zxid for word in said(out, link) if isinstance(word, Packet) and word.type == PacketType.PING]
    return number


def pong(number: int) -> Packet:
    """What a learner says to a PING of that number, be it ours or Apache's."""
    return packet(PacketType.PING, number, b"")


SYNC = Packet(PacketType.SYNC, 0)


def test_a_sync_waits_for_what_was_proposed_before_it() -> None:
    """And for nothing that came later; answered in order, here and on learners' links."""
    play = established()
    play.propose(1)
    number = pinged(sync(play, 1, 0), 1)
    assert said(play.hear(1, pong(number)), 1) == []
    play.propose(2)
    play.synced()
    out = play.hear(1, Acks(z(1, 1), z(1, 1)))

    assert said(out, 1) == [Commits(z(1, 1), z(1, 1)), SYNC]
    assert out.syncs_done == 1


def test_a_sync_waits_for_a_quorum_that_was_asked_after_it_came() -> None:
    """An answer to an earlier PING proves nothing: another leader may have been chosen since."""
    play = established()
    earlier = pinged(play.pass_time(0.5), 1)
    number = pinged(sync(play, 0), 1)
    assert number > earlier
    assert play.hear(1, pong(earlier)).syncs_done == 0
    assert play.hear(1, pong(number)).syncs_done == 1


def test_a_deposed_leader_answers_no_sync() -> None:
    """Nobody follows it any more, though it does not know: the sync waits until the leader steps down."""
    play = established()
    play.join(2)
    sync(play, 0)
    for _ in range(9):
        assert play.pass_time(0.5).syncs_done == 0
    play.pass_time(0.5)

    assert "no quorum" in str(play.leader.lost)
    assert play.out.syncs_done == 0


def test_observers_do_not_confirm_a_leader() -> None:
    """Nor does a number that was never sent; one voter of three servers does, with the leader."""
    play = LeaderPlay(OBSERVED)
    play.join(1)
    play.join(4, kind=PacketType.OBSERVERINFO)
    number = pinged(sync(play, 4), 4)
    assert said(play.hear(4, pong(number)), 4) == []
    assert said(play.hear(1, pong(number + 1)), 4) == []
    assert said(play.hear(1, pong(number)), 4) == [SYNC]


def test_syncs_that_come_together_ask_once() -> None:
    """One PING for each learner; a sync that comes before the answer has its own, and is answered in order."""
    play = established()
    first = pinged(sync(play, 1, 0, 1), 1)
    second = pinged(sync(play, 1), 1)
    out = play.hear(1, pong(first))
    assert (said(out, 1), out.syncs_done) == ([SYNC, SYNC], 1)
    assert said(play.hear(1, pong(second)), 1) == [SYNC]


def test_a_leader_of_one_asks_nobody() -> None:
    """It is the quorum."""
    play = LeaderPlay(majority([3]))
    assert play.leader.serving
    assert sync(play, 0).syncs_done == 1


def test_requests_reach_the_application_with_their_learner() -> None:
    """Who asks, by which link, with which identities."""
    play = established()
    request = Packet(PacketType.REQUEST, -1, bytes(7) + b"\5" + bytes(3) + b"\6" + bytes(3) + b"\1" + b"body", (Id("ip", "::1"),))

    assert play.hear(1, request).requests == [ForwardedRequest(5, 6, 1, b"body", (Id("ip", "::1"),), 1)]


def test_sessions_are_touched_and_revalidated() -> None:
    """A PING's reply tells which sessions live at a learner; REVALIDATE asks for one."""
    play = established()
    out = play.hear(1, packet(PacketType.PING, 0, encode_sessions([(5, 4000), (6, 8000)])))
    assert out.touched == [(5, 4000), (6, 8000)]
    out = play.hear(1, packet(PacketType.PING, 0, None))
    assert out.touched == []
    out = play.hear(1, packet(PacketType.REVALIDATE, -1, encode_sessions([(5, 4000)])))
    assert out.revalidate == [(1, 5, 4000)]
    assert play.hear(1, packet(PacketType.PING, 0, b"123")).close
