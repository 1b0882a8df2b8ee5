"""A server's data folder as one thing: recovered at the start, then the log, the snapshots and the epochs of a run.

The duties of order, which the caller keeps: a transaction is acknowledged after `start_sync` has told that it is durable; an epoch is
promised after `epochs` holds it; between `received` and the end of `install` nothing is appended. An OSError from any
verb that writes means that this disk can no longer be trusted with promises.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from random import Random

import trio

from coord.kit.disk import Disk, SyncDone
from coord.tree.frozen import Frozen
from coord.tree.tree import Tree
from coord.wire.zxid import follows

from .epochs import Epochs
from .errors import DamagedFileError, StoreError
from .layout import (
    LOCK_FILE,
    VERSION_FOLDER,
    WRITING_PREFIX,
    joined,
    logs_in,
    make_durable_dirs,
    remove_durably,
    snapshots_in,
)
from .purge import purge
from .recovery import recover
from .snapshot import write_snapshot, write_snapshot_now
from .txnlog import TxnLog

__all__ = ["Storage", "StorageOptions"]

log = logging.getLogger(__name__)

_zxid_of = itemgetter(0)
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """Apache's settings of the same meaning.

    snap_count, snap_size_bytes (0: no limit): a snapshot is due after between half of these and all of it (drawn anew each time, so
    that the servers of an ensemble do not pause together). compression: of snapshots: gz, snappy, or "" for none.
    commit_log_count: a learner that lacks no more transactions than these is sent them, however small a snapshot is.
    history_ratio: one that lacks more is sent the log instead of a snapshot while that is not longer than this part of one.
    force_sync: False leaves it to the system when appended transactions reach the disk: whatever it acknowledges, a server
    may then lose. slow_sync_seconds: a sync that takes longer gets a line in the log.
    """

    snap_count: int = 100_000
    snap_size_bytes: int = 4 << 30
    compression: str = ""
    commit_log_count: int = 500
    history_ratio: float = 0.33
    force_sync: bool = True
    slow_sync_seconds: float = 1.0
    trust_empty: bool = False
    extended_types: bool = False


class Storage:
    """The recovered data folder.

    data_dir, log_dir: dataDir and dataLogDir, absolute; made when missing. tree: what was recovered; the owner's from
    then on. epochs, log: see their modules. sync_seconds: how long the last sync took.
    Raises OSError: with a text that names the file where the folder cannot be used as it is.
    """

    def __init__(
        self, disk: Disk, data_dir: str, log_dir: str | None, random: Random, options: StorageOptions | None = None
    ) -> None:
        self._disk = disk
        self._folder = joined(data_dir, VERSION_FOLDER)
        log_folder = joined(log_dir or data_dir, VERSION_FOLDER)
        self._random = random
        self._options = options or StorageOptions()
        self.sync_seconds = 0.0
        self._received: int | None = None
        self._history_trusted = True
        self._snapping = False
        self._histories = 0
        self._recent: deque[int] = deque(maxlen=self._options.commit_log_count)
        """Zxids at the end of the log, without a gap. Apache's server fills its window of committed transactions from the
        log when it starts; here the log itself is at hand, and what lies near its end is in the page cache."""
        make_durable_dirs(disk, self._folder)
        make_durable_dirs(disk, log_folder)
        self._locks = [self._lock(folder) for folder in {self._folder, log_folder}]
        self._check_folders(log_folder)
        self.log = TxnLog(disk, log_folder)
        self.tree = self._recover()
        self.epochs = Epochs(disk, self._folder, self.tree.last_zxid)
        self._draw_limits()

    @property
    def last_zxid(self) -> int:
        """The last transaction appended, or recovered."""
        return self.log.last_zxid

    # ---- the log -----------------------------------------------------------------------------------------------------

    def append(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Writes (zxid, transaction) pairs at the end of the log, one write for all. Durable after a sync."""
        if self._received is not None:
            raise StoreError(f"the snapshot received as of 0x{self._received:x} has to be durable before more is logged")
        self.log.append(batch)
        self._recent.extend(map(_zxid_of, batch))
        self._txns_left -= len(batch)

    def start_sync(self, done: SyncDone) -> None:
        """Makes durable what was appended before the call, and calls `done`, perhaps at once. One at a time."""
        if self._options.force_sync:
            self.log.start_sync(partial(self._synced, trio.current_time(), done))
        else:
            done(None)

    def _synced(self, start: float, done: SyncDone, error: OSError | None) -> None:
        self.sync_seconds = trio.current_time() - start
        if self.sync_seconds > self._options.slow_sync_seconds:
            log.warning("syncing the log in %s took %.1f s: the disk is slow or shared", self.log.folder, self.sync_seconds)
        done(error)

    def after(self, zxid: int) -> Iterator[tuple[int, bytes]] | None:
        """The transactions from `zxid` on that are on disk. None when `zxid` itself is not there, or when that would be
        more to send than a snapshot saves. The iterator raises OSError where one is missing, or the log cannot be read."""
        if not self._history_trusted:
            return None
        near = bool(self._recent) and zxid >= self._recent[0]
        try:
            if not near and self.log.size_from(zxid) > self._snapshot_size() * self._options.history_ratio:
                return None
            records = self._guarded(zxid)
            first = next(records, None)
        except (DamagedFileError, FileNotFoundError):
            return None
        return records if first is not None and first[0] == zxid else None

    def _guarded(self, start: int) -> Iterator[tuple[int, bytes]]:
        """The log from `start` on, up to where something is missing. A snapshot from a leader leaves such a hole: Apache's
        server keeps its older log, and ours does when it dies before that is removed. Where the hole goes on to the
        next epoch the zxids do not show it, but the snapshot does, for its zxid is in no log."""
        last = start
        snapshots = [numbered.zxid for numbered in snapshots_in(self._disk, self._folder)]
        try:
            for zxid, txn in self.log.read_from(start):
                joins = zxid == start or follows(zxid, last)
                if not joins or (zxid >> 32 != last >> 32 and any(last < snapshot < zxid for snapshot in snapshots)):
                    raise StoreError(f"the log in {self.log.folder} does not lead from 0x{last:x} to 0x{zxid:x}")
                yield zxid, txn
                last = zxid
        except DamagedFileError as error:
            # The learner comes back; it must get a snapshot then, instead of the same log again.
            self._history_trusted = False
            log.error("%s; learners get snapshots from now on", error)
            raise

    # ---- snapshots ---------------------------------------------------------------------------------------------------

    @property
    def snapshot_due(self) -> bool:
        """Whether enough was logged since the last snapshot."""
        return not self._snapping and (self._txns_left <= 0 or self.log.size >= self._size_max)

    async def snapshot(self, frozen: Frozen) -> None:
        """Begins a new log file and writes the cut, closing it; other tasks run meanwhile. One at a time.

        Where `received` or `rewind` comes in between, the cut belongs to the past, and nothing is kept of it.
        """
        self._snapping = True
        history = self._histories
        try:
            self.log.roll()
            self._draw_limits()
            compression = self._options.compression
            await write_snapshot(
                self._disk, self._folder, frozen, lambda: history == self._histories, compression=compression
            )
        finally:
            frozen.close()
            self._snapping = False

    def received(self, zxid: int) -> None:
        """The tree was replaced by a leader's, as of `zxid`: takes back what the log has behind that, durably.

        Nothing can be appended before `install` is done.
        """
        self._received = zxid
        self._histories += 1
        self._recent.clear()
        self.log.truncate(zxid)

    async def install(self, frozen: Frozen) -> None:
        """Makes a tree that came from a leader the only one that a start can find; durable when it returns.

        frozen: the cut of that tree; it is closed. Log and snapshots that did not lead to it are removed.
        """
        zxid = frozen.last_zxid
        self.received(zxid)
        try:
            path = await write_snapshot(self._disk, self._folder, frozen, compression=self._options.compression)
        finally:
            frozen.close()
        there = reversed(snapshots_in(self._disk, self._folder))
        others = [name for _, name in there if joined(self._folder, name) != path]
        remove_durably(self._disk, self._folder, others)
        self.log.forget(zxid)
        self._received = None
        self._history_trusted = True
        self._draw_limits()

    def can_rewind(self, zxid: int) -> bool:
        """Whether a snapshot is old enough for `rewind`. The empty tree needs none.

        One taken at the very beginning of an epoch is old enough for any `zxid` of an earlier one: it holds the history
        with which that epoch was established, and no later leader has less of it, or can have more from before.
        """
        snapshots = snapshots_in(self._disk, self._folder)
        return zxid == 0 or (bool(snapshots) and (snapshots[0].zxid <= zxid or snapshots[0].begins_epoch))

    def rewind(self, zxid: int) -> Tree:
        """TRUNC: takes back everything behind `zxid`, durably, and returns the tree of that moment, from disk.

        Raises OSError when no snapshot is old enough, see `can_rewind`, or when the log does not hold `zxid`.
        """
        if not self.can_rewind(zxid):
            raise StoreError(f"{self._folder} has no snapshot from before 0x{zxid:x}, to which the leader wants us back")
        snapshots = snapshots_in(self._disk, self._folder)
        if snapshots and snapshots[0].begins_epoch:
            zxid = max(zxid, snapshots[0].zxid)
        self._histories += 1
        newer = [name for number, name in reversed(snapshots) if number > zxid]
        if len(newer) == len(snapshots):
            self.log.truncate(zxid, since=0)  # a log that follows no snapshot at all would count as a loss
        remove_durably(self._disk, self._folder, newer)  # first: a start would build on one that has lost its log
        kept = [number for number, _ in snapshots if number <= zxid]
        self.log.truncate(zxid, since=kept[-1] if kept else 0)
        tree = self._recover()
        if tree.last_zxid != zxid:
            raise StoreError(f"{self.log.folder} does not hold 0x{zxid:x}, to which the leader wants us back")
        self.tree = tree
        self._received = None
        return tree

    def purge(self, retain: int) -> list[str]:
        """Removes old snapshots and logs, see `purge`; returns the paths."""
        gone = purge(self._disk, self._folder, self.log, retain)
        if gone:
            log.info("purged %s", ", ".join(gone))
        return gone

    def close(self) -> None:
        """Makes the log durable and lets go of it."""
        self.log.close()
        for let_go in self._locks:
            let_go()

    # ---- within ------------------------------------------------------------------------------------------------------

    def _lock(self, folder: str) -> Callable[[], None]:
        try:
            return self._disk.lock(joined(folder, LOCK_FILE))
        except BlockingIOError:
            raise StoreError(f"{folder} is used by another process: two servers cannot share a data folder") from None

    def _recover(self) -> Tree:
        options = self._options
        self._recent.clear()
        tree, from_snapshot = recover(
            self._disk, self._folder, self.log, self._recent,
            trust_empty=options.trust_empty, extended_types=options.extended_types,
        )  # fmt: skip
        if not from_snapshot:  # a log that follows no snapshot would count as a loss
            frozen = tree.freeze()
            write_snapshot_now(self._disk, self._folder, frozen, compression=options.compression)
            frozen.close()
        return tree

    def _check_folders(self, log_folder: str) -> None:
        for name in self._disk.names(self._folder):
            if name.startswith(WRITING_PREFIX):
                self._disk.remove(joined(self._folder, name))
        if log_folder == self._folder:
            return
        if logs_in(self._disk, self._folder):
            raise StoreError(f"{self._folder} has logs, but dataLogDir says that they are in {log_folder}")
        if snapshots_in(self._disk, log_folder):
            raise StoreError(f"{log_folder} has snapshots, but dataDir says that they are in {self._folder}")

    def _draw_limits(self) -> None:
        half, size = self._options.snap_count // 2, self._options.snap_size_bytes // 2
        if size <= 0:
            size = _NO_LIMIT
        self._txns_left = half + self._random.randrange(half + 1)
        self._size_max = size + self._random.randrange(size + 1)

    def _snapshot_size(self) -> int:
        snapshots = snapshots_in(self._disk, self._folder)
        return self._disk.size(joined(self._folder, snapshots[-1].name)) if snapshots else 0
