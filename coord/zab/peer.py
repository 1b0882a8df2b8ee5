"""One server of the ensemble: it holds what outlives every role, and owns the role.

A peer is told of events and answers with effects; it never waits. `deadline` says when it wants to be called again, with no
event at all. Which role follows which stands in `_TRANSITIONS`; whatever is not there is a mistake of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

from coord.wire.election import Notification
from coord.wire.jute import JuteError

from .application import Role
from .effects import Effects
from .election import RESEND_MIN, Election, Vote
from .events import (
    Connected,
    Event,
    ForwardAsked,
    Frozen,
    Leaving,
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
from .leader import Leader
from .learner import Learner, Phase
from .ledger import Ledger
from .membership import Membership, config_version, parse_configuration
from .storage import History
from .timing import Timing

__all__ = ["Peer"]

REST_MIN = 0.02
REST_MAX = 1.0
"""Seconds between a leader that could not be joined and the next election: the first failure costs nothing, for it is
most often a leader that died, and each further one doubles the wait."""

HELD_SECONDS = 1.0
"""How old a vote may be that came before this server looked for a leader itself."""

STRANGERS_MAX = 64
"""Servers without a vote whose last question is remembered."""

_TRANSITIONS: dict[Role, frozenset[Role]] = {
    Role.LOOKING: frozenset((Role.LEADING, Role.FOLLOWING, Role.OBSERVING)),
    Role.LEADING: frozenset((Role.LOOKING,)),
    Role.FOLLOWING: frozenset((Role.LOOKING,)),
    Role.OBSERVING: frozenset((Role.LOOKING,)),
}


class Peer:
    """The composite of election, leader and learner."""

    def __init__(
        self, sid: int, membership: Membership, ledger: Ledger, history: History, timing: Timing, random: Random
    ) -> None:
        self.sid = sid
        self.membership = membership
        self.ledger = ledger
        self.history = history
        self.timing = timing
        self.role = Role.LOOKING
        self.reason = "just started"
        """Why this server looks for a leader."""
        self._random = random
        self._election = Election(sid, membership)
        self._vote = Vote(sid, ledger.logged, ledger.current_epoch)
        """The vote that elected the present leader."""
        self._leading: Leader | None = None
        self._learning: Learner | None = None
        self._saving = False
        self._rest_until = inf
        """When the next election begins; inf while one is on, or while the state is being saved."""
        self._failures = 0
        self._ahead = False
        """The last leader did not bring this server to its own history: perhaps that was the shorter one."""
        self.left = False
        """After `Leaving`: the others know all that this server could tell them."""
        self._leaving = False
        self._held: dict[int, tuple[float, Notification]] = {}
        """By server: when its newest vote came, of those that came while this one took no part in the election: it rested,
        or did not know yet that its leader is gone. Nobody would repeat such a vote soon."""
        self._strangers: dict[int, tuple[float, Notification, Vote]] = {}
        """By server that does not vote: when it was answered last, to what, and how."""

    def start(self, now: float) -> Effects:
        """Begins the first election."""
        out = Effects()
        self._elect(now, out)
        self._settle(now, out)
        return out

    def handle(self, events: Sequence[Event], now: float) -> Effects:
        """What has happened up to `now` (seconds of a monotonic clock), and what must be done about it."""
        out = Effects()
        for event in events:
            if out.became and type(event) in _ASKED:
                continue  # in the role that has just ended; the application does not know it yet
            _HANDLERS[type(event)](self, event, now, out)
            self._settle(now, out)
        if now >= self.deadline():
            self._tick(now, out)
            self._settle(now, out)
        return out

    def deadline(self) -> float:
        """When `handle` must be called at the latest."""
        if self._leading is not None:
            return self._leading.deadline()
        if self._learning is not None:
            return self._learning.deadline()
        if self._saving or self.left:
            return inf
        return self._election.deadline() if self._electing else self._rest_until

    def next_zxid(self) -> int:
        """On an established leader: takes the next zxid."""
        assert self._leading is not None, f"server {self.sid} gives no zxids as {self.role.name}"
        return self._leading.next_zxid()

    @property
    def leader(self) -> int | None:
        """The server this one leads or follows, also while that is being prepared."""
        return self._vote.leader if self.role is not Role.LOOKING else None

    @property
    def leading(self) -> Leader | None:
        """The leadership of this server, for those who report about it."""
        return self._leading

    @property
    def _electing(self) -> bool:
        return self.role is Role.LOOKING and self._rest_until == inf and not self._saving and not self.left

    # transitions

    def _settle(self, now: float, out: Effects) -> None:
        """Carries out whatever the roles have decided, until nothing more follows from it."""
        while True:
            role = self._leading or self._learning
            if role is not None and role.lost is not None:
                self._look(role.lost, now, out)
            elif self._electing and self._election.elected is not None:
                if self._leaving:
                    self.left = True
                    break
                self._join(self._election.elected, now, out)
            else:
                break
        # servers that come later find the leader by the epoch it leads in, not by the one it was elected with
        if role is not None and role.serving and role.epoch != self._vote.peer_epoch:
            self._vote = self._vote._replace(peer_epoch=role.epoch)

    def _become(self, role: Role) -> None:
        assert role in _TRANSITIONS[self.role], f"server {self.sid}: {self.role.name} cannot become {role.name}"
        self.role = role

    def _join(self, vote: Vote, now: float, out: Effects) -> None:
        self._vote = vote
        if vote.leader == self.sid:
            self._become(Role.LEADING)
            self._leading = Leader(self.sid, self.membership, self.ledger, self.history, self.timing, now, out)
            return
        self._become(self.membership.role(self.sid))
        self._learning = Learner(
            self.sid, vote.leader, self.membership, self.ledger, self.history, self.timing, now, out
        )

    def _look(self, reason: str, now: float, out: Effects) -> None:
        role = self._leading or self._learning
        assert role is not None
        served = role.serving
        self._ahead = self._learning is not None and self._learning.phase is Phase.PROMISED
        # a leader that hands over stays for the election, so that every voter's vote is there and nobody has to wait
        self.left = self._leaving and not (self._leading is not None and self._leading.handed_over)
        role.stop(out)
        self._leading = self._learning = None
        self._become(Role.LOOKING)
        self.reason = reason
        if served:
            out.became.append((Role.LOOKING, self.ledger.current_epoch))
            out.syncs_done = 0  # who asked in the old role hears of its end, and first
            out.requests.clear()
            self._failures = 0
        else:
            self._failures += 1
        rest = 0.0
        if self._failures > 1:
            rest = min(REST_MIN * 2**self._failures, REST_MAX) * (0.5 + self._random.random() / 2)
        self._rest_until = now + rest
        if rest == 0.0 and not self._saving and not self.left:
            self._next(role.successor, now, out)

    def _next(self, successor: int | None, now: float, out: Effects) -> None:
        """The next leader: the one that a new configuration designates, or whoever is elected."""
        if successor is None or self.membership.member(successor) is None:
            self._elect(now, out)
        else:
            self._rest_until = inf
            self._join(Vote(successor, self.ledger.logged, self.ledger.current_epoch, self._vote.round), now, out)

    def _elect(self, now: float, out: Effects) -> None:
        self._rest_until = inf
        self.membership.forget_beyond(self.ledger.logged)
        self._election.start(
            self.ledger.logged, self.ledger.current_epoch, now, out, stands=not self._leaving, ahead=self._ahead
        )
        held, self._held = self._held, {}
        for sid, (came, note) in held.items():
            if self._election.elected is None and now - came <= HELD_SECONDS:
                self._election.notified(sid, note, now, out)

    def _tick(self, now: float, out: Effects) -> None:
        if self._leading is not None:
            self._leading.tick(now, out)
        elif self._learning is not None:
            self._learning.tick(now, out)
        elif self._electing:
            self._election.tick(now, out)
        elif not self._saving:
            self._elect(now, out)

    # events

    def _notified(self, event: Notified, now: float, out: Effects) -> None:
        sid, note = event
        if self.role is Role.LOOKING and self._adopted(note, now, out):
            return
        if sid not in self.membership.voters:
            self._answer_stranger(sid, note, now, out)
        elif self._electing:
            self._election.notified(sid, note, now, out)
        elif self.role is Role.LOOKING:
            self._held[sid] = (now, note)
        elif note.state == Role.LOOKING:
            self._held[sid] = (now, note)
            self._election.answer(sid, self.role, self._vote, out)
            if self._leading is not None:
                self._leading.looking(sid, now)
            elif self._learning is not None and sid == self._learning.leader:
                self._learning.leader_looks(note.peer_epoch)

    def _answer_stranger(self, sid: int, note: Notification, now: float, out: Effects) -> None:
        """A server that does not vote asks whom to follow. Two that take each other for such must not answer each other
        without end: who has a leader asks nothing, and the same question has the same answer for a while."""
        vote = self._election.proposed if self.role is Role.LOOKING else self._vote
        came, *before = self._strangers.get(sid, (-inf,))
        if note.state != Role.LOOKING or (before == [note, vote] and now - came < RESEND_MIN):
            return
        if len(self._strangers) >= STRANGERS_MAX:
            self._strangers.clear()
        self._strangers[sid] = (now, note, vote)
        self._election.answer(sid, self.role, vote, out)

    def _adopted(self, note: Notification, now: float, out: Effects) -> bool:
        """Whether a newer configuration came with a vote: the election begins anew in it."""
        membership = self.membership
        if not membership.enabled or config_version(note.config) <= membership.committed.version:
            return False
        try:
            adopted = membership.activate(parse_configuration(note.config), out)
        except JuteError:
            return False
        if adopted and self._electing:
            self._elect(now, out)
        return adopted

    def _link_opened(self, event: LinkOpened, now: float, out: Effects) -> None:
        if self._leading is None:
            out.close.append((event.link, "this server does not lead"))
        else:
            self._leading.opened(event.link, now, out)

    def _connected(self, event: Connected, now: float, out: Effects) -> None:
        if self._learning is None:
            out.close.append((event.link, "this server follows nobody"))
        else:
            self._learning.connected(event.link, now, out)

    def _link_closed(self, event: LinkClosed, now: float, out: Effects) -> None:
        if self._leading is not None:
            self._leading.closed(event.link)
        elif self._learning is not None:
            self._learning.closed(event.link, event.reason)

    def _received(self, event: Received, now: float, out: Effects) -> None:
        if self._leading is not None:
            self._leading.received(event.link, event.messages, now, out)
        elif self._learning is not None:
            self._learning.received(event.link, event.messages, now, out)

    def _synced(self, event: Synced, now: float, out: Effects) -> None:
        if out.rewind is not None or out.save:
            return  # it was told before the driver knew that this history is cut off, or replaced
        assert event.zxid <= self.ledger.logged, "more was synced than was logged"
        self.ledger.synced = max(self.ledger.synced, event.zxid)
        if self._leading is not None:
            self._leading.synced(now, out)
        elif self._learning is not None:
            self._learning.synced(now, out)

    def _restored(self, event: Restored, now: float, out: Effects) -> None:
        assert self._learning is not None, "a state was restored that nobody waits for"
        self._saving = True
        self._learning.restored(event.link, event.zxid, now, out)

    def _saved(self, event: Saved, now: float, out: Effects) -> None:
        self._saving = False
        self.ledger.saved()
        if self._learning is not None:
            self._learning.saved(now, out)

    def _frozen(self, event: Frozen, now: float, out: Effects) -> None:
        if self._leading is not None:
            self._leading.frozen(event.link, event.zxid, now, out)

    def _streamed(self, event: Streamed, now: float, out: Effects) -> None:
        if self._leading is not None:
            self._leading.streamed(event.link, now)

    def _leave(self, event: Leaving, now: float, out: Effects) -> None:
        self._leaving = True
        if self._leading is not None and self._leading.serving:
            self._leading.leave(now)
        else:
            self.left = True

    def _proposed(self, event: Proposed, now: float, out: Effects) -> None:
        if self._leading is not None and self._leading.serving and not self._leading.leaving:
            self._leading.propose(event.batch, out)

    def _forward(self, event: ForwardAsked, now: float, out: Effects) -> None:
        if self._learning is not None and self._learning.serving:
            self._learning.forward(event.batch, out)

    def _sync(self, event: SyncAsked, now: float, out: Effects) -> None:
        if self._leading is not None and self._leading.serving:
            self._leading.sync(event.request, now, out)
        elif self._learning is not None and self._learning.serving:
            self._learning.forward([event.request], out)

    def _revalidate(self, event: RevalidationAsked, now: float, out: Effects) -> None:
        if self._learning is not None and self._learning.serving:
            self._learning.revalidate(event.session_id, event.timeout_ms, out)


_HANDLERS: dict[type, Callable[[Peer, Any, float, Effects], None]] = {
    Notified: Peer._notified,
    LinkOpened: Peer._link_opened,
    Connected: Peer._connected,
    LinkClosed: Peer._link_closed,
    Received: Peer._received,
    Synced: Peer._synced,
    Restored: Peer._restored,
    Saved: Peer._saved,
    Frozen: Peer._frozen,
    Streamed: Peer._streamed,
    Proposed: Peer._proposed,
    ForwardAsked: Peer._forward,
    SyncAsked: Peer._sync,
    RevalidationAsked: Peer._revalidate,
    Leaving: Peer._leave,
}
_ASKED = frozenset((Proposed, ForwardAsked, SyncAsked, RevalidationAsked))
"""What the application asks, in a role that it was told of."""
