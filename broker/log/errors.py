"""What can go wrong in a log, by who erred. All but the last carry the protocol's answer in `code`.

    KafkaError                  broker.wire
      BatchError                broker.wire: a batch that is refused; the log is as it was before
      OffsetOutOfRangeError     1   the reader asks below the log's start or beyond its end
      LogStorageError           56  the disk refused
        DamagedError            56  the disk holds something else than what was written
    LogDirError                 start-up: a folder that cannot be served as it is
"""

from __future__ import annotations

from broker.wire.errors import ErrorCode, KafkaError

__all__ = ["DamagedError", "LogDirError", "LogStorageError", "OffsetOutOfRangeError"]


class OffsetOutOfRangeError(KafkaError):
    """The offset lies below the log's start or beyond its end."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.OFFSET_OUT_OF_RANGE, message)


class LogStorageError(KafkaError):
    """The disk refused. The text names the file."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.KAFKA_STORAGE_ERROR, message)


class DamagedError(LogStorageError):
    """The disk holds something else than what was written. The text names the file and the position."""


class LogDirError(Exception):
    """A log folder that cannot be served as it is. The text names the file and what is wrong."""
