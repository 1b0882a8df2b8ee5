"""What replication asks of the disk; coord.store has the real ones.

The rule: nothing is acknowledged, to a client or to a leader, before `TransactionLog.start_sync` told that it is durable, and an epoch
is promised to nobody before `Epochs` holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .application import Transaction
from .quorums import Ensemble

__all__ = ["Configurations", "Epochs", "History", "TransactionLog"]


class TransactionLog(Protocol):
    """The log that a server appends to; its end moves back only by `Application.rewind`."""

    def append(self, batch: list[Transaction]) -> None:
        """Writes transactions at the end, one write for all. Durable after a sync. Raises OSError."""

    def start_sync(self, done: Callable[[OSError | None], None]) -> None:
        """Makes durable what was appended before the call, and calls `done` then, perhaps before it returns. One at a time.
        With an OSError nothing that was written since the last good sync may be trusted."""


class Epochs(Protocol):
    """acceptedEpoch and currentEpoch. Setting one returns when it is durable. Raises OSError."""

    accepted: int
    """The newest epoch that this server promised to a leader."""
    current: int
    """The newest epoch whose beginning (the leader's whole history) this server has."""


class Configurations(Protocol):
    """Where the ensemble's configuration is kept when it may change. Both return when it is durable, and raise OSError."""

    def seen(self, ensemble: Ensemble) -> None:
        """A configuration may come into force. It takes the place of one that was seen before."""

    def activated(self, ensemble: Ensemble) -> None:
        """A configuration is in force."""


class History(Protocol):
    """What the disk holds of the past: for learners that lag further behind than memory reaches, and for going back."""

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        """The transactions from `zxid` on that are on disk, some of which may not be committed yet. None when `zxid` itself
        is not on disk, or when a snapshot is the cheaper way from there. Raises OSError, the iterator too, where the
        log cannot be read or one is missing."""
        ...

    def can_rewind(self, zxid: int) -> bool:
        """Whether the state as of `zxid` can be made from disk, for `Application.rewind`: a snapshot is old enough."""
        ...
