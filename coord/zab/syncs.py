"""Syncs on the leader: answered when what was proposed before them is committed, and a quorum still follows.

A sync is answered once a quorum has been heard from that was asked after the sync had come. Each PING has a number of its
own, which its answer repeats. A learner that answers has promised no later epoch, so no later leader has committed
anything before the sync came: what this leader knows of is all there is. Apache's leader does not ask.
"""

from __future__ import annotations

from collections import deque

from coord.wire.quorum import PacketType, encode_packet

from .effects import Effects
from .follower import FollowerState
from .following import Following
from .ledger import Ledger
from .membership import Membership

__all__ = ["SYNCS_MAX", "Syncs"]

SYNCS_MAX = 100_000
"""Syncs waiting for a commit; beyond it the learner that asks is closed."""

_SYNC = encode_packet(PacketType.SYNC, 0)


class Syncs:
    """The syncs of one leadership that wait, and its rounds of PINGs."""

    __slots__ = ("_following", "_ledger", "_membership", "_round", "_waiting")

    def __init__(self, following: Following, membership: Membership, ledger: Ledger) -> None:
        self._following = following
        self._membership = membership
        self._ledger = ledger
        self._waiting: deque[tuple[int, int, int]] = deque()
        """(zxid, round, link): who asked, which proposal it waits for, and which round. Link 0 is this server."""
        self._round = 0
        """The number of the newest PING."""

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, link: int, end: int) -> bool:
        """Whether there is room for one more, which waits for the next round, and for the commit of everything up to the
        zxid `end`: what was proposed, or will be as soon as a new configuration lets it."""
        if len(self._waiting) >= SYNCS_MAX:
            return False
        self._waiting.append((end, self._round + 1, link))
        return True

    def ping(self, out: Effects) -> None:
        """A new round, for all syncs that have come together."""
        self._round += 1
        ping = encode_packet(PacketType.PING, self._round)
        out.send += [(learner.link, ping) for learner in self._following.serving()]
        self.answer(out)  # a quorum of one need not be asked

    def ponged(self, learner: FollowerState, number: int, out: Effects) -> None:
        """A learner answered the PING of that number."""
        if number <= self._round:
            learner.answered = max(learner.answered, number)
            self.answer(out)

    def answer(self, out: Effects) -> None:
        """Answers those that have waited long enough."""
        waiting = self._waiting
        if not waiting:
            return
        confirmed = self._membership.agreed(self._following.answered(self._round))
        while waiting and waiting[0][0] <= self._ledger.delivered and waiting[0][1] <= confirmed:
            link = waiting.popleft()[2]
            if link == 0:
                out.syncs_done += 1
            elif link in self._following.by_link:
                out.send.append((link, _SYNC))
