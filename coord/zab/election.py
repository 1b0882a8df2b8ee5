"""Fast leader election: the servers agree on whoever has the newest history.

Votes are ordered by the epoch of the history, its last zxid, then the server id. In each round a server proposes the best
vote that it knows and tells every change to all voters. When a quorum proposes the same it waits a moment for something
better (`FINALIZE_WAIT`), unless every voter agrees already, and the election is over for it. A server that comes when a
leader already works joins it: a quorum must say that it follows that leader, and the leader that it leads.

A server that is about to leave votes too, so that nobody waits for its vote, but needs a quorum of the others to see the
election as over: the elected one could not lead without them, and one of them may not have begun to look yet.

The rounds' number belongs to the election alone; it has nothing to do with epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from coord.wire.election import Notification

from .application import Role
from .effects import Effects
from .membership import Membership

__all__ = ["FINALIZE_WAIT", "RESEND_MAX", "RESEND_MIN", "Election", "Vote"]

FINALIZE_WAIT = 0.2
"""Seconds a decided server waits for a better vote."""
RESEND_MIN = 0.2
"""Seconds of silence after which a looking server repeats itself; doubled each time."""
RESEND_MAX = 2.0
"""Apache goes up to 60 s; a vote costs 200 bytes, and a minute without a leader costs a minute."""
STAND_MAX = 0.5
"""A server that only the configuration on its way lets vote stands until its silences are longer than this."""

NOBODY = -(1 << 63)
"""What a server without a vote proposes, as leader, zxid and epoch."""
EMPTY = -1
"""The zxid of a server that knows its database to be lost; its vote never counts."""


class Vote(NamedTuple):
    """Whom a server wants, or has, as leader. round is the election's number, 0 where it does not matter."""

    leader: int
    zxid: int
    peer_epoch: int
    round: int = 0


class Ballot(NamedTuple):
    """A vote as its sender cast it."""

    vote: Vote
    state: Role
    version: int

    def agrees(self, other: Ballot) -> bool:
        """Whether two ballots elect the same leader. Between servers that look, everything must match; those that have
        found a leader may have found it by different rounds and zxids, and before ZooKeeper 3.5 told no epoch."""
        if Role.LOOKING in (self.state, other.state):
            return self.vote == other.vote
        if (self.version > 0) != (other.version > 0):
            return self.vote.leader == other.vote.leader
        return self.vote.leader == other.vote.leader and self.vote.peer_epoch == other.vote.peer_epoch


class Election:
    """One server's part in elections, round after round. `elected` is set when it is over."""

    def __init__(self, sid: int, membership: Membership) -> None:
        self.sid = sid
        self.membership = membership
        self.round = 0
        self.elected: Vote | None = None
        self._config = (membership.committed, membership.committed.text().encode())
        """The configuration in force and its text, which goes with every vote."""
        self._own = self._proposed = Vote(sid, 0, 0)
        self._cast: dict[int, Ballot] = {}
        """By server: the votes of this round."""
        self._settled: dict[int, Ballot] = {}
        """By server: what those say that have a leader, of whatever round."""
        self._stands = True
        self._finalize_at: float | None = None
        self._resend_at = 0.0
        self._resend_wait = RESEND_MIN

    def start(self, zxid: int, epoch: int, now: float, out: Effects, *, stands: bool = True, ahead: bool = False) -> None:
        """Begins a new round with this server's own history: its last zxid and its current epoch.

        stands: whether this server may be elected. One that may not, as it leaves, still prefers nobody with less history
        than its own.
        ahead: whether a leader did not want it for having more history; then it stands too where only the configuration
        that is on its way lets it vote.
        """
        self.elected = None
        self.round += 1
        self._stands = stands
        voter = self.sid in (self.membership.voters if ahead else self.membership.committed.voters)
        self._own = Vote(self.sid if stands else NOBODY, zxid, epoch) if voter else Vote(NOBODY, NOBODY, NOBODY)
        self._settled.clear()
        self._resend_wait = RESEND_MIN
        self._begin_round(self._own, now, out)

    def notified(self, sid: int, note: Notification, now: float, out: Effects) -> None:
        """A voter's message while this server looks for a leader."""
        voters = self.membership.voters
        if note.leader not in voters and (self.sid in voters or note.leader == NOBODY):
            # a server that may not be elected itself, yet votes: it hears those of its own round
            if note.state == Role.LOOKING and note.round > self.round:
                self.round = note.round
                self._begin_round(self._own, now, out)
            return
        if note.state == Role.LOOKING:
            self._settled.pop(sid, None)
            if note.zxid != EMPTY and self._own.zxid != EMPTY:
                self._looking(sid, note, now, out)
            if note.round < self.round:
                self.answer(sid, Role.LOOKING, self._proposed._replace(round=self.round), out)
        elif note.state != Role.OBSERVING:
            self._found(sid, note, now)

    def tick(self, now: float, out: Effects) -> None:
        """Ends the wait for better votes, and repeats what may have been lost."""
        if self._finalize_at is not None and now >= self._finalize_at:
            self._end(self._proposed._replace(round=self.round))
        elif now >= self._resend_at:
            self._resend_wait = min(self._resend_wait * 2, RESEND_MAX)
            stands_apart = self._own.leader == self.sid and self.sid not in self.membership.committed.voters
            if stands_apart and self._resend_wait > STAND_MAX:
                self._own = Vote(NOBODY, NOBODY, NOBODY)  # those that it would need do not know it
                self.round += 1
                self._begin_round(self._own, now, out)
                return
            self._resend_at = now + self._resend_wait
            self._tell_all(out)

    def deadline(self) -> float:
        """When `tick` has something to do."""
        return self._resend_at if self._finalize_at is None else min(self._finalize_at, self._resend_at)

    def answer(self, sid: int, state: Role, vote: Vote, out: Effects) -> None:
        """Tells one server what this one thinks; also for servers that have found their leader."""
        committed = self.membership.committed
        if self._config[0] is not committed:
            self._config = (committed, committed.text().encode())
        note = Notification(state, vote.leader, vote.zxid, vote.round, vote.peer_epoch, config=self._config[1])
        out.notify.append((sid, note))

    @property
    def proposed(self) -> Vote:
        """The best vote known."""
        return self._proposed._replace(round=self.round)

    def _begin_round(self, vote: Vote, now: float, out: Effects) -> None:
        self._cast.clear()
        self._propose(vote, now, out)

    def _propose(self, vote: Vote, now: float, out: Effects) -> None:
        self._proposed = vote
        self._finalize_at = None
        if self.sid in self.membership.voters:
            self._cast[self.sid] = Ballot(self.proposed, Role.LOOKING, 0)
        self._resend_at = now + self._resend_wait
        self._tell_all(out)
        self._count(now)

    def _tell_all(self, out: Effects) -> None:
        for sid in sorted(self.membership.voters):
            if sid != self.sid:
                self.answer(sid, Role.LOOKING, self.proposed, out)

    def _looking(self, sid: int, note: Notification, now: float, out: Effects) -> None:
        vote = Vote(note.leader, note.zxid, note.peer_epoch)
        if note.round < self.round:
            return
        if note.round > self.round:
            self.round = note.round
            self._resend_wait = RESEND_MIN  # things move: what comes of it must not be missed
            self._begin_round(vote if self._better(vote, self._own) else self._own, now, out)
        elif self._better(vote, self._proposed):
            self._propose(vote, now, out)
        elif self._better(self._proposed, vote):
            # it began to look after we told everybody: Apache's server forgets a vote that comes while it has a leader
            self.answer(sid, Role.LOOKING, self.proposed, out)
        self._cast[sid] = Ballot(vote._replace(round=self.round), Role.LOOKING, 0)
        self._count(now)

    def _better(self, vote: Vote, than: Vote) -> bool:
        if self.membership.committed.weight(vote.leader) == 0:
            return False
        return (vote.peer_epoch, vote.zxid, vote.leader) > (than.peer_epoch, than.zxid, than.leader)

    def _count(self, now: float) -> None:
        mine = Ballot(self.proposed, Role.LOOKING, 0)
        supporters = self._agreeing(self._cast, mine)
        if not self.membership.is_quorum(self._staying(supporters)):
            self._finalize_at = None
        elif self.membership.voters.issubset(supporters):
            self._end(self.proposed)
        elif self._finalize_at is None:
            self._finalize_at = now + FINALIZE_WAIT

    def _staying(self, supporters: list[int]) -> list[int]:
        """Without this server if it leaves, unless nothing can be a quorum without it."""
        needless = self._stands or not self.membership.is_quorum(self.membership.voters - {self.sid})
        return supporters if needless else [sid for sid in supporters if sid != self.sid]

    @staticmethod
    def _agreeing(ballots: Mapping[int, Ballot], ballot: Ballot) -> list[int]:
        return [sid for sid, other in ballots.items() if other.agrees(ballot)]

    def _found(self, sid: int, note: Notification, now: float) -> None:
        """A server that has a leader: joins it when a quorum has, and the leader itself says so."""
        vote = Vote(note.leader, note.zxid, note.peer_epoch, note.round)
        ballot = Ballot(vote, Role(note.state), note.version)
        if note.round == self.round:
            self._cast[sid] = Ballot(vote, Role(note.state), 0)
            if self._joinable(self._cast, Ballot(vote, Role(note.state), note.version), note.round):
                self._end(vote)
                return
        self._settled[sid] = ballot
        if self._joinable(self._settled, ballot, note.round):
            self.round = note.round
            self._end(vote)

    def _joinable(self, ballots: Mapping[int, Ballot], ballot: Ballot, round_: int) -> bool:
        # the leader that they found has settled which configuration holds; this server may know one that was taken back
        if not self.membership.committed.is_quorum(self._staying(self._agreeing(ballots, ballot))):
            return False
        leader = ballot.vote.leader
        if leader == self.sid:
            return round_ == self.round
        return leader in ballots and ballots[leader].state == Role.LEADING

    def _end(self, vote: Vote) -> None:
        self._finalize_at = None
        self.elected = vote
