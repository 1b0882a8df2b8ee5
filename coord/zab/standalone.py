"""A server without peers: what it has synced is committed.

It goes on in the epoch of its last transaction and keeps no epochs, as Apache's standalone server does; when the counter
is used up the next epoch begins without further ado.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from coord.wire.zxid import COUNTER_MAX, counter_of, epoch_of, first_of

from .application import Role
from .effects import Effects
from .events import Event, Proposed, SyncAsked, Synced
from .ledger import Ledger

__all__ = ["Standalone"]


class Standalone:
    """`Peer` without an ensemble."""

    def __init__(self, last_zxid: int) -> None:
        self.ledger = Ledger(0, 0, last_zxid)
        self.leader: int | None = None
        self._last_proposed = last_zxid
        self._syncs: list[int] = []
        """The proposals that a sync waits for, in order."""

    def start(self, now: float) -> Effects:
        """Serves from the start."""
        return Effects(became=[(Role.STANDALONE, epoch_of(self._last_proposed))])

    def handle(self, events: Sequence[Event], now: float) -> Effects:
        """See `Peer.handle`."""
        out = Effects()
        for event in events:
            if type(event) is Proposed:
                self.ledger.append(event.batch, out)
            elif type(event) is Synced:
                self.ledger.synced = event.zxid
                self.ledger.deliver_to(event.zxid, out)
            elif type(event) is SyncAsked:
                self._syncs.append(self.ledger.logged)
        done = sum(1 for zxid in self._syncs if zxid <= self.ledger.delivered)
        del self._syncs[:done]
        out.syncs_done = done
        return out

    def next_zxid(self) -> int:
        """Takes the next zxid."""
        last = self._last_proposed
        self._last_proposed = first_of(epoch_of(last) + 1) + 1 if counter_of(last) == COUNTER_MAX else last + 1
        return self._last_proposed

    def deadline(self) -> float:
        """Nothing here depends on time."""
        return inf
