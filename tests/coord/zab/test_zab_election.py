"""Fast leader election: which vote wins, when it is over, and how a late server joins."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.election import Notification
from coord.zab.application import Role
from coord.zab.effects import Effects
from coord.zab.election import EMPTY, FINALIZE_WAIT, RESEND_MAX, RESEND_MIN, Election, Vote
from coord.zab.membership import Membership
from coord.zab.quorums import Address, Ensemble, Member, majority

THREE = majority([1, 2, 3])
FIVE = majority([1, 2, 3, 4, 5])
LOOKING, FOLLOWING, LEADING, OBSERVING = 0, 1, 2, 3


def note(state: int, leader: int, zxid: int = 0, round_: int = 1, epoch: int = 0, version: int = 2) -> Notification:
    """A vote from the wire."""
    return Notification(state, leader, zxid, round_, epoch, version)


def started(sid: int = 1, ensemble: Ensemble = THREE, zxid: int = 0, epoch: int = 0) -> tuple[Election, Effects]:
    """A server in its first round."""
    out = Effects()
    election = Election(sid, Membership(ensemble))
    election.start(zxid, epoch, 0.0, out)
    return election, out


def told(election: Election, sid: int, notification: Notification, now: float = 0.0) -> list[tuple[int, Notification]]:
    """Gives it a vote; returns what it says."""
    out = Effects()
    election.notified(sid, notification, now, out)
    return out.notify


def test_it_begins_with_its_own_vote() -> None:
    """Every other voter hears it, with the configuration."""
    _, out = started(2, zxid=7, epoch=3)

    assert [sid for sid, _ in out.notify] == [1, 3]
    assert out.notify[0][1] == Notification(LOOKING, 2, 7, 1, 3, config=THREE.text().encode())


@pytest.mark.parametrize(
    ("better", "worse"),
    [((1, 0, 2), (3, 9, 1)), ((1, 5, 1), (3, 4, 1)), ((3, 5, 1), (2, 5, 1))],
    ids=["epoch before all", "then zxid", "then the server's id"],
)
def test_the_order_of_votes(better: tuple[int, int, int], worse: tuple[int, int, int]) -> None:
    """(leader, zxid, epoch): a better vote is taken over and told to all, a worse one is answered."""
    for mine, other in permutations((better, worse)):
        election, _ = started(mine[0], FIVE, mine[1], mine[2])
        answer = told(election, other[0], note(LOOKING, other[0], other[1], 1, other[2]))

        assert election.proposed[:3] == (better[0], better[1], better[2])
        assert len(answer) == (4 if mine == worse else 1)
        assert {said.leader for _, said in answer} == {better[0]}


def test_a_quorum_waits_for_a_better_vote() -> None:
    """200 ms; a better vote in between begins the count anew."""
    election, _ = started(2)
    told(election, 1, note(LOOKING, 2), 0.0)
    assert election.deadline() == FINALIZE_WAIT
    told(election, 3, note(LOOKING, 3), 0.1)
    assert election.elected is None
    told(election, 1, note(LOOKING, 3), 0.15)

    election.tick(0.15 + FINALIZE_WAIT, Effects())
    assert election.elected == Vote(3, 0, 0, 1)


def test_who_leaves_waits_for_a_quorum_of_the_others() -> None:
    """Server 1 has not noticed yet that its leader leaves, and forgets what it hears meanwhile: with the vote of the one
    that leaves server 2 would be elected, and stand alone until initLimit."""
    election, out = Election(3, Membership(THREE)), Effects()
    election.start(7, 1, 0.0, out, stands=False)
    told(election, 2, note(LOOKING, 2, 7, 1, 1))
    election.tick(FINALIZE_WAIT, Effects())
    assert election.elected is None
    answer = told(election, 1, note(LOOKING, 1, 7, 1, 1), 0.3)
    assert [(sid, said.leader) for sid, said in answer] == [(1, 2)]
    told(election, 1, note(LOOKING, 2, 7, 1, 1), 0.3)
    assert election.elected == Vote(2, 7, 1, 1)


def test_who_leaves_where_nothing_goes_without_it_does_not_wait() -> None:
    """One of two: the other cannot lead alone."""
    election, out = Election(1, Membership(majority([1, 2]))), Effects()
    election.start(7, 1, 0.0, out, stands=False)
    told(election, 2, note(LOOKING, 2, 7, 1, 1))
    assert election.elected == Vote(2, 7, 1, 1)


def test_who_leaves_does_not_make_a_leaders_quorum() -> None:
    """It takes the word of a leader and one more."""
    election, out = Election(3, Membership(THREE)), Effects()
    election.start(7, 1, 0.0, out, stands=False)
    told(election, 2, note(LOOKING, 2, 7, 1, 1))
    told(election, 2, note(LEADING, 2, 7, 1, 1))
    assert election.elected is None
    told(election, 1, note(FOLLOWING, 2, 7, 1, 1))
    assert election.elected == Vote(2, 7, 1, 1)


def test_when_all_agree_there_is_nothing_to_wait_for() -> None:
    """Every voter proposes the same: no better vote can come."""
    election, _ = started(3)
    told(election, 1, note(LOOKING, 3))
    told(election, 2, note(LOOKING, 3))

    assert election.elected == Vote(3, 0, 0, 1)


def test_a_server_alone_elects_itself_at_once() -> None:
    """An ensemble of one."""
    assert started(1, majority([1]))[0].elected == Vote(1, 0, 0, 1)


def test_a_newer_round_begins_the_count_anew() -> None:
    """Votes of the old round are forgotten, and the better of the new vote and its own history is proposed."""
    election, _ = started(2, FIVE, zxid=5)
    told(election, 1, note(LOOKING, 2, 5))
    answers = told(election, 4, note(LOOKING, 4, 3, 7))

    assert election.round == 7
    assert election.proposed == Vote(2, 5, 0, 7)
    assert {sid for sid, _ in answers} == {1, 3, 4, 5}
    told(election, 3, note(LOOKING, 2, 5, 7))
    assert election.deadline() == RESEND_MIN, "two of five are no quorum"


def test_an_older_round_is_told_of_the_newer() -> None:
    """Its vote does not count."""
    election, _ = started(2)
    election.round = 4
    (answer,) = told(election, 3, note(LOOKING, 3, 0, 2))

    assert answer[0] == 3
    assert (answer[1].leader, answer[1].round) == (2, 4)


def test_silence_is_answered_by_repetition() -> None:
    """Ever more slowly, up to a limit."""
    election, _ = started(1)
    now, waits = 0.0, []
    for _ in range(7):
        waits.append(election.deadline() - now)
        now = election.deadline()
        out = Effects()
        election.tick(now, out)
        assert len(out.notify) == 2

    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, RESEND_MAX, RESEND_MAX, RESEND_MAX])


def test_a_newer_round_is_asked_about_soon_again() -> None:
    """Its leader may need this server before its initLimit is over (core seed 1001704, with 3 nodes)."""
    election, _ = started(1, FIVE)
    while (now := election.deadline()) < 5:
        election.tick(now, Effects())
    told(election, 2, note(LOOKING, 2, round_=2), now)

    assert election.deadline() == pytest.approx(now + RESEND_MIN)


def test_who_stands_by_a_configuration_on_its_way_gives_the_voters_time() -> None:
    """They come to its vote only when their own leader has failed (core seed 2000416, with 5 nodes)."""
    membership = Membership(majority([1]), enabled=True)
    membership.see(replace(THREE, version=7), Effects())
    election = Election(2, membership)
    election.start(9, 1, 0.0, Effects(), ahead=True)
    stood = 0.0
    while election.proposed.leader == 2:
        stood = election.deadline()
        election.tick(stood, Effects())

    assert 2 * FINALIZE_WAIT < stood < 2.0


def test_a_late_server_joins_the_working_leader() -> None:
    """A quorum says whom it follows, and the leader that it leads; the round becomes theirs."""
    election, _ = started(1)
    told(election, 2, note(FOLLOWING, 3, 9, 5, 2))
    assert election.elected is None
    told(election, 3, note(LEADING, 3, 9, 5, 2))

    assert election.elected == Vote(3, 9, 2, 5)
    assert election.round == 5


def test_followers_alone_are_not_believed() -> None:
    """Their leader may be gone: it must say itself that it leads."""
    election, _ = started(1, FIVE)
    for sid in (2, 3, 4):
        told(election, sid, note(FOLLOWING, 5, 9, 5, 2))

    assert election.elected is None


def test_followers_of_different_epochs_do_not_add_up() -> None:
    """Between servers that have a leader, the leader and its epoch must be the same."""
    election, _ = started(1)
    told(election, 2, note(FOLLOWING, 3, 9, 5, 1))
    told(election, 3, note(LEADING, 3, 9, 5, 2))

    assert election.elected is None


def test_a_server_that_looks_again_follows_nobody() -> None:
    """What it said of its leader before counts no more."""
    election, _ = started(1)
    told(election, 2, note(FOLLOWING, 3, 9, 5, 2))
    told(election, 2, note(LOOKING, 2, 9, 1, 2))
    told(election, 3, note(LEADING, 3, 9, 5, 2))

    assert election.elected is None


def test_in_the_same_round_a_leaders_word_joins_our_vote() -> None:
    """Our own proposal counts with the leader's: two of three."""
    election, _ = started(1, zxid=9, epoch=2)
    told(election, 3, note(LOOKING, 3, 9, 1, 2))
    told(election, 3, note(LEADING, 3, 9, 1, 2))

    assert election.elected == Vote(3, 9, 2, 1)


def test_others_may_find_this_server_to_be_the_leader() -> None:
    """When a quorum follows it in this very round it leads, though it counted differently itself."""
    election, _ = started(3, FIVE)
    told(election, 1, note(FOLLOWING, 3, 0, 1))
    told(election, 2, note(FOLLOWING, 3, 0, 1))

    assert election.elected is not None
    assert election.elected.leader == 3


def test_votes_that_do_not_count() -> None:
    """A lost database, an observer's state, a leader that does not vote, a leader without weight."""
    members = {sid: Member(sid, (Address("", 0, 0),)) for sid in (1, 2, 3)}
    weighted = Ensemble(members, groups={1: frozenset(members)}, weights={3: 0})
    election, _ = started(1, weighted)

    told(election, 3, note(LOOKING, 3, 9))
    told(election, 2, note(LOOKING, 2, EMPTY, 1, 5))
    told(election, 2, note(LOOKING, 9, 9, 1, 5))
    told(election, 2, note(OBSERVING, 2, 9, 1, 5))

    assert election.proposed == Vote(1, 0, 0, 1)


def test_an_observer_proposes_nobody_and_follows_the_rest() -> None:
    """Its vote is the least of all, and does not make a quorum."""
    ensemble = Ensemble({sid: Member(sid, (Address("", 0, 0),), participant=sid < 3) for sid in (1, 2, 3)})
    election, out = started(3, ensemble, zxid=99, epoch=9)
    assert out.notify[0][1].leader == -(1 << 63)

    told(election, 1, note(LEADING, 1, 5, 3, 1))
    told(election, 2, note(FOLLOWING, 1, 5, 3, 1))
    assert election.elected == Vote(1, 5, 1, 3)


@given(st.integers(0, 2**32), st.sampled_from([2, 3, 4, 5]), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_all_come_to_the_same_best_vote(seed: int, size: int, zxids: list[int]) -> None:
    """Votes arrive late, in any order, now and then not at all: the newest history wins everywhere."""
    random = Random(seed)
    ensemble = majority(range(1, size + 1))
    best = max(range(1, size + 1), key=lambda sid: (zxids[sid - 1], sid))
    elections = {sid: Election(sid, Membership(ensemble)) for sid in range(1, size + 1)}
    flying: list[tuple[int, int, Notification]] = []

    def spread(sid: int, out: Effects) -> None:
        flying.extend((sid, target, vote) for target, vote in out.notify)

    for sid, election in elections.items():
        out = Effects()
        election.start(zxids[sid - 1], 0, 0.0, out)
        spread(sid, out)
    now = 0.0
    while any(election.elected is None for election in elections.values()):
        assert now < 60, "no agreement"
        if flying and random.random() < 0.9:
            source, target, vote = flying.pop(random.randrange(len(flying)))
            if random.random() < 0.1:
                continue
            election, out = elections[target], Effects()
            if election.elected is None:
                election.notified(source, vote, now, out)
            elif vote.state == Role.LOOKING:
                role = Role.LEADING if election.elected.leader == target else Role.FOLLOWING
                election.answer(source, role, election.elected, out)
            spread(target, out)
        else:
            now += 0.05
            for sid, election in elections.items():
                if election.elected is None and election.deadline() <= now:
                    out = Effects()
                    election.tick(now, out)
                    spread(sid, out)

    leaders = {election.elected.leader for election in elections.values() if election.elected}
    assert best in leaders or len(leaders) == 1
