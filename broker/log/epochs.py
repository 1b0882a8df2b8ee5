"""The leader epochs of one partition: which epoch began at which offset.

It answers OffsetForLeaderEpoch, by which followers and consumers find where their log parts from the leader's, and it
is kept in `leader-epoch-checkpoint`. Both columns grow strictly.

The file is rewritten without waiting for the device, since every batch carries its epoch and a recovery finds them
again; what a power loss can take is only the start of an epoch that wrote nothing.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right

from coord.kit.disk import Disk

from .checkpoints import read_rows, rewrite_rows

log = logging.getLogger(__name__)

__all__ = ["EPOCH_FILE", "NO_EPOCH", "NO_OFFSET", "EpochCache"]

EPOCH_FILE = "leader-epoch-checkpoint"
NO_EPOCH = -1
NO_OFFSET = -1


class EpochCache:
    """Leader epochs by start offset. All answers come from memory."""

    __slots__ = ("_disk", "_epochs", "_path", "_starts", "latest")

    latest: int
    """The newest epoch, NO_EPOCH when there is none; the append path compares with it."""

    def __init__(self, disk: Disk, folder: str) -> None:
        """Reads the partition's file. Raises LogDirError when it does not parse."""
        self._disk = disk
        self._path = f"{folder}/{EPOCH_FILE}"
        rows = read_rows(disk, self._path)
        self._epochs = [epoch for epoch, _ in rows]
        self._starts = [start for _, start in rows]
        self.latest = self._epochs[-1] if rows else NO_EPOCH

    def rows(self) -> list[tuple[int, int]]:
        """(epoch, start offset), the oldest first."""
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, epoch: int, start_offset: int) -> None:
        """`epoch` begins at `start_offset`. An epoch up to the newest is passed over.

        Epochs that began at `start_offset` wrote nothing, and those beyond it wrote what is no longer in the log:
        both are dropped, so that offsets keep growing strictly.
        """
        if epoch <= self.latest:
            return
        keep = bisect_left(self._starts, start_offset)
        del self._epochs[keep:], self._starts[keep:]
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        self._changed()

    def end_offset(self, epoch: int, log_end: int) -> tuple[int, int]:
        """The largest epoch up to `epoch` that is known here, and the offset at which it ended (exclusive).

        The newest epoch ends at `log_end`. Answers (NO_EPOCH, NO_OFFSET) when nothing is known of such an epoch.
        """
        if epoch == self.latest and epoch != NO_EPOCH:
            return epoch, log_end
        if not 0 <= epoch < self.latest:
            return NO_EPOCH, NO_OFFSET
        after = bisect_right(self._epochs, epoch)
        if after == 0:  # older than the log: its end is where the log begins
            return epoch, self._starts[0]
        return self._epochs[after - 1], self._starts[after]

    def epoch_at(self, offset: int) -> int:
        """The epoch of the record at `offset`; NO_EPOCH below the first."""
        after = bisect_right(self._starts, offset)
        return self._epochs[after - 1] if after else NO_EPOCH

    def cut_end(self, end_offset: int) -> None:
        """The log was cut to `end_offset`: drops epochs that began there or later."""
        keep = bisect_left(self._starts, end_offset)
        if keep < len(self._starts):
            del self._epochs[keep:], self._starts[keep:]
            self._changed()

    def cut_start(self, start_offset: int) -> None:
        """The log begins at `start_offset` now: drops epochs that ended before, and moves the first one's start."""
        drop = bisect_right(self._starts, start_offset) - 1
        if drop < 0 or self._starts[0] == start_offset:
            return
        del self._epochs[:drop], self._starts[:drop]
        self._starts[0] = start_offset
        self._changed()

    def _changed(self) -> None:
        self.latest = self._epochs[-1] if self._epochs else NO_EPOCH
        try:
            rewrite_rows(self._disk, self._path, zip(self._epochs, self._starts, strict=True))
        except OSError as error:  # the records that began the epoch are written already, and carry it
            log.warning("%s cannot be written: %s", self._path, error)
