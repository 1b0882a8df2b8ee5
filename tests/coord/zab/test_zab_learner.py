"""The learner, packet by packet: what it promises when, and what it has by then."""

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
    parse_request,
)
from coord.zab import learner as learner_module
from coord.zab.application import ForwardedRequest, Role
from coord.zab.effects import Effects
from coord.zab.learner import CONNECT_TIMEOUT, NOBODYS_ZXID, Phase
from tests.coord.zab.zab_play import LearnerPlay, NoHistory, packet, said, transactions, z

NEWLEADER = Packet(PacketType.NEWLEADER, z(1, 0), b"")
UPTODATE = Packet(PacketType.UPTODATE, -1)
ACK_EPOCH = Packet(PacketType.ACK, z(1, 0))


def minus_one() -> bytes:
    """The epoch in ACKEPOCH of one that promised before."""
    return b"\xff\xff\xff\xff"


def test_a_normal_start() -> None:
    """FOLLOWERINFO, LEADERINFO, ACKEPOCH, DIFF, NEWLEADER, ACK, UPTODATE, ACK, with the epochs durable on the way."""
    play = LearnerPlay()
    assert play.out.connect == 3
    assert said(play.connect(), 7) == [Packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode())]
    out = play.hear(packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0"))
    assert out.accepted_epoch == 1
    assert said(out, 7) == [Packet(PacketType.ACKEPOCH, 0, bytes(4))]
    out = play.hear(packet(PacketType.DIFF, 0), NEWLEADER)
    assert out.current_epoch == 1
    assert said(out, 7) == [ACK_EPOCH]
    out = play.hear(UPTODATE)
    assert out.became == [(Role.FOLLOWING, 1)]
    assert said(out, 7) == [ACK_EPOCH]


def test_it_tells_what_it_promised_and_what_it_has() -> None:
    """acceptedEpoch in FOLLOWERINFO, currentEpoch and the end of its log in ACKEPOCH."""
    play = LearnerPlay(transactions(4, 1, 2), epoch=4)
    play.ledger.accepted_epoch = 6
    assert said(play.connect(), 7)[0] == Packet(PacketType.FOLLOWERINFO, z(6, 0), LearnerInfo(1).encode())
    out = play.hear(packet(PacketType.LEADERINFO, z(7, 0), b"\0\1\0\0"))

    assert said(out, 7) == [Packet(PacketType.ACKEPOCH, z(4, 2), b"\0\0\0\4")]


def test_an_epoch_is_promised_once() -> None:
    """The same epoch again is answered with -1 and not saved; an older one ends the connection."""
    play = LearnerPlay(epoch=5)
    out = play.greeted(5)
    assert (out.accepted_epoch, said(out, 7)) == (None, [Packet(PacketType.ACKEPOCH, 0, minus_one())])
    play = LearnerPlay(epoch=5)
    play.greeted(4)
    assert "epoch 5 is promised already" in str(play.learner.lost)


def test_newleader_waits_for_the_disk() -> None:
    """ZOOKEEPER-3911, ZOOKEEPER-4643, ZOOKEEPER-4646, ZOOKEEPER-4785: every transaction that came before it, then
    currentEpoch, then the ACK."""
    play = LearnerPlay()
    play.greeted()
    entries = transactions(1, 1, 2)
    out = play.hear(packet(PacketType.DIFF, z(1, 2)), Proposals(entries), Commits(z(1, 1), z(1, 1)), NEWLEADER)
    assert out.persist == entries
    assert (out.current_epoch, said(out, 7)) == (None, [])
    out = play.synced(z(1, 1))
    assert (out.current_epoch, said(out, 7)) == (None, [])
    out = play.synced()

    assert out.current_epoch == 1
    assert said(out, 7) == [ACK_EPOCH, Acks(z(1, 2), z(1, 2))], "what is committed needs no ACK"


def test_what_it_had_logged_unsynced_must_be_durable_too() -> None:
    """DIFF says that its log is the leader's history: the ACK of NEWLEADER vouches for all of it."""
    play = LearnerPlay()
    play.ledger.append(transactions(1, 1, 2), Effects())
    play.ledger.accepted_epoch = play.ledger.current_epoch = 1
    play.greeted(2)
    out = play.hear(packet(PacketType.DIFF, z(1, 2)), Packet(PacketType.NEWLEADER, z(2, 0), b""))
    assert said(out, 7) == []

    assert said(play.synced(), 7) == [Packet(PacketType.ACK, z(2, 0))]


def test_nothing_is_delivered_before_uptodate() -> None:
    """COMMITs may come before NEWLEADER, between it and UPTODATE, and with UPTODATE."""
    play = LearnerPlay()
    play.greeted()
    entries = transactions(1, 1, 2, 3)
    play.hear(packet(PacketType.DIFF, z(1, 1)), Proposals(entries), Commits(z(1, 1), z(1, 1)), NEWLEADER)
    play.synced()
    assert play.hear(Commits(z(1, 2), z(1, 2))).deliver == []
    out = play.hear(UPTODATE, Commits(z(1, 3), z(1, 3)))

    assert out.became == [(Role.FOLLOWING, 1)]
    assert out.deliver == entries


def test_what_is_committed_while_newleader_hardens_is_acknowledged() -> None:
    """The ACK of NEWLEADER speaks for what came before it. What came behind it has a quorum without this server, yet the
    leader waits for its ACK too: without one it would take this server for dead as soon as nobody writes any more."""
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.DIFF, z(1, 1)), Proposals(transactions(1, 1)), Commits(z(1, 1), z(1, 1)), NEWLEADER)
    play.hear(Proposals(transactions(1, 2)), Commits(z(1, 2), z(1, 2)))
    out = play.synced()

    assert said(out, 7) == [packet(PacketType.ACK, z(1, 0)), Acks(z(1, 2), z(1, 2))]


def test_a_leader_lost_before_uptodate_leaves_only_a_log() -> None:
    """What it sent is logged and not delivered: the next leader may cut it off."""
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.DIFF, z(1, 1)), Proposals(transactions(1, 1)), Commits(z(1, 1), z(1, 1)))
    play.learner.closed(7, "gone")

    assert "gone" in str(play.learner.lost)
    assert list(play.ledger.pending) == transactions(1, 1)


def test_trunc_cuts_the_log() -> None:
    """Durably, before anything is appended; then as with DIFF."""
    play = LearnerPlay(transactions(1, 1, 2, 3), epoch=1)
    play.greeted(2)
    new = transactions(2, 1)
    out = play.hear(packet(PacketType.TRUNC, z(1, 2)), Proposals(new), Commits(z(2, 1), z(2, 1)))
    assert (out.rewind, out.persist) == (z(1, 2), new)
    assert list(play.ledger.pending) == [*transactions(1, 1, 2), *new]
    play.hear(Packet(PacketType.NEWLEADER, z(2, 0), b""))
    play.synced()

    assert play.hear(UPTODATE).deliver == [*transactions(1, 1, 2), *new]


def test_trunc_beyond_the_log_is_no_trunc() -> None:
    """The leader takes this server for another one."""
    play = LearnerPlay(transactions(1, 1), epoch=1)
    play.greeted(2)
    play.hear(packet(PacketType.TRUNC, z(1, 5)))

    assert "TRUNC to 0x100000005" in str(play.learner.lost)


def test_a_cut_back_behind_every_snapshot_becomes_a_snapshot() -> None:
    """The state came from a leader that failed before its epoch was established (core seed 1040941, with 3 nodes)."""
    play = LearnerPlay(epoch=1, history=NoHistory(oldest=z(1, 5)))
    play.ledger.replaced(z(1, 5))
    play.ledger.saved()
    assert said(play.greeted(2), 7) == [Packet(PacketType.ACKEPOCH, z(1, 5), b"\0\0\0\1")]
    out = play.hear(packet(PacketType.TRUNC, z(1, 2)))
    assert out.rewind is None
    assert "no snapshot is that old" in str(play.learner.lost)
    play.begin()
    assert said(play.greeted(2), 7) == [Packet(PacketType.ACKEPOCH, NOBODYS_ZXID, minus_one())]
    play.begin()
    assert said(play.greeted(3), 7) == [Packet(PacketType.ACKEPOCH, z(1, 5), b"\0\0\0\1")], "another leader hears the truth"
    play.begin()
    play.ledger.stranded = 3
    play.greeted(3)
    play.hear(packet(PacketType.SNAP, z(2, 1)))
    play.learner.restored(7, z(2, 1), 0.0, Effects())
    play.begin()
    assert said(play.greeted(3), 7) == [Packet(PacketType.ACKEPOCH, z(2, 1), minus_one())]


def test_a_state_is_saved_before_anything_is_logged_behind_it() -> None:
    """ZOOKEEPER-3642: SNAP is restored, saved, then the log, then currentEpoch, then the ACK."""
    play = LearnerPlay(transactions(1, 1), epoch=1)
    play.greeted(2)
    play.hear(packet(PacketType.SNAP, z(1, 9)))
    assert play.learner.phase is Phase.RESTORING
    out = Effects()
    play.learner.restored(7, z(1, 9), 0.0, out)
    assert out.save
    entries = [*transactions(1, 10), *transactions(2, 1)]
    out = play.hear(
        Proposals(entries[:1]), Commits(z(1, 10), z(1, 10)), Proposals(entries[1:]), Packet(PacketType.NEWLEADER, z(2, 0), b"")
    )
    assert (out.persist, out.current_epoch, said(out, 7)) == ([], None, [])
    out = Effects()
    play.ledger.saved()
    play.learner.saved(0.0, out)
    assert (out.persist, out.current_epoch) == (entries, None)
    out = play.synced()
    assert out.current_epoch == 2
    assert said(out, 7) == [Packet(PacketType.ACK, z(2, 0)), Acks(z(2, 1), z(2, 1))]

    assert play.hear(UPTODATE).deliver == entries[:1]


def test_what_waits_for_a_snapshot_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk too slow for its leader begins anew."""
    monkeypatch.setattr(learner_module, "UNLOGGED_BYTES_MAX", 8)
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.SNAP, z(1, 0)))
    play.learner.restored(7, z(1, 0), 0.0, Effects())
    play.hear(Proposals([(z(1, 1), bytes(8))]))
    assert play.learner.lost is None
    play.hear(Proposals([(z(1, 2), b"x")]))
    assert "while a snapshot is being saved" in str(play.learner.lost)


def test_proposals_are_acknowledged_when_durable_one_by_one() -> None:
    """One ACK for each, in order, none twice, none early."""
    play = LearnerPlay()
    play.serving()
    out = play.hear(Proposals(transactions(1, 1, 2, 3)))
    assert (out.persist, said(out, 7)) == (transactions(1, 1, 2, 3), [])
    assert said(play.synced(z(1, 2)), 7) == [Acks(z(1, 1), z(1, 2))]
    assert said(play.synced(), 7) == [Acks(z(1, 3), z(1, 3))]
    assert said(play.synced(), 7) == []


def test_a_commit_need_not_wait_for_this_disk() -> None:
    """A quorum without this server has it."""
    play = LearnerPlay()
    play.serving()
    play.hear(Proposals(transactions(1, 1, 2)))

    assert play.hear(Commits(z(1, 1), z(1, 2))).deliver == transactions(1, 1, 2)


def test_proposals_sent_twice_are_logged_once() -> None:
    """A leader may repeat what it sent while it synchronised."""
    play = LearnerPlay()
    play.serving()
    play.hear(Proposals(transactions(1, 1, 2)))

    assert play.hear(Proposals(transactions(1, 2, 3))).persist == transactions(1, 3)
    assert play.hear(Proposals(transactions(1, 1))).persist == []
    assert play.learner.lost is None


@pytest.mark.parametrize("entries", [transactions(1, 3), transactions(2, 2)], ids=["within", "across"])
def test_a_hole_in_the_history_ends_the_connection(entries: list[tuple[int, bytes]]) -> None:
    """ZOOKEEPER-4925: within an epoch every number is there, and an epoch begins with 1."""
    play = LearnerPlay()
    play.serving()
    play.hear(Proposals(transactions(1, 1)))
    play.hear(Proposals(entries))

    assert "something is missing" in str(play.learner.lost)


def test_a_commit_of_what_was_never_proposed_ends_the_connection() -> None:
    """There would be nothing to deliver."""
    play = LearnerPlay()
    play.serving()
    play.hear(Commits(z(1, 1), z(1, 1)))

    assert "COMMIT of 0x100000001" in str(play.learner.lost)


def test_an_observer_is_informed() -> None:
    """Logged and delivered at once, never acknowledged; committed proposals come while it is synchronised."""
    play = LearnerPlay(role=Role.OBSERVING)
    assert said(play.connect(), 7)[0] == Packet(PacketType.OBSERVERINFO, 0, LearnerInfo(1).encode())
    play.hear(packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0"))
    play.hear(packet(PacketType.DIFF, z(1, 1)), Proposals(transactions(1, 1)), Commits(z(1, 1), z(1, 1)))
    play.hear(Informs(transactions(1, 2)), NEWLEADER)
    assert said(play.synced(), 7) == [ACK_EPOCH]
    out = play.hear(UPTODATE, Informs(transactions(1, 3)))

    assert out.became == [(Role.OBSERVING, 1)]
    assert out.deliver == transactions(1, 1, 2, 3)
    assert said(play.synced(), 7) == []


def test_a_new_configuration_is_committed_like_the_rest() -> None:
    """COMMITANDACTIVATE to followers, INFORMANDACTIVATE with the transaction to observers."""
    play = LearnerPlay()
    play.serving()
    play.hear(Proposals(transactions(1, 1)))
    assert play.hear(packet(PacketType.COMMITANDACTIVATE, z(1, 1), bytes(8))).deliver == transactions(1, 1)
    play = LearnerPlay(role=Role.OBSERVING)
    play.serving()
    data = bytes(8) + b"1.1"
    assert play.hear(packet(PacketType.INFORMANDACTIVATE, z(1, 1), data)).deliver == transactions(1, 1)


def test_pings_are_answered_with_sessions_once_it_may_speak() -> None:
    """Before the ACK of NEWLEADER the leader expects nothing else."""
    play = LearnerPlay()
    play.greeted()
    assert play.hear(packet(PacketType.DIFF, 0), packet(PacketType.PING, 5)).pongs == []
    play.hear(NEWLEADER)
    assert play.hear(packet(PacketType.PING, 6)).pongs == [(7, 6)]


def test_requests_go_out_in_order() -> None:
    """With their headers and identities; a sync's answer comes after what it waited for."""
    play = LearnerPlay()
    play.serving()
    out = Effects()
    requests = [ForwardedRequest(5, 1, 1, b"a", (Id("ip", "x"),)), ForwardedRequest(6, 2, 9, b"", ())]
    play.learner.forward(requests, out)
    words = said(out, 7)
    play.hear(Proposals(transactions(1, 1)))
    answer = play.hear(Commits(z(1, 1), z(1, 1)), packet(PacketType.SYNC))

    assert [(*parse_request(word), word.auth) for word in words if isinstance(word, Packet)] == [rq[:5] for rq in requests]
    assert (answer.deliver, answer.syncs_done) == (transactions(1, 1), 1)


def test_a_session_is_revalidated_by_the_leader() -> None:
    """Asked and answered by REVALIDATE."""
    play = LearnerPlay()
    play.serving()
    out = Effects()
    play.learner.revalidate(-5, 4000, out)
    assert said(out, 7) == [Packet(PacketType.REVALIDATE, -1, (-5).to_bytes(8, "big", signed=True) + b"\0\0\x0f\xa0")]
    answer = packet(PacketType.REVALIDATE, -1, (-5).to_bytes(8, "big", signed=True) + b"\1")
    assert play.hear(answer).revalidated == [(-5, True)]
    play.hear(packet(PacketType.REVALIDATE, -1, b""))
    assert play.learner.lost is not None


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (Phase.CONNECTING, CONNECT_TIMEOUT),
        (Phase.GREETING, 10.0),
        (Phase.SYNCING, 10.0),
        (Phase.WAITING, 5.0),
        (Phase.SERVING, 5.0),
    ],
)
def test_a_silent_leader_is_left(phase: Phase, seconds: float) -> None:
    """initLimit while joining, syncLimit from the ACK of NEWLEADER on; a leader that cannot be reached is left soon."""
    play = LearnerPlay()
    if phase is Phase.GREETING:
        play.connect()
    elif phase is Phase.SYNCING:
        play.greeted()
        play.hear(packet(PacketType.DIFF, 0))
    elif phase is Phase.WAITING:
        play.greeted()
        play.hear(packet(PacketType.DIFF, 0), NEWLEADER)
    elif phase is Phase.SERVING:
        play.serving()
    assert play.learner.phase is phase
    assert play.learner.deadline() == seconds
    play.learner.tick(seconds - 0.1, Effects())
    assert play.learner.lost is None
    play.learner.tick(seconds, Effects())
    assert "silent for too long" in str(play.learner.lost)


def test_its_own_slow_disk_is_not_the_leaders_silence() -> None:
    """While NEWLEADER waits for this disk there is no deadline."""
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.DIFF, z(1, 1)), Proposals(transactions(1, 1)), NEWLEADER)

    assert play.learner.deadline() == float("inf")


@given(st.integers(1, 19), st.sampled_from([Phase.GREETING, Phase.PROMISED, Phase.SYNCING, Phase.WAITING, Phase.SERVING]))
def test_a_packet_out_of_turn_ends_the_connection(kind: int, phase: Phase) -> None:
    """Every type in every phase: taken where it belongs, else the leader is left."""
    play = LearnerPlay()
    play.connect() if phase is Phase.GREETING else play.greeted()
    if phase in (Phase.SYNCING, Phase.WAITING, Phase.SERVING):
        play.hear(packet(PacketType.DIFF, 0))
    if phase in (Phase.WAITING, Phase.SERVING):
        play.hear(NEWLEADER)
    if phase is Phase.SERVING:
        play.hear(UPTODATE)
    assert play.learner.phase is phase
    data = {17: b"\0\1\0\0"}.get(kind, bytes(20))
    zxid = {14: 0, 17: z(2, 0), 10: z(1, 0), 19: z(1, 1)}.get(kind, 0)

    play.hear(Packet(kind, zxid, data))

    taken = {
        Phase.GREETING: {PacketType.LEADERINFO},
        Phase.PROMISED: {PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP},
        Phase.SYNCING: {PacketType.NEWLEADER, PacketType.COMMITANDACTIVATE, PacketType.INFORMANDACTIVATE},
        Phase.WAITING: {PacketType.UPTODATE, PacketType.COMMITANDACTIVATE, PacketType.INFORMANDACTIVATE},
        Phase.SERVING: {PacketType.SYNC, PacketType.REVALIDATE, PacketType.COMMITANDACTIVATE, PacketType.INFORMANDACTIVATE},
    }[phase] | {PacketType.PING}
    assert (play.learner.lost is None) == (kind in taken)


@pytest.mark.parametrize(
    "message", [Acks(z(1, 1), z(1, 1)), Proposals(transactions(1, 1)), Commits(z(1, 1), z(1, 1)), Informs(transactions(1, 1))]
)
def test_runs_out_of_turn_end_the_connection(message: Acks) -> None:
    """Nobody acknowledges to a learner, and before DIFF, TRUNC or SNAP there is nothing to log."""
    play = LearnerPlay()
    play.greeted()
    play.hear(message)

    assert play.learner.lost is not None


@pytest.mark.parametrize("data", [None, b"", b"\0\0\xff\xff"])
def test_a_leader_of_the_old_protocol_is_left(data: bytes | None) -> None:
    """LEADERINFO must say at least 0x10000."""
    play = LearnerPlay()
    play.connect()
    play.hear(packet(PacketType.LEADERINFO, z(1, 0), data))

    assert "before ZooKeeper 3.4" in str(play.learner.lost)


def test_newleader_of_another_epoch_is_refused() -> None:
    """It must be the epoch that was promised."""
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.DIFF, 0), Packet(PacketType.NEWLEADER, z(2, 0), b""))

    assert "NEWLEADER" in str(play.learner.lost)


def test_other_links_are_not_the_leader() -> None:
    """Late words of an earlier connection mean nothing, and a second connection is closed."""
    play = LearnerPlay()
    play.connect()
    out = Effects()
    play.learner.received(6, [UPTODATE], 0.0, out)
    play.learner.closed(6, "gone")
    play.learner.connected(8, 0.0, out)

    assert play.learner.lost is None
    assert [link for link, _ in out.close] == [8]


def test_leaving_closes_the_link() -> None:
    """And ends the attempts to connect."""
    play = LearnerPlay()
    out = Effects(connect=3)
    play.learner.stop(out)
    assert (out.disconnect, out.connect, out.close) == (True, None, [])
    play.connect()
    play.learner.stop(out := Effects())
    assert [link for link, _ in out.close] == [7]
