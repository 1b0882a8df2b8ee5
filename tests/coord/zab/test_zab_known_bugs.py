"""Mistakes that ZooKeeper's servers made while they elected, synchronised or stopped, played against these cores.

Each test opens with the number under which the mistake is known; docs/known-bugs.md lists them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from coord.wire.election import Notification
from coord.wire.quorum import Acks, Commits, LearnerInfo, Message, Packet, PacketType, Proposals
from coord.wire.zxid import first_of
from coord.zab.application import Role, Transaction
from coord.zab.catchup import Diff, Snap, choose
from coord.zab.effects import Effects
from coord.zab.events import Connected, Event, LinkClosed, LinkOpened, Notified, Proposed, Received, Synced
from coord.zab.follower import Stage
from coord.zab.ledger import Ledger
from coord.zab.membership import Membership
from coord.zab.peer import Peer
from tests.coord.zab.zab_play import (
    OBSERVED,
    THREE,
    TIMING,
    LeaderPlay,
    LearnerPlay,
    NoHistory,
    packet,
    said,
    transactions,
    z,
)

UPTODATE = Packet(PacketType.UPTODATE, -1)


class Server:
    """A whole server's core, of which the test is the disk and the others."""

    def __init__(self, sid: int) -> None:
        self.ledger = Ledger(0, 0, 0)
        self.peer = Peer(sid, Membership(THREE), self.ledger, NoHistory(), TIMING, Random(1))
        self.peer.start(0.0)
        self.delivered: list[Transaction] = []

    def happens(self, *events: Event) -> Effects:
        out = self.peer.handle(events, 0.0)
        self.delivered += out.deliver
        return out

    def hear(self, link: int, *messages: Message) -> Effects:
        return self.happens(Received(link, list(messages)))

    def elect(self, leader: int, zxid: int = 0, epoch: int = 0) -> Effects:
        """All others want this leader."""
        note = Notification(Role.LOOKING, leader, zxid, self.peer._election.round, epoch)
        return self.happens(*(Notified(sid, note) for sid in (1, 2, 3) if sid != self.peer.sid))

    def greeted(self, link: int, epoch: int) -> Effects:
        """Connected to the elected, who has told its epoch."""
        self.happens(Connected(link))
        return self.hear(link, packet(PacketType.LEADERINFO, first_of(epoch), b"\0\1\0\0"))


def leading() -> Server:
    """Server 3 leads server 1 in epoch 1."""
    server = Server(3)
    server.elect(3)
    server.happens(LinkOpened(1))
    server.hear(1, packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode()))
    server.hear(1, packet(PacketType.ACKEPOCH, 0, bytes(4)))
    assert server.hear(1, packet(PacketType.ACK, z(1, 0))).became == [(Role.LEADING, 1)]
    return server


# what a server says that it has


@pytest.mark.parametrize("way", [PacketType.DIFF, PacketType.TRUNC])
def test_a_leader_lost_in_its_diff_has_given_what_it_gave(way: int) -> None:
    """ZOOKEEPER-2355: DIFF names the leader's last zxid. A follower whose leader fails before the proposals arrive has not
    got there: it said so nevertheless, and the end of a session was never sent to it, which kept its ephemerals."""
    play = LearnerPlay(transactions(1, 1, 2), epoch=1)
    play.greeted(2)
    play.hear(packet(way, z(1, 9) if way == PacketType.DIFF else z(1, 2)), Proposals(transactions(1, 3)))
    play.learner.closed(7, "gone in the middle of a packet")
    play.begin()
    play.connect()
    out = play.hear(packet(PacketType.LEADERINFO, z(3, 0), b"\0\1\0\0"))

    assert [(word.zxid, word.data) for word in said(out, 7) if isinstance(word, Packet)] == [(z(1, 3), b"\0\0\0\1")]


def test_what_was_logged_when_the_leader_went_is_part_of_the_vote() -> None:
    """ZOOKEEPER-4712: a follower that stopped serving went on to log what it had taken, behind the back of the state with
    which it voted and followed next. Here appended is appended: the vote counts it, the next leader's NEWLEADER waits until
    it is durable, and it is delivered with the rest."""
    server = Server(1)
    server.elect(3)
    server.greeted(7, 1)
    server.hear(7, packet(PacketType.DIFF), packet(PacketType.NEWLEADER, z(1, 0), b""))
    server.hear(7, UPTODATE)
    assert server.hear(7, Proposals(transactions(1, 1, 2))).persist == transactions(1, 1, 2)
    out = server.happens(LinkClosed(7, "gone"))
    assert {note.zxid for _, note in out.notify} == {z(1, 2)}
    out = server.happens(Synced(z(1, 1)))
    assert out.send == [], "nobody leads: nobody is told"

    server.elect(2, z(1, 2), 1)
    assert [word.zxid for word in said(server.greeted(8, 2), 8) if isinstance(word, Packet)] == [z(1, 2)]
    out = server.hear(8, packet(PacketType.DIFF, z(1, 2)), packet(PacketType.NEWLEADER, z(2, 0), b""))
    assert (out.current_epoch, said(out, 8)) == (None, [])
    out = server.happens(Synced(z(1, 2)))
    assert (out.current_epoch, said(out, 8)) == (2, [Packet(PacketType.ACK, z(2, 0))])
    server.hear(8, UPTODATE)

    assert server.delivered == transactions(1, 1, 2)


# what was never committed


def test_a_deposed_leader_takes_back_what_it_proposed() -> None:
    """ZOOKEEPER-2845: a server that loses its followers goes on without a restart, and keeps its state. What it proposed
    last is only in its log: the next leader cuts that off, and no state has ever known it."""
    server = leading()
    server.happens(Proposed([(server.peer.next_zxid(), b"never committed")]))
    server.happens(Synced(z(1, 1)))
    assert server.happens(LinkClosed(1, "reset")).became == [(Role.LOOKING, 1)]
    server.elect(2, z(1, 1), 2)
    server.greeted(7, 2)
    new = transactions(2, 1)
    out = server.hear(7, packet(PacketType.TRUNC, 0), Proposals(new), Commits(z(2, 1), z(2, 1)))
    assert (out.rewind, out.persist) == (0, new)
    server.hear(7, packet(PacketType.NEWLEADER, z(2, 0), b""))
    server.happens(Synced(z(2, 1)))
    server.hear(7, UPTODATE)

    assert server.delivered == new
    assert list(server.ledger.recent) == new, "nor is it sent to others, should this server lead again"


# the leader's history, as learners get it


def test_what_came_while_it_synchronised_is_handed_on_whole() -> None:
    """ZOOKEEPER-4925: what a follower had been told to commit before UPTODATE was missing from the history that it sent
    to others when it led later."""
    play = LearnerPlay(transactions(1, 1), epoch=1)
    play.greeted(2)
    history = [*transactions(1, 2, 3), *transactions(2, 1, 2, 3)]
    play.hear(packet(PacketType.DIFF, z(1, 3)))
    for zxid, data in history[:2]:
        play.hear(Proposals([(zxid, data)]), Commits(zxid, zxid))
    play.hear(packet(PacketType.NEWLEADER, z(2, 0), b""), Proposals(history[2:4]))
    play.synced()
    play.hear(Commits(z(2, 1), z(2, 1)))
    play.hear(UPTODATE, Commits(z(2, 2), z(2, 2)), Proposals(history[4:]))
    play.hear(Commits(z(2, 3), z(2, 3)))

    assert list(play.ledger.recent) == transactions(1, 1) + history
    assert choose(z(1, 1), play.ledger, NoHistory()) == Diff(z(2, 3), history)
    assert choose(z(1, 3), play.ledger, NoHistory()) == Diff(z(2, 3), history[2:])


class Gone(NoHistory):
    """A log that begins behind what a learner asks for; `at` is its first transaction."""

    def __init__(self, at: list[Transaction]) -> None:
        super().__init__()
        self.at = at

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        return iter(self.at) if any(entry[0] == zxid for entry in self.at) else None


@pytest.mark.parametrize("peer", [0, z(1, 0), z(1, 1), z(1, 2), z(2, 0)])
def test_a_leader_that_remembers_nothing_sends_its_state(peer: int) -> None:
    """ZOOKEEPER-4352: a leader whose window of committed transactions is empty, or has just begun, sent an empty server
    only what was in that window."""
    fresh = Ledger(2, 2, z(2, 1))
    began = Ledger(2, 2, z(2, 1))
    began.append(transactions(2, 2), Effects())
    began.deliver_to(z(2, 2), Effects())

    for ledger in (fresh, began):
        assert choose(peer, ledger, Gone([])) == Snap()
        assert choose(peer, ledger, Gone(transactions(2, 1, 2))) == Snap()


# who counts


def test_observers_decide_no_epoch() -> None:
    """ZOOKEEPER-2959: neither the epoch that an observer has promised, nor its ACKs of the epoch and of NEWLEADER, count for
    the quorum."""
    play = LeaderPlay(OBSERVED)
    play.greet(4, kind=PacketType.OBSERVERINFO)
    assert play.leader.epoch == 0, "an observer and this server are no quorum of three"
    play.greet(1)
    assert play.leader.epoch == 1
    play.promise(4)
    assert play.leader.learners[4].stage is Stage.PROMISED, "it waits for a voter's promise"
    play.promise(1)
    play.ack_new_leader(4)
    assert (play.leader.serving, play.out.became) == (False, [])

    assert play.ack_new_leader(1).became == [(Role.LEADING, 1)]
    play.propose(1)
    play.synced()
    assert play.hear(4, Acks(z(1, 1), z(1, 1))).deliver == []


# large trees


def needs_the_state(play: LeaderPlay) -> None:
    """Server 1 comes with nothing, and this leader's log does not reach back."""
    play.greet(1)
    assert play.promise(1).freeze == [1]
    play.leader.frozen(1, play.ledger.delivered, play.now, Effects())


def stream(play: LeaderPlay, seconds: int) -> None:
    """A piece of the body leaves every half second."""
    for _ in range(2 * seconds):
        play.pass_time(0.5)
        play.leader.streamed(1, play.now)


def test_a_quorum_that_needs_the_whole_state_is_waited_for() -> None:
    """ZOOKEEPER-1465: with a large tree no leader came to serve, because a step of its way took longer than initLimit. As
    long as the body of a voter's SNAP is on its way this one stays; when that stops, it has initLimit."""
    play = LeaderPlay(history=transactions(1, 1, 2), epoch=1)
    play.ledger.recent.clear()
    needs_the_state(play)
    stream(play, 60)
    assert play.leader.lost is None
    assert play.ack_new_leader(1).became == [(Role.LEADING, 2)]

    stuck = LeaderPlay(history=transactions(1, 1, 2), epoch=1)
    stuck.ledger.recent.clear()
    needs_the_state(stuck)
    stream(stuck, 20)
    stuck.pass_time(TIMING.init_timeout)
    assert stuck.leader.lost is not None


def test_a_state_that_takes_long_to_come_is_no_silence() -> None:
    """ZOOKEEPER-1465, on the learner's side: each piece counts, and the leader has initLimit again behind the last."""
    play = LearnerPlay()
    play.greeted()
    play.hear(packet(PacketType.SNAP, z(1, 5)))
    for _ in range(60):
        play.now += 1.0
        play.learner.tick(play.now, Effects())
        play.hear()
    assert play.learner.lost is None
    play.learner.tick(play.now + TIMING.init_timeout, Effects())
    assert "silent" in str(play.learner.lost)


def test_a_change_of_leader_copies_no_tree() -> None:
    """ZOOKEEPER-2678: servers that had nearly everything wrote a whole snapshot before they served, and a large ensemble was
    without a quorum for as long. A leader, and a learner that gets DIFF or TRUNC, save and freeze nothing."""
    leader = LeaderPlay(history=transactions(1, 1, 2), epoch=1)
    outs = [leader.out, leader.greet(1, 1), leader.promise(1, z(1, 1), 1), leader.ack_new_leader(1)]
    assert leader.leader.serving
    for way, zxid in ((PacketType.DIFF, z(1, 3)), (PacketType.TRUNC, z(1, 1))):
        play = LearnerPlay(transactions(1, 1, 2), epoch=1)
        outs += [play.out, play.greeted(2), play.hear(packet(way, zxid))]
        last = play.ledger.logged
        outs += [play.hear(Proposals(transactions(1, last % 2**32 + 1)), packet(PacketType.NEWLEADER, z(2, 0), b"")), play.synced()]
        outs += [play.hear(UPTODATE)]
        assert play.learner.serving

    assert not any(out.save or out.freeze for out in outs)
