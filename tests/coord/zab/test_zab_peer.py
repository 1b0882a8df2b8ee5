"""The composite: roles follow one another, what outlives them stays, and events that come too late do nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.election import Notification
from coord.wire.quorum import LearnerInfo, Message, Packet, PacketType, Proposals
from coord.zab.application import ForwardedRequest, Role
from coord.zab.effects import Effects
from coord.zab.events import (
    Connected,
    Event,
    ForwardAsked,
    Frozen,
    LinkClosed,
    LinkOpened,
    Notified,
    Proposed,
    Received,
    Restored,
    RevalidationAsked,
    Saved,
    Streamed,
    SyncAsked,
    Synced,
)
from coord.zab.ledger import Ledger
from coord.zab.membership import Membership
from coord.zab.peer import REST_MAX, Peer
from coord.zab.quorums import Ensemble, majority
from tests.coord.zab.zab_play import OBSERVED, THREE, TIMING, NoHistory, packet, said, transactions, z

LOOKING, FOLLOWING, LEADING = 0, 1, 2


def peer(sid: int = 1, ensemble: Ensemble = THREE, last_zxid: int = 0) -> Peer:
    """A server that just started."""
    made = Peer(sid, Membership(ensemble), Ledger(0, 0, last_zxid), NoHistory(), TIMING, Random(1))
    made.start(0.0)
    return made


def vote(leader: int, state: int = LOOKING, round_: int = 1, epoch: int = 0) -> Notification:
    """What another server says."""
    return Notification(state, leader, 0, round_, epoch)


def elect(server: Peer, leader: int, now: float = 0.0) -> Effects:
    """All others want this leader."""
    others = sorted(server.membership.voters - {server.sid})
    return server.handle([Notified(sid, vote(leader, round_=server._election.round)) for sid in others], now)


def hear(server: Peer, link: int, *messages: Message, now: float = 0.0) -> Effects:
    """A link speaks."""
    return server.handle([Received(link, list(messages))], now)


def following(now: float = 0.0) -> Peer:
    """Server 1 follows server 3 in epoch 1, over link 7."""
    server = peer()
    elect(server, 3, now)
    server.handle([Connected(7)], now)
    hear(server, 7, packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0"), now=now)
    hear(server, 7, packet(PacketType.DIFF), Packet(PacketType.NEWLEADER, z(1, 0), b""), now=now)
    assert hear(server, 7, packet(PacketType.UPTODATE, -1), now=now).became == [(Role.FOLLOWING, 1)]
    return server


def leading() -> Peer:
    """Server 3 leads server 1 in epoch 1, over link 1."""
    server = peer(3)
    elect(server, 3)
    server.handle([LinkOpened(1)], 0.0)
    hear(server, 1, packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode()))
    hear(server, 1, packet(PacketType.ACKEPOCH, 0, bytes(4)))
    assert hear(server, 1, packet(PacketType.ACK, z(1, 0))).became == [(Role.LEADING, 1)]
    return server


def test_it_starts_by_looking() -> None:
    """Its vote goes to all other voters."""
    server = Peer(1, Membership(THREE), Ledger(2, 2, z(2, 5)), NoHistory(), TIMING, Random(1))
    out = server.start(0.0)

    assert [(sid, note.leader, note.zxid, note.peer_epoch) for sid, note in out.notify] == [(2, 1, z(2, 5), 2), (3, 1, z(2, 5), 2)]
    assert server.leader is None


def test_the_elected_leads_and_the_others_follow() -> None:
    """The leader opens its port, the follower connects to it."""
    leader, follower, observer = peer(3), peer(1), peer(4, OBSERVED)

    assert elect(leader, 3).listen is True
    assert elect(follower, 3).connect == 3
    observer.handle([Notified(3, vote(3, LEADING)), Notified(2, vote(3, FOLLOWING))], 0.0)
    assert [server.role for server in (leader, follower, observer)] == [Role.LEADING, Role.FOLLOWING, Role.OBSERVING]
    assert [server.leader for server in (leader, follower, observer)] == [3, 3, 3]


def test_a_server_of_one_leads_at_once() -> None:
    """Election, epoch and establishment, with nobody to ask."""
    server = Peer(1, Membership(majority([1])), Ledger(3, 3, 0), NoHistory(), TIMING, Random(1))
    out = server.start(0.0)

    assert (out.accepted_epoch, out.current_epoch) == (4, 4)
    assert out.became == [(Role.LEADING, 4)]
    zxid = server.next_zxid()
    server.handle([Proposed([(zxid, b"x")])], 0.0)
    assert server.handle([Synced(zxid)], 0.0).deliver == [(z(4, 1), b"x")]


def test_looking_servers_are_told_of_the_leader() -> None:
    """With the epoch that it leads in, so that they can join; others than lookers are not answered."""
    server = following()
    out = server.handle([Notified(2, vote(2, LOOKING, 5)), Notified(3, vote(3, LEADING))], 0.0)

    ((sid, note),) = out.notify
    assert (sid, note.state, note.leader, note.peer_epoch) == (2, FOLLOWING, 3, 1)


def test_strangers_are_always_answered() -> None:
    """An observer that nobody configured asks whom to follow."""
    looking, serving = peer(1), leading()

    assert looking.handle([Notified(99, vote(99))], 0.0).notify[0][1].state == LOOKING
    assert serving.handle([Notified(99, vote(99))], 0.0).notify[0][1].state == LEADING


@pytest.mark.parametrize("answering", [peer, following], ids=["looking", "following"])
def test_two_that_are_strangers_to_each_other_fall_silent(answering: Callable[[], Peer]) -> None:
    """Core seeds 1009, 1019 and 1026: both knew configurations in which the other does not vote, and answered each other's
    answers for as long as they lived."""
    one, other = answering(), peer(99, majority([98, 99]))
    notes, exchanges = [vote(99)], 0
    while notes and exchanges < 10:
        exchanges += 1
        answers = [note for _, note in one.handle([Notified(99, note) for note in notes], 0.1).notify]
        notes = [note for sid, note in other.handle([Notified(1, note) for note in answers], 0.1).notify if sid == 1]

    assert exchanges <= 3
    assert one.handle([Notified(99, vote(99))], 1.0).notify, "who asks again later is answered again"


def test_a_lost_leader_means_a_new_election_at_once() -> None:
    """The application hears of it, and the vote goes out in the same breath."""
    server = following()
    out = server.handle([LinkClosed(7, "reset")], 1.0)

    assert out.became == [(Role.LOOKING, 1)]
    assert [sid for sid, _ in out.notify] == [2, 3]
    assert "reset" in server.reason


def test_a_leader_that_looks_itself_leads_no_more() -> None:
    """Its machine came back before the link was known to be dead: its vote speaks of this epoch. An older vote is one that
    was repeated when the election link was made anew."""
    server = following()
    server.handle([Notified(3, vote(3, epoch=0)), Notified(2, vote(2, epoch=1))], 1.0)
    assert server.role is Role.FOLLOWING
    out = server.handle([Notified(3, vote(3, epoch=1))], 1.0)

    assert out.became == [(Role.LOOKING, 1)]


def test_a_leader_without_a_quorum_looks_again() -> None:
    """Links are closed, the port too."""
    server = leading()
    out = server.handle([LinkClosed(1, "reset")], 1.0)

    assert out.became == [(Role.LOOKING, 1)]
    assert out.listen is False
    assert server.role is Role.LOOKING


def test_leaders_that_cannot_be_joined_are_approached_ever_more_slowly() -> None:
    """The first failure costs nothing; the wait then doubles, up to a second."""
    server, now, rests = peer(), 0.0, []
    for _ in range(9):
        out = elect(server, 3, now)
        assert out.connect == 3
        server.handle([Connected(7)], now)
        out = server.handle([LinkClosed(7, "refused")], now)
        assert out.became == [], "the application never served under it"
        begun = server.deadline()
        if out.notify:
            rests.append(0.0)
            continue
        rests.append(begun - now)
        assert server.handle([Notified(3, vote(3, round_=99))], now).notify == [], "it rests"
        now = begun
        assert server.handle([], now).notify

    assert rests[0] == 0.0
    assert rests[1:4] == sorted(rests[1:4])
    assert max(rests) <= REST_MAX
    assert server._election.round >= 99, "votes that came in between are not lost"


def test_no_election_before_a_restored_state_is_saved() -> None:
    """ZOOKEEPER-3642: the leader died behind its SNAP; the vote would speak of a history that the disk does not have."""
    server = peer()
    elect(server, 3)
    server.handle([Connected(7)], 0.0)
    hear(server, 7, packet(PacketType.LEADERINFO, z(1, 0), b"\0\1\0\0"))
    hear(server, 7, packet(PacketType.SNAP, z(1, 5)))
    assert server.handle([Restored(7, z(1, 5))], 0.0).save
    out = server.handle([LinkClosed(7, "gone")], 0.0)
    assert (out.notify, server.deadline()) == ([], inf)
    server.handle([Notified(2, vote(2))], 0.0)
    out = server.handle([Saved()], 3.0)

    assert out.notify[0][1].zxid == z(1, 5)
    assert server.ledger.synced == z(1, 5)


def test_a_sync_of_what_was_just_cut_off_counts_for_nothing() -> None:
    """The disk's word and the leader's TRUNC come in one batch; other transactions have the same zxids by then."""
    server = following()
    hear(server, 7, Proposals(transactions(1, 1, 2)))
    server.handle([LinkClosed(7, "gone")], 0.0)
    ballot = Notification(LOOKING, 3, z(1, 2), 2, 1)
    server.handle([Notified(2, ballot), Notified(3, ballot)], 0.0)
    server.handle([Connected(8)], 0.0)
    hear(server, 8, packet(PacketType.LEADERINFO, z(2, 0), b"\0\1\0\0"))
    anew = [(z(1, 2), b"another")]
    out = server.handle([Received(8, [packet(PacketType.TRUNC, z(1, 1)), Proposals(anew)]), Synced(z(1, 2))], 0.0)

    assert (out.rewind, out.persist) == (z(1, 1), anew)
    assert server.ledger.synced == z(1, 1)


def test_uncommitted_transactions_wait_for_the_next_leader() -> None:
    """They are neither delivered nor forgotten; this server delivers them when it leads itself."""
    server = following()
    hear(server, 7, Proposals(transactions(1, 1)))
    server.handle([Synced(z(1, 1))], 0.0)
    out = server.handle([LinkClosed(7, "gone")], 0.0)
    assert (out.deliver, out.notify[0][1].zxid) == ([], z(1, 1))
    out = server.handle([Notified(2, Notification(LOOKING, 1, z(1, 1), 2, 1)), Notified(3, Notification(LOOKING, 1, z(1, 1), 2, 1))], 0.0)

    assert server.role is Role.LEADING
    assert out.deliver == transactions(1, 1)


def test_sessions_and_requests_go_to_the_leader_while_there_is_one() -> None:
    """On a learner they are packets; on a looking server they are nothing."""
    request = ForwardedRequest(5, 1, 9, b"", ())
    server, looking = following(), peer()
    out = server.handle([ForwardAsked([request]), SyncAsked(request), RevalidationAsked(5, 4000)], 0.0)

    kinds = [word.type for word in said(out, 7) if isinstance(word, Packet)]
    assert kinds == [PacketType.REQUEST, PacketType.REQUEST, PacketType.REVALIDATE]
    out = looking.handle([ForwardAsked([request]), SyncAsked(request), RevalidationAsked(5, 4000)], 0.0)
    assert out.send == []


def test_requests_end_with_the_leadership_that_they_came_to() -> None:
    """Core seed 17 with pauses: a leader that was stopped reads a request, and finds that it has lost its quorum."""
    server = leading()
    request = Received(1, [Packet(PacketType.REQUEST, -1, bytes(16))])
    assert len(server.handle([request], 0.0).requests) == 1

    out = server.handle([request, LinkClosed(1, "reset")], 0.1)

    assert out.became == [(Role.LOOKING, 1)]
    assert out.requests == []


def test_what_was_asked_in_a_role_ends_with_it_also_when_the_next_one_comes_at_once() -> None:
    """Core seed 6002710: the only voter of a new configuration follows the leader that goes; it finds it gone, leads
    itself, and reads a client's sync to the old one, all in one batch. The application would look for that sync in vain."""
    server = following()
    server.membership.enabled = True
    assert server.membership.activate(replace(majority([1]), version=1), Effects())
    asked = SyncAsked(ForwardedRequest(5, 1, 9, b"", ()))
    out = server.handle([LinkClosed(7, "gone"), asked, Proposed([(z(1, 9), b"x")])], 0.1)

    assert out.became == [(Role.LOOKING, 1), (Role.LEADING, 2)]
    assert (out.syncs_done, out.persist) == (0, [])


def test_a_sync_on_the_leader_is_answered_there() -> None:
    """The quorum is asked before `handle` returns, once for all, and its answer ends the syncs."""
    server = leading()
    asked = SyncAsked(ForwardedRequest(5, 1, 9, b"", ()))
    out = server.handle([asked, asked], 0.0)
    assert out.syncs_done == 0
    links = {link for link, _ in out.send}
    [ping] = said(out, min(links))
    assert isinstance(ping, Packet)
    assert sum(server.handle([Received(link, [packet(PacketType.PING, ping.zxid, b"")])], 0.0).syncs_done for link in links) == 2


def test_zxids_are_given_by_leaders_only() -> None:
    """Whoever else asks is mistaken."""
    with pytest.raises(AssertionError, match="as LOOKING"):
        peer().next_zxid()


def test_links_find_nobody_when_they_come_too_late() -> None:
    """A learner at the port of one that leads no more, a connection to one that follows no more."""
    out = peer().handle([LinkOpened(5), Connected(6)], 0.0)

    assert [link for link, _ in out.close] == [5, 6]


@given(
    st.lists(
        st.sampled_from(
            [
                LinkClosed(7, "x"), LinkClosed(99, "x"), Received(99, []), Received(7, []), Synced(0), Frozen(7, 0),
                Streamed(7), Proposed([(z(1, 1), b"")]), Notified(3, vote(3)), Notified(2, vote(3, FOLLOWING, 9, 9)),
                Notified(3, vote(3, LEADING, 9, 9)), LinkOpened(8), Connected(9),
                Received(9, [packet(PacketType.LEADERINFO, z(5, 0), b"\0\1\0\0")]),
                Received(8, [packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(2).encode())]),
                Received(8, [packet(PacketType.ACKEPOCH, 0, bytes(4))]),
            ]
        ),
        max_size=12,
    ),
    st.sampled_from([1, 3]),
)  # fmt: skip
def test_no_order_of_events_is_a_mistake_of_ours(events: Sequence[Event], sid: int) -> None:
    """Whatever comes in whatever order is taken, refused or ignored, and a deadline is always ahead."""
    server = peer(sid)
    now = 0.0
    for event in events:
        if isinstance(event, Proposed) and not (server.leading and server.leading.serving):
            continue  # proposals need zxids, and those only an established leader gives
        now += 0.01
        server.handle([event], now)
        assert server.deadline() > now
