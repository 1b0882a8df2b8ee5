"""Broadcast: proposals to all followers in zxid order, commits when a quorum's synced logs have them, in order.

An acknowledgement speaks for everything before it on its link, so the lowest position that a quorum has reached is
committed. A new configuration is a proposal too: its quorum is one of both, the old and the new, and its commit says who
leads from then on. Until then nothing is proposed behind it: a server that only the new configuration lets vote would have
more than all the voters that never heard of it, who could then neither elect it nor lead it.
"""

from __future__ import annotations

from coord.wire.quorum import PacketType, encode_commits, encode_packet, encode_proposals
from coord.wire.zxid import COUNTER_MAX, first_of

from .application import Transaction
from .effects import Effects
from .following import Following
from .ledger import Ledger
from .membership import Membership
from .quorums import Ensemble
from .syncs import Syncs

__all__ = ["Broadcast"]


class Broadcast:
    """The proposals and commits of one leadership."""

    __slots__ = (
        "_end", "_following", "_held", "_ledger", "_membership", "_reconfiguration", "_syncs", "last_proposed", "successor",
    )  # fmt: skip

    def __init__(self, following: Following, membership: Membership, ledger: Ledger, syncs: Syncs) -> None:
        self._following = following
        self._membership = membership
        self._ledger = ledger
        self._syncs = syncs
        self.last_proposed = 0
        self._end = 0
        """The epoch's last zxid is before this."""
        self._reconfiguration = 0
        """The zxid of the new configuration that is on its way."""
        self._held: list[Transaction] = []
        """What has a zxid and is to be proposed behind it."""
        self.successor: int | None = None
        """Who leads after this server, because of a new configuration; from then on nothing is proposed or committed."""

    def begin(self, epoch: int) -> None:
        """The epoch is known: zxids come from it."""
        self.last_proposed = first_of(epoch)
        self._end = self.last_proposed + COUNTER_MAX

    def establish(self, out: Effects) -> None:
        """With the epoch the newest configuration that its history knows of is in force."""
        newest = self._membership.last_seen
        self._reconfigured(newest, self._designated(newest, 0), out)

    def propose(self, batch: list[Transaction], out: Effects) -> bool:
        """Replicates transactions that follow the last proposed one; False where the epoch has no zxids left for them."""
        if batch[-1][0] >= self._end:
            return False
        if self._reconfiguration > self._ledger.delivered:
            self._held += batch
            return True
        if zxid := self._membership.see_proposed(batch, out):
            self._reconfiguration = zxid
            self._following.count_voters()
            self._held = [entry for entry in batch if entry[0] > zxid]
            batch = [entry for entry in batch if entry[0] <= zxid]
        self._ledger.append(batch, out)
        if self._following.followers:
            data = encode_proposals(batch)
            for link in self._following.followers:
                out.send.append((link, data))
        return True

    @property
    def end(self) -> int:
        """The last zxid of all that is proposed, or held back."""
        return self._held[-1][0] if self._held else self._ledger.logged

    def advance(self, out: Effects) -> None:
        """Commits what a quorum has logged, in order."""
        if self.successor is not None:
            return
        agreed = self._membership.agreed(self._following.acknowledged(self._ledger.synced))
        if agreed <= self._ledger.delivered:
            return
        if self._ledger.delivered < self._reconfiguration <= agreed:
            self._commit_reconfiguration(out)
        else:
            self._commit(agreed, out)
        self._syncs.answer(out)

    def _commit(self, zxid: int, out: Effects) -> None:
        """Commits up to and including `zxid`."""
        batch = self._ledger.deliver_to(zxid, out)
        if not batch:
            return
        if self._following.followers:
            commits = encode_commits([zxid for zxid, _ in batch])
            for link in self._following.followers:
                out.send.append((link, commits))
        if self._following.observers:
            informs = encode_proposals(batch, PacketType.INFORM)
            for link in self._following.observers:
                out.send.append((link, informs))

    # the ensemble changes

    def _commit_reconfiguration(self, out: Effects) -> None:
        """The old and the new configuration have agreed: from here on the new one is in force."""
        zxid = self._reconfiguration
        self._commit(zxid - 1, out)
        ((_, data),) = self._ledger.deliver_to(zxid, out)
        ensemble = self._membership.last_seen
        designated = self._designated(ensemble, zxid)
        leader = designated.to_bytes(8, "big", signed=True)
        activate = encode_packet(PacketType.COMMITANDACTIVATE, zxid, leader)
        inform = encode_packet(PacketType.INFORMANDACTIVATE, zxid, leader + data)
        out.send += [(link, activate) for link in self._following.followers]
        out.send += [(link, inform) for link in self._following.observers]
        self._reconfigured(ensemble, designated, out)
        held, self._held = self._held, []
        if held and self.successor is None:
            self.propose(held, out)

    def _designated(self, ensemble: Ensemble, zxid: int) -> int:
        followers = [learner for learner in self._following.serving() if not learner.observer]
        acked = {learner.sid: learner.acked for learner in followers if learner.acked >= zxid}
        return self._membership.designated(self._following.sid, ensemble, acked)

    def _reconfigured(self, ensemble: Ensemble, designated: int, out: Effects) -> None:
        self._membership.activate(ensemble, out)
        self._following.count_voters()
        if designated != self._following.sid:
            self.successor = designated
