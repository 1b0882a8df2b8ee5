"""Retention: which old segments may go, by age, by size, and because the log's start has been raised above them.

Apache's rules: only whole segments, the oldest first, none that holds records which are not committed yet, and none of
a topic that is compacted only, save those below the start. A segment is as old as its newest record. The last segment
goes too when all of it is too old: a new one begins first, so the offset is kept.
"""

from __future__ import annotations

import logging

from .log import Log

__all__ = ["retain"]

log = logging.getLogger(__name__)


def retain(partition: Log, high_watermark: int, now_ms: int) -> int:
    """Drops what may go, and returns how many segments did. Raises LogStorageError."""
    count = 0
    if partition.config.delete:
        count = _drop(partition, _expired(partition, high_watermark, now_ms), "retention.ms", now_ms)
        count += _drop(partition, _excess(partition, high_watermark), "retention.bytes", now_ms)
    return count + _drop(partition, _below_start(partition), "the log's start", now_ms)


def _committed_ends(partition: Log, high_watermark: int) -> list[int]:
    """The end offsets of the segments, the oldest first, as far as all their records are committed."""
    bases = [segment.base_offset for segment in partition.segments]
    ends = [*bases[1:], partition.end_offset]
    return [end for end in ends if end <= high_watermark]


def _expired(partition: Log, high_watermark: int, now_ms: int) -> int:
    retention_ms = partition.config.retention_ms
    if retention_ms < 0:
        return 0
    count = 0
    for segment, _ in zip(partition.segments, _committed_ends(partition, high_watermark), strict=False):
        newest_ms = segment.max_time()[0]
        if segment.size == 0 or now_ms - (newest_ms if newest_ms >= 0 else segment.taken_up_ms) <= retention_ms:
            break
        count += 1
    return count


def _excess(partition: Log, high_watermark: int) -> int:
    retention_bytes = partition.config.retention_bytes
    if retention_bytes < 0:
        return 0
    excess = partition.size - retention_bytes
    count = 0
    for segment, _ in zip(partition.segments, _committed_ends(partition, high_watermark), strict=False):
        excess -= segment.size
        if excess < 0 or segment.size == 0:
            break
        count += 1
    return count


def _below_start(partition: Log) -> int:
    return sum(segment.base_offset <= partition.start_offset for segment in partition.segments[1:])


def _drop(partition: Log, count: int, why: str, now_ms: int) -> int:
    if count == 0:
        return 0
    if count == len(partition.segments):
        partition.roll(now_ms)
    partition.drop_first(count, now_ms)
    log.info("%s: %d segments dropped by %s, the log starts at %d", partition.name, count, why, partition.start_offset)
    return count
