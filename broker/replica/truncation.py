"""Where a follower's log parts from its leader's.

A new leader epoch may mean that records here were never committed and the leader has others in their place. The
follower asks the leader where the newest epoch it has itself ended (OffsetForLeaderEpoch) and cuts its log to where
both agree (KIP-101). The leader may not know that epoch and answers with an older one; if the follower does not know
that one either, it cuts to the end of its own next older epoch and asks again, so that logs which differ after
several quick changes of leader still meet (KIP-279). Cutting to the high watermark alone loses committed records, or
keeps records that differ: it is left for a log that has no epochs.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["NO_EPOCH", "NO_OFFSET", "LocalLog", "Truncation", "truncation_for"]

NO_EPOCH = -1
NO_OFFSET = -1


class LocalLog(Protocol):
    """What partition state asks of the log on this broker."""

    @property
    def start_offset(self) -> int:
        """The first offset that may be read."""
        ...

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        ...

    @property
    def latest_epoch(self) -> int:
        """The newest leader epoch in the log, NO_EPOCH when there is none."""
        ...

    def epoch_end(self, epoch: int) -> tuple[int, int]:
        """The largest known epoch up to `epoch` and its end offset (exclusive), or (NO_EPOCH, NO_OFFSET)."""
        ...


class Truncation(NamedTuple):
    """Cut the log to `offset`; unless `complete`, ask the leader again with the epoch that is the newest then."""

    offset: int
    complete: bool


def truncation_for(log: LocalLog, high_watermark: int, leader_epoch: int, leader_end: int) -> Truncation:
    """What the leader's answer (the epoch it knows, and that epoch's end in its log) means for the local log."""
    end = log.end_offset
    if leader_end == NO_OFFSET:
        return Truncation(min(high_watermark, end), complete=True)
    if leader_epoch == NO_EPOCH:
        return Truncation(min(leader_end, end), complete=True)
    local_epoch, local_end = log.epoch_end(leader_epoch)
    if local_epoch == NO_EPOCH:
        return Truncation(min(leader_end, end), complete=True)
    if local_epoch != leader_epoch:
        return Truncation(min(local_end, end), complete=False)
    return Truncation(min(local_end, leader_end, end), complete=True)
