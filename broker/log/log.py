"""The log of one partition: append at the end, read by offset, roll, cut, flush.

A leader's `append` checks each batch by its header, stamps base offset and leader epoch into the caller's buffer (both
lie outside of the CRC), and writes the buffer with one call; records are never unpacked. `append_replicated` takes what
a leader stamped. `read` returns whole batches as they lie in the file.

Durability is Apache's: what is written is in the page cache and survives this process, not the machine. The device is
waited for at a roll, at a clean shutdown, and by flush.messages and flush.ms. Below `recovery_point` everything is
synced; a start after a crash checks what lies above it. A log whose disk failed a sync serves no more.

Offsets: `start_offset` <= any readable offset < `end_offset`.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from broker.wire.batches import (
    LOG_OVERHEAD,
    NO_TIMESTAMP,
    BatchError,
    BatchHeader,
    batches,
    crc_of,
    stamp,
    stamp_append_time,
)
from broker.wire.errors import ErrorCode
from coord.kit.disk import Disk
from coord.kit.extent import Extent

from .admission import admit, written_before
from .config import LogConfig
from .epochs import EpochCache
from .errors import LogStorageError, OffsetOutOfRangeError
from .handles import Awake
from .producers import NO_OFFSET, Producers, Written
from .replay import drop_snapshots_after, note, replay_producers
from .segment import NO_TIME, TXN_INDEX, Segment
from .snapshots import snapshot_name, write_snapshot
from .trash import Trash
from .txnindex import AbortedTxn, aborted_between, add_aborted

__all__ = ["EXTENT_MIN", "AppendInfo", "Log", "Place"]

log = logging.getLogger(__name__)

EMPTY = memoryview(b"")
EXTENT_MIN = 64 * 1024
"""Below this, reading bytes costs less than the two calls more that sending them from the file takes."""


class AppendInfo(NamedTuple):
    """Where records were written. `append_time_ms` is -1 unless the topic keeps append times."""

    base_offset: int
    last_offset: int
    append_time_ms: int
    duplicate: bool
    """They had been written before: the offsets are those of then."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a log shares with the others of its node."""

    disk: Disk
    awake: Awake
    trash: Trash
    random: Random


class Log:
    """One partition's log, in `folder`. Built by `recovery.load_log`."""

    __slots__ = (
        "_bases", "_cuts", "_dirty_since_ms", "_jitter_ms", "_named", "_place", "_segments",
        "closed", "config", "end_offset", "epochs", "failure", "folder", "has_aborted", "name", "partition", "producers",
        "recovery_point", "start_offset", "topic", "topic_id",
    )  # fmt: skip

    def __init__(
        self, place: Place, folder: str, topic: str, partition: int, config: LogConfig, segments: list[Segment],
        epochs: EpochCache, producers: Producers, start_offset: int, end_offset: int, recovery_point: int, now_ms: int,
    ) -> None:  # fmt: skip
        self._place = place
        self.folder = folder
        self.topic = topic
        self.partition = partition
        self.name = f"{topic}-{partition}"
        self.topic_id: bytes | None = None
        self.epochs = epochs
        self.producers = producers
        self.start_offset = start_offset
        self.end_offset = end_offset
        self.recovery_point = recovery_point
        """Everything below it is on the device."""
        self.failure = ""
        """Why the log serves no more; empty while it does."""
        self.has_aborted = any(place.disk.exists(segment.path(TXN_INDEX)) for segment in segments)
        self._segments = segments
        self._bases = [segment.base_offset for segment in segments]
        self.closed = False
        self._dirty_since_ms = now_ms if recovery_point < end_offset else None
        self._named = False  # whether the folder's own name is on the device
        self._cuts = 0
        self.configure(config)

    def configure(self, config: LogConfig) -> None:
        """Takes a changed configuration; it holds from the next append on."""
        self.config = config
        self._draw_jitter()

    def _draw_jitter(self) -> None:
        jitter_ms = self.config.segment_jitter_ms
        self._jitter_ms = self._place.random.randrange(jitter_ms) if jitter_ms else 0

    @property
    def latest_epoch(self) -> int:
        """The newest leader epoch, -1 when there is none."""
        return self.epochs.latest

    def epoch_end(self, epoch: int) -> tuple[int, int]:
        """The largest known epoch up to `epoch` and its end offset (exclusive); (-1, -1) when there is none."""
        return self.epochs.end_offset(epoch, self.end_offset)

    def begin_epoch(self, epoch: int) -> None:
        """This broker leads in `epoch`, which begins at the end of the log."""
        self.epochs.assign(epoch, self.end_offset)

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments, the oldest first; the last one is written to."""
        return self._segments

    # -- appending

    def append(self, data: bytearray | memoryview, leader_epoch: int, now_ms: int) -> AppendInfo:
        """Appends a client's batches as their leader. `data` must be writable: offsets and epoch are stamped into it.

        Raises BatchError (refused, nothing written) and LogStorageError (the disk refused, nothing kept).
        """
        if self.failure:
            raise LogStorageError(self.failure)
        append_time = self.config.log_append_time
        found = admit(data, self.config, self.name, now_ms)
        first = found[0][1]
        if first.producer_id >= 0:
            written = written_before(found, self.producers, self.name)
            if written is not None:
                time_ms = written.timestamp_ms if append_time else NO_TIMESTAMP
                return AppendInfo(written.base_offset, written.last_offset, time_ms, duplicate=True)

        base_offset = offset = self.end_offset
        entries = []
        time_ms = NO_TIME
        for at, header in found:
            if append_time:
                stamp_append_time(data, at, now_ms)
                time_ms = now_ms
            else:
                time_ms = header.max_timestamp
            stamp(data, at, offset, leader_epoch)
            offset += header.last_offset_delta + 1
            entries.append((at, header.length + LOG_OVERHEAD, offset - 1, time_ms))
        self._active(len(data), offset - 1, time_ms, now_ms).append(data, entries)
        self.end_offset = offset
        if leader_epoch != self.epochs.latest:
            self.epochs.assign(leader_epoch, base_offset)
        if first.producer_id >= 0:
            written = Written(first.base_sequence, first.last_sequence, base_offset, offset - 1, time_ms)
            self.producers.wrote(first.producer_id, first.producer_epoch, written, first.is_transactional)
        self._wrote(now_ms)
        return AppendInfo(base_offset, offset - 1, now_ms if append_time else NO_TIMESTAMP, duplicate=False)

    def append_replicated(self, data: bytes | bytearray | memoryview, now_ms: int) -> int:
        """Appends whole batches as the leader of the partition stamped them; returns the new end offset.

        Raises BatchError where they are damaged or do not follow, and LogStorageError.
        """
        if self.failure:
            raise LogStorageError(self.failure)
        entries = []
        found = list(batches(data))
        offset = self.end_offset
        for at, header in found:
            if crc_of(data, at, header.size) != header.crc:
                raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"{self.name}: the batch at offset {header.base_offset} has a wrong CRC")
            if header.base_offset < offset or header.last_offset_delta < 0:
                raise BatchError(
                    ErrorCode.CORRUPT_MESSAGE, f"{self.name}: a batch at offset {header.base_offset} cannot follow offset {offset - 1}"
                )
            offset = header.next_offset
            entries.append((at, header.size, header.last_offset, header.max_timestamp))
        if not found:
            return offset
        last = found[-1][1]
        segment = self._active(len(data), last.last_offset, last.max_timestamp, now_ms)
        segment.append(data, entries)
        self.end_offset = offset
        for at, header in found:
            self.epochs.assign(header.leader_epoch, header.base_offset)
            if header.producer_id >= 0:
                self._note(header, memoryview(data)[at : at + header.size], segment)
        self._wrote(now_ms)
        return offset

    def _note(self, header: BatchHeader, data: memoryview, segment: Segment) -> None:
        completed = note(self.producers, header, data)
        if completed is not None and completed.aborted:
            add_aborted(self._place.disk, segment.path(TXN_INDEX), completed)
            self.has_aborted = True

    def _wrote(self, now_ms: int) -> None:
        if self._dirty_since_ms is None:
            self._dirty_since_ms = now_ms
        if self.end_offset - self.recovery_point >= self.config.flush_messages:
            self.flush_now()  # asked for record by record: the acknowledgement must not overtake the device

    def _active(self, size: int, last_offset: int, time_ms: int, now_ms: int) -> Segment:
        """The segment for `size` more bytes: the last one, or a new one when that is full or old."""
        segment = self._segments[-1]
        if segment.size == 0:
            return segment
        config = self.config
        if segment.size + size <= config.segment_bytes:
            first_ms = segment.first_time()
            age_ms = time_ms - first_ms if first_ms >= 0 and time_ms >= 0 else now_ms - segment.taken_up_ms
            if age_ms <= config.segment_ms - self._jitter_ms and segment.has_room(last_offset, config.segment_index_bytes):
                return segment
        return self.roll(now_ms)

    def roll(self, now_ms: int) -> Segment:
        """Begins a new segment at the end, unless the last one is empty. Raises LogStorageError."""
        active = self._segments[-1]
        if active.size == 0:
            return active
        try:
            active.seal()
            write_snapshot(self._place.disk, self.folder, self.end_offset, self.producers)
            # no segment's name may outlive a power loss that an earlier one's did not: the log would have a hole
            self._place.disk.sync_dir(self.folder)
            self._begin_segment(self.end_offset, now_ms)
        except OSError as error:
            raise LogStorageError(f"{self.folder}: no new segment can begin: {error}") from error
        return self._segments[-1]

    def _begin_segment(self, base_offset: int, now_ms: int) -> None:
        place = self._place
        interval = self.config.index_interval_bytes
        self._segments.append(Segment.create(place.disk, place.awake, self.folder, base_offset, interval, now_ms))
        self._bases.append(base_offset)
        self._draw_jitter()

    # -- reading

    def read(self, offset: int, max_bytes: int, upto: int | None = None, min_one: bool = True) -> memoryview:
        """Whole batches from the one that holds `offset`, up to `max_bytes`, all of them below offset `upto` (or the end).

        With `min_one` the first batch comes however large it is. Raises OffsetOutOfRangeError, LogStorageError.
        """
        stretch = self._stretch(offset, upto)
        if stretch is None:
            return EMPTY
        segment, position, limit, limit_offset = stretch
        return segment.read(position, max_bytes, limit, limit_offset, min_one)

    def lend(self, offset: int, max_bytes: int, upto: int, min_one: bool) -> memoryview | Extent | bytes:
        """As `read`, for whoever sends the bytes on: what is worth it is an extent of the segment's file."""
        stretch = self._stretch(offset, upto)
        if stretch is None:
            return EMPTY
        segment, position, limit, limit_offset = stretch
        if min(max_bytes, limit - position) < EXTENT_MIN:
            return segment.read(position, max_bytes, limit, limit_offset, min_one)
        return segment.lend(position, max_bytes, limit, limit_offset, min_one)

    def _stretch(self, offset: int, upto: int | None) -> tuple[Segment, int, int, int] | None:
        """Where the batch that holds `offset` lies: its segment and position there, and the position and offset to read up to."""
        end = self.end_offset if upto is None else min(upto, self.end_offset)
        if not self.start_offset <= offset <= self.end_offset:
            raise OffsetOutOfRangeError(
                f"{self.name}: offset {offset} is not within {self.start_offset} to {self.end_offset}"
            )
        number = bisect_right(self._bases, offset) - 1
        while offset < end and number < len(self._segments):
            segment = self._segments[number]
            number += 1
            next_base = self._bases[number] if number < len(self._bases) else self.end_offset
            limit = segment.size if end >= next_base else segment.position_of(end)
            position = segment.position_of(offset)
            if position < limit:
                return segment, position, limit, min(end, next_base)
        return None

    def stable_offset(self, high_watermark: int) -> int:
        """The last stable offset: what a read_committed consumer may read up to."""
        first_open = self.producers.first_open_offset()
        return high_watermark if first_open is None else min(first_open, high_watermark)

    def aborted(self, offset: int, end: int) -> list[AbortedTxn]:
        """The aborted transactions with records in [offset, end)."""
        found: list[AbortedTxn] = []
        if not self.has_aborted:
            return found
        for segment in self._segments[max(0, bisect_right(self._bases, offset) - 1) :]:
            transactions = aborted_between(self._place.disk, segment.path(TXN_INDEX), offset, end)
            found += transactions
            if any(txn.stable_offset >= end for txn in transactions):
                break  # whatever ended later began later
        return found

    # -- cutting

    def raise_start(self, offset: int) -> None:
        """Records below `offset` may be read no more (DeleteRecords). Raises OffsetOutOfRangeError beyond the end."""
        if offset > self.end_offset:
            raise OffsetOutOfRangeError(f"{self.name}: offset {offset} is beyond the end, {self.end_offset}")
        if offset > self.start_offset:
            self.start_offset = offset
            self.epochs.cut_start(offset)

    def drop_first(self, count: int, now_ms: int) -> None:
        """Drops the `count` oldest segments, but never the last one. Raises LogStorageError."""
        assert count < len(self._segments)
        for segment in self._segments[:count]:
            self._discard(segment, now_ms)
        del self._segments[:count], self._bases[:count]
        self.raise_start(max(self.start_offset, self._bases[0]))

    def _discard(self, segment: Segment, now_ms: int) -> None:
        segment.close()
        try:
            self._place.trash.add_segment(self.folder, segment.base_offset, now_ms + self.config.file_delete_delay_ms)
        except OSError as error:
            raise LogStorageError(f"{self.folder}: segment {segment.base_offset} cannot be dropped: {error}") from error

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Cuts the log to the batches that end before `offset`, as a follower must. Raises LogStorageError.

        Below the start the log is emptied and goes on at `offset`. The caller checkpoints the recovery point.
        """
        if offset >= self.end_offset:
            return
        if offset < self.start_offset:
            self.restart_at(offset, now_ms)
            return
        keep = max(1, bisect_right(self._bases, offset))
        for segment in reversed(self._segments[keep:]):
            self._discard(segment, now_ms)
        del self._segments[keep:], self._bases[keep:]
        self._forget_names()
        last = self._segments[-1]
        position, base_offset = last.find(offset)
        if base_offset != NO_OFFSET:
            offset = min(offset, base_offset)
        last.truncate(position, offset)
        self._cut(offset)
        drop_snapshots_after(self._place.disk, self.folder, offset)
        replay_producers(self._place.disk, self.folder, self._segments, self.producers, offset, self.start_offset)

    def restart_at(self, offset: int, now_ms: int) -> None:
        """Empties the log; it goes on at `offset`, where the leader's log begins. Raises LogStorageError."""
        for segment in self._segments:
            self._discard(segment, now_ms)
        self._segments.clear()
        self._bases.clear()
        self._forget_names()
        try:
            self._begin_segment(offset, now_ms)
            drop_snapshots_after(self._place.disk, self.folder, -1)
        except OSError as error:
            raise LogStorageError(f"{self.folder}: no new segment can begin: {error}") from error
        self.producers.clear()
        self.start_offset = offset
        self._cut(offset)

    def _forget_names(self) -> None:
        """What was cut away may not come back with the power: it could fit behind what is written next."""
        try:
            self._place.disk.sync_dir(self.folder)
        except OSError as error:
            raise self._failed(error) from error

    def _cut(self, offset: int) -> None:
        self.end_offset = offset
        self.recovery_point = min(self.recovery_point, offset)
        self.epochs.cut_end(offset)
        self._cuts += 1

    # -- the device

    def flush_due(self, now_ms: int) -> int:
        """Up to which offset `flush` is due: the whole log by flush.ms, else what has been rolled; 0 for nothing."""
        if self._dirty_since_ms is not None and now_ms - self._dirty_since_ms >= self.config.flush_ms:
            return self.end_offset
        rolled = self._bases[-1]
        return rolled if rolled > self.recovery_point else 0

    async def flush(self, end: int | None = None) -> None:
        """Waits until everything below `end` (or the log's end) is on the device. One task at a time for each log.

        Raises LogStorageError; the log then serves no more, as nobody knows what the device has.
        """
        target = self.end_offset if end is None else end
        cuts = self._cuts
        try:
            for segment in self._unsynced(target):
                await segment.sync()
            self._sync_names()
        except OSError as error:
            if self.closed:
                return  # deleted meanwhile
            raise self._failed(error) from error
        if cuts == self._cuts and not self.closed:
            self._flushed(target)

    def flush_now(self) -> None:
        """`flush`, blocking."""
        try:
            for segment in self._unsynced(self.end_offset):
                segment.sync_now()
            self._sync_names()
        except OSError as error:
            raise self._failed(error) from error
        self._flushed(self.end_offset)

    def _unsynced(self, target: int) -> list[Segment]:
        first = max(0, bisect_right(self._bases, self.recovery_point) - 1)
        return [segment for segment in self._segments[first:] if segment.base_offset < target]

    def _sync_names(self) -> None:
        disk = self._place.disk
        disk.sync_dir(self.folder)
        if not self._named:
            disk.sync_dir(self.folder.rpartition("/")[0] or "/")
            self._named = True

    def _flushed(self, target: int) -> None:
        self.recovery_point = max(self.recovery_point, target)
        if target >= self.end_offset:
            self._dirty_since_ms = None

    def _failed(self, error: OSError) -> LogStorageError:
        self.failure = f"{self.folder} could not be synced and is not trusted any more: {error}"
        log.error("%s", self.failure)
        return LogStorageError(self.failure)

    def close(self) -> None:
        """A clean shutdown: everything on the device, producers in a snapshot, files closed. Raises LogStorageError."""
        if self.failure:
            self.abandon()
            return
        try:
            self._segments[-1].seal()
            if not self._place.disk.exists(f"{self.folder}/{snapshot_name(self.end_offset)}"):
                write_snapshot(self._place.disk, self.folder, self.end_offset, self.producers)
        except OSError as error:
            raise self._failed(error) from error
        self.flush_now()
        self.abandon()

    def abandon(self) -> None:
        """Closes the files and no more."""
        self.closed = True
        for segment in self._segments:
            segment.close()
