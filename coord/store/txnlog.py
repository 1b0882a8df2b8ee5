"""The transaction log: what a server promised, in the order in which it did.

A folder of files `log.<zxid of the first transaction>`. A batch is one write; `start_sync` makes everything before it durable;
the file is zero-filled ahead, because a sync that need not record a new size costs half. A file is begun by the first
append after `replay` or `roll` and is complete, synced and without padding before the next one is begun: only the newest
can end in a torn write, which `replay` cuts off. Once cut, a file never grows again, so bytes behind a cut never come
back to life.

A log of Apache's server may say some transactions twice: its learner, when it leaves a leader before UPTODATE, forgets what
it has logged and is sent it again (ZOOKEEPER-4394). The second time counts for nothing, in the same file or the next.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import partial

from coord.kit.disk import Disk, File, SyncDone
from coord.wire.zxid import follows

from .errors import DamagedFileError, StoreError
from .layout import joined, log_name, logs_in, remove_durably, remove_if_there
from .logfile import (
    HEADER,
    HEADER_SIZE,
    Ending,
    Record,
    encode_records,
    ending_of,
    header_ending,
    read_records,
)

__all__ = ["PADDING_STEP", "TxnLog"]

log = logging.getLogger(__name__)

PADDING_STEP = 1 << 20
"""Bytes. Zeroing more at a time would make the sync that carries it slow (4 MiB: 12 ms, 1 MiB: 0.7 ms)."""

_MARK_STEP = 1 << 20
_ZEROS = bytes(PADDING_STEP)


class _LogFile:
    """One file of the log, and where to begin reading it.

    marks: (zxid, offset behind its record) of a transaction in every MiB or so, as far as they are known. last: the greatest
    zxid in it, where that is known.
    """

    __slots__ = ("last", "marks", "name", "zxid")

    def __init__(self, zxid: int, name: str) -> None:
        self.zxid = zxid
        self.name = name
        self.marks: list[tuple[int, int]] = []
        self.last: int | None = None

    def mark(self, zxid: int, end: int) -> None:
        if end - (self.marks[-1][1] if self.marks else HEADER_SIZE) >= _MARK_STEP:
            self.marks.append((zxid, end))

    def start_for(self, zxid: int) -> int:
        """An offset to read from that is not behind the record of `zxid`."""
        place = bisect_left(self.marks, (zxid, 0))
        return self.marks[place - 1][1] if place else HEADER_SIZE


class _Order:
    """The order in which a replay finds transactions. after: what it needs lies behind this zxid, and nothing of that may be
    missing. (Before it a leader's snapshot may have taken the place of some.) last: the greatest zxid so far."""

    __slots__ = ("_after", "_ends", "last", "repeated")

    def __init__(self, after: int) -> None:
        self.last = 0
        self.repeated = 0
        self._after = after
        self._ends: dict[int, int] = {}
        """By epoch before the last one: the last zxid of it."""

    def is_new(self, zxid: int, path: str, offset: int) -> bool:
        """Takes a transaction, and tells whether it is there for the first time. Raises DamagedFileError when it can be
        neither the next one nor one that was there."""
        last, epoch = self.last, zxid >> 32
        if zxid <= last:
            if zxid > self._after and epoch != last >> 32 and zxid > self._ends.get(epoch, 0):
                raise DamagedFileError(path, offset, f"transaction 0x{zxid:x} follows 0x{last:x}")
            self.repeated += 1
            return False
        if zxid > self._after and not follows(zxid, max(last, self._after)):
            reason = f"transaction 0x{zxid:x} follows 0x{max(last, self._after):x}: what was between them is missing"
            raise DamagedFileError(path, offset, reason)
        if epoch != last >> 32:
            self._ends[last >> 32] = last
        self.last = zxid
        return True


class TxnLog:
    """The log in `folder`, which must exist. `replay` it to the end before the first append.

    last_zxid: the last transaction that is on disk, in the log or in the snapshot that the log follows.
    """

    def __init__(self, disk: Disk, folder: str) -> None:
        self.folder = folder
        self.last_zxid = 0
        self._disk = disk
        self._files = [_LogFile(*numbered) for numbered in logs_in(disk, folder)]
        self._current: File | None = None
        self._end = 0
        self._padded = 0
        self._syncing = False
        self._roll_due = False

    @property
    def size(self) -> int:
        """Bytes in the file that is being written, without padding."""
        return self._end if self._current is not None else 0

    # ---- writing -----------------------------------------------------------------------------------------------------

    def append(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Writes (zxid, transaction) pairs, zxids ascending, at the end. Durable after a sync. Raises OSError."""
        if not batch:
            return
        first = batch[0][0]
        if first <= self.last_zxid:
            raise StoreError(f"transaction 0x{first:x} cannot follow 0x{self.last_zxid:x} in the log in {self.folder}")
        file = self._current or self._begin(first)
        data = encode_records(batch)
        file.write_at(self._end, data)
        end = self._end + len(data)
        if end > self._padded:
            self._pad(file, end)
        self._end = end
        self.last_zxid = batch[-1][0]

    def start_sync(self, done: SyncDone) -> None:
        """Makes durable what was appended before the call, and calls `done`, at once where it is durable already. One at a
        time. With an OSError: then the log is lost to us."""
        if self._current is None:
            done(None)
            return
        self._syncing = True
        self._current.start_sync(partial(self._synced, self._current, done))

    def _synced(self, file: File, done: SyncDone, error: OSError | None) -> None:
        self._syncing = False
        if file is not self._current:
            error = None  # `truncate` came between: what was to be synced is cut off, or was synced by it
        elif error is None and self._roll_due:
            try:
                self._finish()
            except OSError as failure:
                error = failure
        done(error)

    def roll(self) -> None:
        """Ends the current file, durably; the next append begins another. While a sync runs it is put off to its end."""
        if self._syncing:
            self._roll_due = True
        else:
            self._finish()

    def close(self) -> None:
        """Makes everything durable and lets go of the files."""
        self._finish()

    def _finish(self) -> None:
        self._roll_due = False
        file = self._current
        if file is not None:
            file.truncate(self._end)
            file.sync_now()
            self._current = None  # not before: a later sync must not find that there is nothing to do
            self._files[-1].last = self.last_zxid
            file.close()

    def _begin(self, zxid: int) -> File:
        name = log_name(zxid)
        path = joined(self.folder, name)
        if self._disk.exists(path):
            raise StoreError(f"{path} exists, and transaction 0x{zxid:x} was to begin a log of that name")
        file = self._disk.open(path, create=True)
        file.write_at(0, HEADER)
        self._disk.sync_dir(self.folder)
        self._files.append(_LogFile(zxid, name))
        self._current = file
        self._end = self._padded = HEADER_SIZE
        return file

    def _pad(self, file: File, end: int) -> None:
        self._padded = (end // PADDING_STEP + 1) * PADDING_STEP
        file.write_at(end, memoryview(_ZEROS)[: self._padded - end])
        if self._end > HEADER_SIZE:
            self._files[-1].mark(self.last_zxid, self._end)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """The transactions behind zxid `after`, for a start: to be read to the end.

        Cuts a torn write off the end of the newest file, and its padding, and syncs it: what a start has read must
        not be lost by the next crash. Raises DamagedFileError, also where a transaction is missing.
        """
        self.last_zxid = after
        seen = _Order(after)
        for file in self._files[self._place_of(after) :]:
            for record in self._checked(file, seen):
                if record.zxid > after:
                    self.last_zxid = record.zxid
                    yield record.zxid, record.txn
        if seen.repeated:
            log.warning(
                "the log in %s says %d transactions twice; the second time counts for nothing", self.folder, seen.repeated
            )

    def read_from(self, zxid: int) -> Iterator[tuple[int, bytes]]:
        """The transactions from `zxid` on, to what is the end now. Raises DamagedFileError; OSError when purged meanwhile."""
        last = zxid - 1
        for file in self._files[self._place_of(zxid - 1) :]:
            handle = self._disk.open(joined(self.folder, file.name))
            try:
                end = self._end if self._is_current(file) else handle.size()
                at = file.start_for(zxid)
                for record in read_records(handle, at, end):
                    at = record.end
                    if record.zxid > last:
                        last = record.zxid
                        yield last, record.txn
                ending, reason = ending_of(handle, at, end)
                if ending is not Ending.CLEAN:
                    raise DamagedFileError(handle.path, at, reason)
            finally:
                handle.close()

    def size_from(self, zxid: int) -> int:
        """At most how many bytes `read_from(zxid)` reads, so far as that is known without reading."""
        files = self._files[self._place_of(zxid - 1) :]
        sizes = [self._end if self._is_current(file) else self._disk.size(joined(self.folder, file.name)) for file in files]
        return sum(sizes) - files[0].start_for(zxid) if files else 0

    def _is_current(self, file: _LogFile) -> bool:
        return self._current is not None and file is self._files[-1]

    def _place_of(self, after: int) -> int:
        """The file to begin with: the last that begins at or before the transaction behind `after`."""
        names = [file.zxid for file in self._files]
        return max(0, bisect_right(names, after + 1) - 1)

    def _checked(self, file: _LogFile, seen: _Order) -> Iterator[Record]:
        """The records of a file that are there for the first time. The file may end in ways that are known and said."""
        newest = file is self._files[-1]
        handle = self._disk.open(joined(self.folder, file.name))
        try:
            ending = header_ending(handle)
            if ending is Ending.TORN and newest:
                self._drop(file, "its header was never finished")
                return
            if ending is not None:
                raise DamagedFileError(handle.path, 0, "it does not begin as a transaction log of version 2 does")
            end = handle.size()
            at = HEADER_SIZE
            for record in read_records(handle, at, end):
                is_new = seen.is_new(record.zxid, handle.path, at)
                at = record.end
                if is_new:
                    file.last = record.zxid
                    file.mark(record.zxid, at)
                    yield record
            if newest:
                self._end_newest(file, handle, at)
            else:
                self._end_older(file, handle, at, seen.last)
        finally:
            handle.close()

    def _end_newest(self, file: _LogFile, handle: File, at: int) -> None:
        end = handle.size()
        ending, reason = ending_of(handle, at, end)
        if ending is Ending.DAMAGED:
            raise DamagedFileError(handle.path, at, reason)
        if at == HEADER_SIZE:
            self._drop(file, "no transaction in it was finished")
            return
        if ending is Ending.TORN:
            log.warning("%s is cut at offset %d: %s, of which nothing was promised", handle.path, at, reason)
        if end > at:
            handle.truncate(at)
        handle.sync_now()

    def _end_older(self, file: _LogFile, handle: File, at: int, last: int) -> None:
        """Ours are complete. Apache's server leaves an unfinished write where it died, and begins another file."""
        ending, reason = ending_of(handle, at, handle.size())
        following = self._files[self._files.index(file) + 1].zxid
        if ending is Ending.TORN and (following <= last + 1 or following >> 32 > last >> 32):
            log.warning("%s ends at offset %d in a write that was never finished", handle.path, at)
        elif ending is not Ending.CLEAN:
            raise DamagedFileError(handle.path, at, reason)

    def _drop(self, file: _LogFile, reason: str) -> None:
        log.warning("%s is removed: %s", joined(self.folder, file.name), reason)
        remove_durably(self._disk, self.folder, [file.name])
        self._files.remove(file)

    # ---- shortening --------------------------------------------------------------------------------------------------

    def truncate(self, zxid: int, since: int | None = None) -> None:
        """Takes back everything behind `zxid`; when it returns, that and all that is left is durable. since: where a replay
        will begin: a file may go on behind the beginning of the next, where that says some of it again."""
        self._finish()
        if zxid >= self.last_zxid:
            return
        place = self._place_of(zxid - 1)
        remove_durably(self._disk, self.folder, [file.name for file in reversed(self._files[place + 1 :])])
        del self._files[place + 1 :]
        first = place if since is None else min(place, self._place_of(since))
        for file in reversed(self._files[first:]):
            if file.last is None or file.last > zxid:
                self._cut_behind(file, zxid)
        self.last_zxid = zxid

    def forget(self, zxid: int) -> None:
        """Removes every file: a snapshot as of `zxid`, which did not grow from this log, has taken its place."""
        self._finish()
        for file in self._files:
            self._disk.remove(joined(self.folder, file.name))
        self._disk.sync_dir(self.folder)
        self._files.clear()
        self.last_zxid = zxid

    def purge(self, keep_after: int) -> list[str]:
        """Removes the files that hold nothing behind zxid `keep_after`; returns their paths. Some may be gone already."""
        gone = self._files[: self._place_of(keep_after)]
        del self._files[: len(gone)]
        paths = [joined(self.folder, file.name) for file in gone]
        for path in paths:
            remove_if_there(self._disk, path)
        return paths

    def _cut_behind(self, file: _LogFile, zxid: int) -> None:
        handle = self._disk.open(joined(self.folder, file.name))
        try:
            at = HEADER_SIZE
            for record in read_records(handle, at, handle.size()):
                if record.zxid > zxid:
                    break
                at = record.end
            handle.truncate(at)
            handle.sync_now()
        finally:
            handle.close()
        file.last = zxid
        file.marks = [mark for mark in file.marks if mark[0] <= zxid]
        if at == HEADER_SIZE:
            remove_durably(self._disk, self.folder, [file.name])
            self._files.remove(file)
