"""Producer snapshots: `<offset>.snapshot` holds what was known of the producers before that offset.

Written when a segment begins, for that segment's base offset, and at a clean shutdown for the log's end; a load starts
from the newest one and replays the batches behind it. Apache's format (reference: Kafka, on disk): i16 version 1,
u32 CRC-32C of what follows, i32 count, then 46 bytes for each producer with its last batch only.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct, error, pack_into

from crc32c import crc32c

from broker.wire.batches import NO_SEQUENCE
from coord.kit.disk import Disk

from .checkpoints import rewrite
from .producers import NO_OFFSET, SEQUENCE_MAX, ProducerEntry, Written

__all__ = ["SUFFIX", "SnapshotDamagedError", "read_snapshot", "snapshot_name", "write_snapshot"]

SUFFIX = ".snapshot"
VERSION = 1
HEAD = Struct(">hIi")
CRC_AT = 2
CHECKED_FROM = 6
ENTRY = Struct(">qhiqiqiq")


class SnapshotDamagedError(Exception):
    """A snapshot that cannot be believed; an older one, or the log itself, serves instead."""


def snapshot_name(offset: int) -> str:
    """The file's name."""
    return f"{offset:020d}{SUFFIX}"


def write_snapshot(disk: Disk, folder: str, offset: int, producers: Iterable[ProducerEntry]) -> None:
    """Writes the snapshot of `offset`. It is not synced: its CRC tells a torn one, and the log can replace it."""
    entries = [_encode(entry) for entry in producers]
    data = bytearray(HEAD.pack(VERSION, 0, len(entries))) + b"".join(entries)
    pack_into(">I", data, CRC_AT, crc32c(memoryview(data)[CHECKED_FROM:]))
    rewrite(disk, f"{folder}/{snapshot_name(offset)}", bytes(data))


def read_snapshot(disk: Disk, path: str) -> list[ProducerEntry]:
    """The producers in a snapshot. Raises SnapshotDamagedError."""
    data = disk.read(path)
    try:
        version, crc, count = HEAD.unpack_from(data)
    except error:
        raise SnapshotDamagedError(f"{path} has only {len(data)} bytes") from None
    if version != VERSION:
        raise SnapshotDamagedError(f"{path} is of version {version}, expected {VERSION}")
    if crc != crc32c(memoryview(data)[CHECKED_FROM:]) or len(data) != HEAD.size + count * ENTRY.size:
        raise SnapshotDamagedError(f"{path} does not match its CRC")
    return [_decode(fields) for fields in ENTRY.iter_unpack(memoryview(data)[HEAD.size :])]


def _encode(entry: ProducerEntry) -> bytes:
    if entry.batches:
        batch = entry.batches[-1]
        sequence, offset, delta = batch.last_sequence, batch.last_offset, batch.last_offset - batch.base_offset
    else:
        sequence, offset, delta = NO_SEQUENCE, NO_OFFSET, 0
    return ENTRY.pack(
        entry.producer_id, entry.epoch, sequence, offset, delta, entry.last_timestamp_ms, entry.coordinator_epoch,
        entry.txn_first_offset,
    )  # fmt: skip


def _decode(fields: tuple[int, ...]) -> ProducerEntry:
    producer_id, epoch, sequence, offset, delta, timestamp_ms, coordinator_epoch, txn_first_offset = fields
    entry = ProducerEntry(producer_id, epoch)
    entry.last_timestamp_ms = timestamp_ms
    entry.coordinator_epoch = coordinator_epoch
    entry.txn_first_offset = txn_first_offset
    if offset >= 0:
        first = (sequence - delta) & SEQUENCE_MAX if sequence != NO_SEQUENCE else NO_SEQUENCE
        entry.batches.append(Written(first, sequence, offset - delta, offset, timestamp_ms))
    return entry
