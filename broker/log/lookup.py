"""Offsets by time, for ListOffsets: the only place where the log looks into records."""

from __future__ import annotations

from typing import NamedTuple

from broker.wire.batches import BatchError
from broker.wire.records import unpack_records

from .errors import DamagedError
from .log import Log
from .segment import NO_TIME

__all__ = ["FoundOffset", "latest_time", "offset_for_time"]


class FoundOffset(NamedTuple):
    """A record by its time. leader_epoch: of the batch that holds it."""

    offset: int
    timestamp_ms: int
    leader_epoch: int


def offset_for_time(partition: Log, time_ms: int) -> FoundOffset | None:
    """The first record whose timestamp is `time_ms` or later; None when there is none. Raises LogStorageError."""
    for segment in partition.segments:
        if segment.max_time()[0] < time_ms:
            continue
        for header, data in segment.batches_from_time(time_ms, partition.start_offset):
            try:
                records = unpack_records(data, 0, header)
            except BatchError as error:
                raise DamagedError(f"{partition.name}: the batch at offset {header.base_offset} does not parse: {error}") from error
            for record in records:
                if record.timestamp >= time_ms and record.offset >= partition.start_offset:
                    return FoundOffset(record.offset, record.timestamp, header.leader_epoch)
    return None


def latest_time(partition: Log) -> FoundOffset | None:
    """The first record with the largest timestamp of all; None when no record has one. Raises LogStorageError."""
    newest = max((segment.max_time()[0] for segment in partition.segments), default=NO_TIME)
    return offset_for_time(partition, newest) if newest != NO_TIME else None
