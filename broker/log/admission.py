"""What a client may have appended: the checks of a leader, by batch header alone.

`broker.wire.batches.validate` says whether a batch is sound in itself (format, size, CRC, count, codec); here is what the
topic's configuration and a client's place add to that. Every refusal is a `BatchError` with the code Kafka answers.
"""

from __future__ import annotations

from broker.wire.batches import LOG_OVERHEAD, NO_TIMESTAMP, BatchError, BatchHeader, validate
from broker.wire.errors import ErrorCode

from .config import LogConfig
from .producers import Producers, Written

__all__ = ["admit", "written_before"]

APPEND_TIME_BIT = 0x08
CONTROL_BIT = 0x20


def admit(data: bytearray | memoryview, config: LogConfig, name: str, now_ms: int) -> list[tuple[int, BatchHeader]]:
    """Positions and headers of the batches in `data`, each fit to be appended to the partition `name`."""
    total = len(data)
    if total > config.segment_bytes:
        raise BatchError(
            ErrorCode.RECORD_LIST_TOO_LARGE, f"{name}: {total} bytes do not fit a segment of {config.segment_bytes}"
        )
    found = []
    at = 0
    while True:
        header = validate(data, at)
        size = header.length + LOG_OVERHEAD
        if size > config.max_message_bytes:
            raise BatchError(
                ErrorCode.MESSAGE_TOO_LARGE, f"{name}: a batch of {size} bytes is above max.message.bytes={config.max_message_bytes}"
            )
        if header.base_offset != 0:
            raise BatchError(ErrorCode.INVALID_RECORD, f"{name}: a client's batch begins at offset {header.base_offset}, not 0")
        if header.attributes & CONTROL_BIT:
            raise BatchError(ErrorCode.INVALID_RECORD, f"{name}: a client may not write control batches")
        if not config.log_append_time:
            _check_times(header, config, name, now_ms)
        found.append((at, header))
        at += size
        if at >= total:
            return found


def _check_times(header: BatchHeader, config: LogConfig, name: str, now_ms: int) -> None:
    if header.attributes & APPEND_TIME_BIT:
        raise BatchError(ErrorCode.INVALID_TIMESTAMP, f"{name}: a client may not claim the time of the append")
    if not config.limits_timestamps or header.max_timestamp == NO_TIMESTAMP:
        return
    earliest = now_ms - config.timestamp_before_max_ms
    latest = now_ms + config.timestamp_after_max_ms
    if header.base_timestamp < earliest or header.max_timestamp > latest:
        raise BatchError(
            ErrorCode.INVALID_TIMESTAMP,
            f"{name}: timestamps {header.base_timestamp} to {header.max_timestamp} are not within {earliest} to {latest}",
        )


def written_before(found: list[tuple[int, BatchHeader]], producers: Producers, name: str) -> Written | None:
    """The batch of an idempotent producer as it was written before; None: it is new, and next in order."""
    header = found[0][1]
    if len(found) > 1:
        raise BatchError(ErrorCode.INVALID_RECORD, f"{name}: an idempotent producer sends one batch for a partition")
    if header.base_sequence < 0 or header.producer_epoch < 0:
        raise BatchError(ErrorCode.INVALID_RECORD, f"{name}: producer {header.producer_id} sent no sequence or no epoch")
    return producers.check(
        header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence, header.is_transactional
    )
