"""What a partition knows of its producers, found again: the newest snapshot, and the batches behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from broker.wire.batches import BatchError, BatchHeader
from broker.wire.records import ControlType, read_control, unpack_records
from coord.kit.disk import Disk

from .producers import CompletedTxn, Producers, Written
from .segment import TXN_INDEX, Segment
from .snapshots import SUFFIX, SnapshotDamagedError, read_snapshot, snapshot_name
from .txnindex import add_aborted

__all__ = ["drop_snapshots_after", "note", "replay_producers", "snapshot_offsets"]

log = logging.getLogger(__name__)


def snapshot_offsets(disk: Disk, folder: str) -> list[int]:
    """The offsets of the snapshots in a partition's folder, ascending."""
    return [int(name.removesuffix(SUFFIX)) for name in disk.names(folder) if name.endswith(SUFFIX)]


def drop_snapshots_after(disk: Disk, folder: str, offset: int) -> None:
    """Removes the snapshots of a log that ends at `offset` now."""
    for found in snapshot_offsets(disk, folder):
        if found > offset:
            disk.remove(f"{folder}/{snapshot_name(found)}")


def replay_producers(disk: Disk, folder: str, segments: Sequence[Segment], producers: Producers, up_to: int, start: int) -> None:
    """Fills `producers` from the newest good snapshot up to offset `up_to`, and from the batches behind it.

    Without one the whole log is replayed from `start`. An abort marker from `up_to` on is entered in its segment's index
    of transactions again, whose file may have lost it.
    """
    producers.clear()
    after = start
    for offset in reversed(snapshot_offsets(disk, folder)):
        if offset > up_to:
            continue
        path = f"{folder}/{snapshot_name(offset)}"
        try:
            producers.load(read_snapshot(disk, path))
        except SnapshotDamagedError as error:
            log.warning("%s; an older one or the log itself takes its place", error)
            disk.remove(path)
            continue
        after = max(offset, start)
        break
    for number, segment in enumerate(segments):
        if number + 1 < len(segments) and segments[number + 1].base_offset <= after:
            continue
        for position, header in segment.headers(after):
            if header.producer_id >= 0:
                completed = note(producers, header, segment.batch(position, header) if header.is_control else b"")
                if completed is not None and completed.aborted and completed.last_offset >= up_to:
                    add_aborted(disk, segment.path(TXN_INDEX), completed)


def note(producers: Producers, header: BatchHeader, data: bytes | memoryview) -> CompletedTxn | None:
    """Enters a batch that is in the log; `data` are its bytes, needed of a control batch. Returns what a marker ended."""
    if not header.is_control:
        written = Written(
            header.base_sequence, header.last_sequence, header.base_offset, header.last_offset, header.max_timestamp
        )
        producers.wrote(header.producer_id, header.producer_epoch, written, header.is_transactional)
        return None
    try:
        records = unpack_records(data, 0, header)
        if not records:
            return None  # compaction has removed the marker with its transaction
        kind, coordinator_epoch = read_control(records[0])
    except BatchError as error:
        log.warning("the control batch at offset %d does not parse and is passed over: %s", header.base_offset, error)
        return None
    if coordinator_epoch is None:
        return None
    return producers.ended(
        header.producer_id,
        header.producer_epoch,
        coordinator_epoch,
        header.base_offset,
        records[0].timestamp,
        kind == ControlType.ABORT,
    )
