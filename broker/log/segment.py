"""One segment of a log: a `.log` file of whole batches, with its indexes.

The base offset names the files. A segment that nobody uses holds a few numbers; `Awake` wakes it on use (one open
file, both indexes in memory) and puts it back to rest. A batch is found by bisection in memory and one small read of
the headers behind the indexed one; who reads on where the last read ended is not looked up at all.

Positions are bytes in the `.log` file, offsets are absolute, times are milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from broker.wire.batches import (
    HEADER_SIZE,
    BatchError,
    BatchHeader,
    batches,
    crc_of,
    read_header,
)
from coord.kit.disk import Disk, File
from coord.kit.extent import Extent

from .errors import DamagedError, LogStorageError
from .handles import Awake
from .index import OFFSET_ENTRY, RELATIVE_MAX, TIME_ENTRY, OffsetIndex, TimeIndex
from .scan import headers, whole_batches
from .txnindex import cut_aborted

__all__ = ["INDEX", "LOG", "NO_TIME", "SUFFIXES", "TIME_INDEX", "TXN_INDEX", "Recovered", "Segment", "file_name"]

log = logging.getLogger(__name__)

LOG, INDEX, TIME_INDEX, TXN_INDEX = SUFFIXES = (".log", ".index", ".timeindex", ".txnindex")
CURSORS_MAX = 16
"""Places where readers stopped, kept for each segment."""
NO_TIME = -1
PEEK_BYTES = 8 * 1024
"""What is read at once to walk over headers: a stretch between two index entries, as a rule."""
EMPTY = memoryview(b"")


def file_name(offset: int, suffix: str) -> str:
    """A segment file's name: the base offset in 20 digits."""
    return f"{offset:020d}{suffix}"


class Recovered(NamedTuple):
    """What a recovery found: the offset after the last good batch, and the bytes cut behind it with their flaw."""

    next_offset: int
    cut_bytes: int
    flaw: str
    epochs: list[tuple[int, int]]
    """Leader epochs and the offsets where they begin, as the batches carry them."""


class Segment:
    """The segment at `base_offset` in `folder`."""

    __slots__ = (
        "_awake", "_cursors", "_disk", "_file", "_first_time", "_index", "_interval", "_max_offset", "_max_time",
        "_since_entry", "_times", "base_offset", "folder", "size", "taken_up_ms",
    )  # fmt: skip

    def __init__(self, disk: Disk, awake: Awake, folder: str, base_offset: int, interval: int, now_ms: int) -> None:
        """Takes up the files there are. interval: index.interval.bytes. Errors are OSError."""
        self._disk = disk
        self._awake = awake
        self._interval = interval
        self.folder = folder
        self.base_offset = base_offset
        self.size = disk.size(self.path(LOG))
        """Bytes of whole batches; what a failed write left behind them is not ours."""
        self.taken_up_ms = now_ms
        """When this process first saw the segment: its age as long as no record has a timestamp."""
        self._first_time: int | None = None  # None: not looked up yet, as below
        self._max_time: int | None = NO_TIME if self.size == 0 else None
        self._max_offset = base_offset
        self._since_entry = 0
        self._file: File | None = None
        self._index = OffsetIndex()
        self._times = TimeIndex()
        self._cursors: dict[int, int] = {}

    @classmethod
    def create(cls, disk: Disk, awake: Awake, folder: str, base_offset: int, interval: int, now_ms: int) -> Segment:
        """Begins an empty segment. Its name keeps the offset, even while nothing is written to it."""
        disk.open(f"{folder}/{file_name(base_offset, LOG)}", create=True).close()
        return cls(disk, awake, folder, base_offset, interval, now_ms)

    def path(self, suffix: str) -> str:
        """One of the segment's files."""
        return f"{self.folder}/{file_name(self.base_offset, suffix)}"

    # -- waking and resting

    def _woken(self) -> File:
        file = self._file
        if file is None:
            return self._wake()
        self._awake.used(self)
        return file

    def _wake(self) -> File:
        try:
            file = self._disk.open(self.path(LOG))
            try:
                if not self._load_indexes():
                    log.warning("%s: the index is missing or damaged and is rebuilt", self.path(LOG))
                    self._rebuild(file)
                if self._max_time is None:
                    self._learn_max_time(file)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise LogStorageError(f"{self.path(LOG)} cannot be opened: {error}") from error
        self._file = file
        self._awake.add(self)
        return file

    def _load_indexes(self) -> bool:
        """Reads both indexes; whether they can be believed."""
        index, times = (self._content(suffix) for suffix in (INDEX, TIME_INDEX))
        if (index is None or times is None) and self.size > self._interval:
            return False
        self._index, sound = OffsetIndex.decode(index or b"", self.size)
        self._times, times_sound = TimeIndex.decode(times or b"")
        self._since_entry = self.size - self._index.position_up_to(self.size)
        return sound and times_sound

    def _content(self, suffix: str) -> bytes | None:
        path = self.path(suffix)
        return self._disk.read(path) if self._disk.exists(path) else None

    def _learn_max_time(self, file: File) -> None:
        """The largest timestamp: what the time index says, and what stands behind the last indexed batch."""
        time_ms, relative = self._times.last()
        self._max_time, self._max_offset = time_ms, self.base_offset + relative
        for _, header in headers(file, self._index.position_up_to(self.size), self.size):
            if header.max_timestamp > self._max_time:
                self._max_time, self._max_offset = header.max_timestamp, header.last_offset

    def _rebuild(self, file: File) -> None:
        """Both indexes anew, from the headers."""
        self._forget()
        for position, header in headers(file, 0, self.size):
            self._enter(position, header.size, header.last_offset, header.max_timestamp)
        self._close_time_index()
        self.save_indexes()

    def _forget(self) -> None:
        self._index, self._times = OffsetIndex(), TimeIndex()
        self._max_time, self._max_offset, self._since_entry = NO_TIME, self.base_offset, 0
        self._first_time = None
        self._cursors.clear()

    def rest(self) -> None:
        """Closes the file and forgets the indexes, after saving what is new in them."""
        if self._file is None:
            return
        try:
            self.save_indexes()
        except OSError as error:  # no loss: an index that is short serves, and one that is damaged is rebuilt
            log.warning("%s: the indexes cannot be saved: %s", self.path(LOG), error)
        self._file.close()
        self._file = None
        self._index, self._times = OffsetIndex(), TimeIndex()
        self._cursors.clear()

    def close(self) -> None:
        """`rest`, for good."""
        self._awake.drop(self)
        self.rest()

    def save_indexes(self) -> None:
        """Writes the new index entries to their files."""
        self._index.save(self._disk, self.path(INDEX))
        self._times.save(self._disk, self.path(TIME_INDEX))

    def seal(self) -> None:
        """The segment may take no more: its largest timestamp becomes the time index's last entry, and both are saved."""
        self._woken()
        self._close_time_index()
        self.save_indexes()

    def _close_time_index(self) -> None:
        if self._max_time is not None:
            self._times.add(self._max_time, self._max_offset - self.base_offset)

    async def sync(self) -> None:
        """Makes the segment durable, through handles of its own: this one may go to rest meanwhile. Errors are OSError."""
        for file in self._to_sync():
            await file.sync()

    def sync_now(self) -> None:
        """`sync`, blocking."""
        for file in self._to_sync():
            file.sync_now()

    def _to_sync(self) -> Iterator[File]:
        if self._file is not None:
            self.save_indexes()
        for path in map(self.path, SUFFIXES):
            if self._disk.exists(path):
                file = self._disk.open(path)
                try:
                    yield file
                finally:
                    file.close()

    # -- writing

    def append(self, data: bytes | bytearray | memoryview, entries: Iterable[tuple[int, int, int, int]]) -> None:
        """Writes whole batches at the end; `entries` tell of each its position in `data`, size, last offset and largest time.

        Raises LogStorageError; the segment is then as before.
        """
        file = self._woken()
        size = self.size
        try:
            file.write_at(size, data)
        except OSError as error:
            self._take_back(file, size)
            raise LogStorageError(f"{self.path(LOG)} cannot be written: {error}") from error
        for at, batch_size, last_offset, time_ms in entries:
            self._enter(size + at, batch_size, last_offset, time_ms)
        self.size = size + len(data)

    def _take_back(self, file: File, size: int) -> None:
        """Cuts what a failed write left; if that fails as well, the next write goes over it, and recovery knows it by its CRC."""
        try:
            file.truncate(size)
        except OSError as error:
            log.error("%s: what a failed write left behind cannot be cut: %s", self.path(LOG), error)

    def _enter(self, position: int, size: int, last_offset: int, time_ms: int) -> None:
        """Notes a batch in the indexes, by Apache's rule: an entry once more than the interval lies behind the last."""
        if self._max_time is None or time_ms > self._max_time:
            self._max_time, self._max_offset = time_ms, last_offset
        if position == 0:
            self._first_time = time_ms
        if self._since_entry > self._interval:
            self._index.add(last_offset - self.base_offset, position)
            self._times.add(self._max_time, self._max_offset - self.base_offset)
            self._since_entry = 0
        self._since_entry += size

    def has_room(self, last_offset: int, index_bytes: int) -> bool:
        """Whether a batch up to `last_offset` can be indexed, in indexes of at most `index_bytes`."""
        self._woken()
        return (
            last_offset - self.base_offset <= RELATIVE_MAX
            and len(self._index) < index_bytes // OFFSET_ENTRY.size
            and len(self._times) < index_bytes // TIME_ENTRY.size - 1
        )

    def recover(self) -> Recovered:
        """Reads every byte, checks every CRC, cuts the file behind the last good batch and rebuilds the indexes.

        For start-up. The index of transactions is emptied: it is filled again as producers are replayed. Errors are OSError.
        """
        self.close()
        file = self._disk.open(self.path(LOG))
        found_size = file.size()
        self._forget()
        good, next_offset, flaw = 0, self.base_offset, ""
        epochs: list[tuple[int, int]] = []
        try:
            for position, header, data in whole_batches(file, 0, found_size):
                flaw = self._flaw(header, data, next_offset)
                if flaw:
                    break
                self._enter(position, header.size, header.last_offset, header.max_timestamp)
                good, next_offset = position + header.size, header.next_offset
                if not epochs or header.leader_epoch > epochs[-1][0]:
                    epochs.append((header.leader_epoch, header.base_offset))
        except DamagedError as error:
            flaw = str(error)
        self.size = good
        if good < found_size:
            file.truncate(good)
        cut_aborted(self._disk, self.path(TXN_INDEX), self.base_offset)
        self._file = file
        self._awake.add(self)
        self.seal()
        if good < found_size:
            self.sync_now()  # as in `truncate`
        return Recovered(next_offset, found_size - good, flaw or "the last batch is cut off", epochs)

    def _flaw(self, header: BatchHeader, data: memoryview, next_offset: int) -> str:
        """What is wrong with a batch found in the file; empty when nothing is."""
        if crc_of(data, 0, len(data)) != header.crc:
            return f"the CRC of the batch at offset {header.base_offset} does not match"
        if header.base_offset < next_offset or header.last_offset < header.base_offset:
            return f"the batch at offset {header.base_offset} follows offset {next_offset - 1}"
        if header.last_offset - self.base_offset > RELATIVE_MAX:
            return f"offset {header.last_offset} is too far from the segment's base"
        return ""

    def truncate(self, position: int, end_offset: int) -> None:
        """Cuts the segment at a batch's `position`; `end_offset` is the offset after what stays.

        The index files are cut at once: stale entries would point into the middle of what is written next. And all of it
        is synced: what came back with the power could lie below the recovery point by then, and would not be checked.
        """
        file = self._woken()
        try:
            file.truncate(position)
            self.size = position
            self._index.cut(position)
            self._times.cut(end_offset - self.base_offset)
            self._cursors.clear()
            self._since_entry = position - self._index.position_up_to(position)
            self._first_time = None
            self._learn_max_time(file)
            cut_aborted(self._disk, self.path(TXN_INDEX), end_offset)
            self.sync_now()
        except OSError as error:
            raise LogStorageError(f"{self.path(LOG)} cannot be cut: {error}") from error

    # -- reading

    def find(self, offset: int) -> tuple[int, int]:
        """Position and base offset of the first batch that ends at `offset` or later; (size, -1) when there is none."""
        file = self._woken()
        start = self._index.position_of(offset - self.base_offset)
        for position, header in headers(file, start, self.size, self._interval + HEADER_SIZE):
            if header.last_offset >= offset:
                return position, header.base_offset
        return self.size, -1

    def position_of(self, offset: int) -> int:
        """As `find`, the position alone: no look at the file where a reader goes on where one stopped."""
        position = self._cursors.get(offset)
        return self.find(offset)[0] if position is None else position

    def read(self, position: int, max_bytes: int, end: int, end_offset: int, min_one: bool) -> memoryview:
        """Whole batches from `position`, a batch's, up to `max_bytes` and not beyond `end`, a batch's end as well.

        end_offset: the offset at `end`. With `min_one` the first batch comes however large it is.
        """
        file = self._woken()
        try:
            data = file.read_at(position, max(0, min(max_bytes, end - position)))
            if position + len(data) >= end:
                self._stopped(end_offset, end)
                return memoryview(data)
            after, next_offset = self._whole(position, data)
            if after == 0 and min_one:
                header = read_header(data if len(data) >= HEADER_SIZE else file.read_at(position, HEADER_SIZE))
                after, next_offset = header.size, header.next_offset
                data = file.read_at(position, after)
        except BatchError as error:
            raise DamagedError(f"{self.path(LOG)} is damaged behind position {position}: {error}") from error
        except OSError as error:
            raise LogStorageError(f"{self.path(LOG)} cannot be read: {error}") from error
        if after == 0:
            return EMPTY
        self._stopped(next_offset, position + after)
        return memoryview(data)[:after]

    def lend(self, position: int, max_bytes: int, end: int, end_offset: int, min_one: bool) -> Extent | bytes:
        """As `read`, without reading: where batches have to be counted out, their headers are all that is looked at."""
        file = self._woken()
        try:
            size = min(max_bytes, end - position)
            if position + size >= end:
                next_offset = end_offset
            else:
                size, next_offset = self._whole_in_file(file, position, size, end)
                if size == 0 and min_one:
                    header = read_header(file.read_at(position, HEADER_SIZE))
                    size, next_offset = header.size, header.next_offset
            if size == 0:
                return b""
            self._stopped(next_offset, position + size)
            return file.extent(position, size)
        except BatchError as error:
            raise DamagedError(f"{self.path(LOG)} is damaged behind position {position}: {error}") from error
        except OSError as error:
            raise LogStorageError(f"{self.path(LOG)} cannot be read: {error}") from error

    def _whole_in_file(self, file: File, position: int, size: int, end: int) -> tuple[int, int]:
        """Bytes of the whole batches in `size` bytes from `position`, and the offset after them: the first batch that is too
        much begins where they end. There is one: `end`, a batch's end, lies behind."""
        limit = position + size
        start = max(position, self._index.position_up_to(limit))
        for at, header in headers(file, start, end, PEEK_BYTES):
            if at + header.size > limit:
                return at - position, header.base_offset
        return 0, -1

    def _whole(self, position: int, data: bytes) -> tuple[int, int]:
        """Where the last whole batch of `data`, read at `position`, ends in it, and the offset after that; 0 for none."""
        limit = position + len(data)
        while True:
            start = max(0, self._index.position_up_to(limit) - position)
            after, next_offset = 0, -1
            for at, header in batches(data, start, partial=True):
                after, next_offset = at + header.size, header.next_offset
            if after or start == 0:
                return after, next_offset
            limit = position + start - 1  # the indexed batch is the one that is cut off: the entry before serves

    def _stopped(self, offset: int, position: int) -> None:
        """A reader stopped before `offset`, at `position`: it will ask for it next."""
        if len(self._cursors) >= CURSORS_MAX:
            self._cursors.clear()
        self._cursors[offset] = position

    def headers(self, offset: int) -> Iterator[tuple[int, BatchHeader]]:
        """Position and header of each batch that ends at `offset` or later."""
        return headers(self._woken(), self.position_of(offset), self.size)

    def batch(self, position: int, header: BatchHeader) -> bytes:
        """All bytes of a batch."""
        return self._woken().read_at(position, header.size)

    def end(self) -> tuple[int, int]:
        """The offset after the last whole batch and its end in the file: for the last segment at start-up."""
        next_offset, end = self.base_offset, 0
        for position, header in headers(self._woken(), self._index.position_up_to(self.size), self.size):
            next_offset, end = header.next_offset, position + header.size
        return next_offset, end

    def max_time(self) -> tuple[int, int]:
        """The largest timestamp and its batch's last offset; NO_TIME when no record has one."""
        if self._max_time is None:
            self._woken()
        assert self._max_time is not None
        return self._max_time, self._max_offset

    def first_time(self) -> int:
        """The largest timestamp of the first batch, from which the segment's age counts; NO_TIME when there is none."""
        if self._first_time is None:
            if self.size == 0:
                return NO_TIME
            self._first_time = read_header(self._woken().read_at(0, HEADER_SIZE)).max_timestamp
        return self._first_time

    def batches_from_time(self, time_ms: int, offset: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        """The batches that may hold the first record of `time_ms` or later, from `offset` on."""
        file = self._woken()
        relative = max(self._times.offset_before(time_ms), offset - self.base_offset)
        for _, header, data in whole_batches(file, self._index.position_of(relative), self.size):
            if header.max_timestamp >= time_ms and header.last_offset >= offset:
                yield header, data
