"""What can go wrong in a log, named by who erred.

    LogError                        has `code`, the protocol's answer
      AppendError                   the batch is refused; the log is unchanged
        CorruptBatchError           2    torn, or its CRC does not match
        BatchTooLargeError          10   above max.message.bytes
        RecordListTooLargeError     18   above segment.bytes
        InvalidTimestampError       32   outside the topic's limits
        UnsupportedFormatError      43   older than format 2
        OutOfOrderSequenceError     45   a batch of this producer is missing before this one
        InvalidProducerEpochError   47   a newer instance of this producer has written
        InvalidTxnStateError        48   a plain batch inside an open transaction
        CoordinatorFencedError      52   the marker of a deposed transaction coordinator
        UnknownCodecError           76
        InvalidRecordError          87   a header that contradicts itself
      OffsetOutOfRangeError         1    the reader asks below the log's start or beyond its end
      LogStorageError               56   the disk refused, or what it holds is not what was written
    LogDirError                     start-up: a folder that cannot be served as it is
"""

from __future__ import annotations

from broker.wire.errors import ErrorCode

__all__ = [
    "AppendError",
    "BatchTooLargeError",
    "CoordinatorFencedError",
    "CorruptBatchError",
    "InvalidProducerEpochError",
    "InvalidRecordError",
    "InvalidTimestampError",
    "InvalidTxnStateError",
    "LogDirError",
    "LogError",
    "LogStorageError",
    "OffsetOutOfRangeError",
    "OutOfOrderSequenceError",
    "RecordListTooLargeError",
    "UnknownCodecError",
    "UnsupportedFormatError",
]


class LogError(Exception):
    """The root; the text names the partition or the file."""

    code: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR


class AppendError(LogError):
    """The batch is refused, and nothing of it was kept."""


class CorruptBatchError(AppendError):
    """The batch is torn, or its CRC does not match."""

    code = ErrorCode.CORRUPT_MESSAGE


class BatchTooLargeError(AppendError):
    """The batch is larger than max.message.bytes."""

    code = ErrorCode.MESSAGE_TOO_LARGE


class RecordListTooLargeError(AppendError):
    """The batches of one request are larger than a segment."""

    code = ErrorCode.RECORD_LIST_TOO_LARGE


class InvalidTimestampError(AppendError):
    """A timestamp lies outside of what the topic allows."""

    code = ErrorCode.INVALID_TIMESTAMP


class UnsupportedFormatError(AppendError):
    """The batch is in a format before 2."""

    code = ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT


class OutOfOrderSequenceError(AppendError):
    """A batch that the same producer sent earlier has not arrived."""

    code = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class InvalidProducerEpochError(AppendError):
    """A newer instance of the producer has written; this one is fenced."""

    code = ErrorCode.INVALID_PRODUCER_EPOCH


class InvalidTxnStateError(AppendError):
    """A batch outside of the transaction that its producer has open."""

    code = ErrorCode.INVALID_TXN_STATE


class CoordinatorFencedError(AppendError):
    """A transaction marker of a coordinator that has been replaced."""

    code = ErrorCode.TRANSACTION_COORDINATOR_FENCED


class UnknownCodecError(AppendError):
    """The batch names a compression codec that does not exist."""

    code = ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


class InvalidRecordError(AppendError):
    """The batch's header contradicts itself or its origin."""

    code = ErrorCode.INVALID_RECORD


class OffsetOutOfRangeError(LogError):
    """The offset lies below the log's start or beyond its end."""

    code = ErrorCode.OFFSET_OUT_OF_RANGE


class LogStorageError(LogError):
    """The disk refused, or holds something else than what was written."""

    code = ErrorCode.KAFKA_STORAGE_ERROR


class LogDirError(Exception):
    """A log folder that cannot be served as it is. The text names the file and what to do."""
