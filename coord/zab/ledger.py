"""What this server holds: epochs, the end of its log, and the transactions near that end. It outlives every role.

    delivered <= logged,  synced <= logged;  `pending` is exactly what lies between delivered and logged.

A server delivers only what it knows to be committed. What is logged beyond that stays pending until a leader says that it
belongs to the history (DIFF), that it does not (TRUNC), or until this server leads and makes it so.
"""

from __future__ import annotations

from collections import deque

from coord.wire.zxid import epoch_of, show

from .application import Transaction
from .effects import Effects

__all__ = ["RECENT_MAX", "Ledger"]

RECENT_MAX = 500
"""Committed transactions kept in memory for learners that were away for a moment (Apache's commitLogCount)."""


class Ledger:
    """The durable state of one server and its shadow in memory."""

    __slots__ = (
        "accepted_epoch", "current_epoch", "delivered", "highest_promise", "logged", "pending", "recent", "stranded", "synced",
    )  # fmt: skip

    def __init__(
        self, accepted_epoch: int, current_epoch: int, last_zxid: int, *, recent_max: int = RECENT_MAX
    ) -> None:
        """last_zxid: the end of the log, which recovery has applied whole.

        A crash between a leader's transactions and currentEpoch leaves currentEpoch behind the log; the log then holds
        that epoch's beginning nevertheless, for transactions are received in order.
        """
        self.current_epoch = max(current_epoch, epoch_of(last_zxid))
        self.accepted_epoch = max(accepted_epoch, self.current_epoch)
        self.highest_promise = 0
        """The newest epoch that another server told to have promised; the next epoch to propose is beyond it."""
        self.logged = last_zxid
        self.synced = last_zxid
        self.delivered = last_zxid
        self.pending: deque[Transaction] = deque()
        self.recent: deque[Transaction] = deque(maxlen=recent_max)
        self.stranded = 0
        """The epoch whose leader wants this server back to where no snapshot reaches; 0: none does."""

    def append(self, entries: list[Transaction], out: Effects) -> None:
        """Logs transactions that follow one another."""
        assert entries[0][0] > self.logged, f"{show(entries[0][0])} is logged behind {show(self.logged)}"
        self.pending.extend(entries)
        self.logged = entries[-1][0]
        out.persist.extend(entries)

    def deliver_to(self, zxid: int, out: Effects) -> list[Transaction]:
        """Delivers what is pending up to and including `zxid`."""
        pending = self.pending
        if zxid >= self.logged:
            batch = list(pending)
            pending.clear()
        else:
            batch = []
            while pending and pending[0][0] <= zxid:
                batch.append(pending.popleft())
        if batch:
            self.delivered = batch[-1][0]
            self.recent.extend(batch)
            out.deliver.extend(batch)
        return batch

    def rewind(self, zxid: int, out: Effects) -> None:
        """Cuts the log behind `zxid`, durably, and the state too where it is ahead of that."""
        assert zxid <= self.logged, f"a rewind to {show(zxid)}, beyond the log's end {show(self.logged)}"
        while self.pending and self.pending[-1][0] > zxid:
            self.pending.pop()
        while self.recent and self.recent[-1][0] > zxid:
            self.recent.pop()
        self.delivered = min(self.delivered, zxid)
        self.logged = self.synced = zxid
        out.rewind = zxid

    def replaced(self, zxid: int) -> None:
        """The state came from a leader's snapshot; nothing of the old log counts any more. Not durable before `saved`."""
        self.pending.clear()
        self.recent.clear()
        self.stranded = 0
        self.delivered = self.logged = zxid
        self.synced = 0

    def saved(self) -> None:
        """The state that replaced the old one is durable."""
        self.synced = self.logged
