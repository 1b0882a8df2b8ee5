"""Record batches of format v2 as they lie on the wire and on disk, without unpacking their records.

    baseOffset i64 | batchLength i32 | partitionLeaderEpoch i32 | magic i8 = 2 | crc u32 | attributes i16
    lastOffsetDelta i32 | baseTimestamp i64 | maxTimestamp i64 | producerId i64 | producerEpoch i16
    baseSequence i32 | count i32 | records

batchLength counts what follows it. The CRC-32C covers everything from attributes on, so the leader stamps base offset
and leader epoch in place without touching it. Attributes: bits 0-2 codec, 3 append time, 4 transactional, 5 control,
6 delete horizon. The formats before (v0 and v1, single messages) have their magic at the same place, so one look at
byte 16 tells them apart; they are recognised here and refused.

A refused batch raises `BatchError` with the code that Kafka answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct as Packer
from typing import NamedTuple

from crc32c import crc32c

from .errors import ErrorCode, KafkaError
from .fields import Records

__all__ = [
    "HEADER_SIZE",
    "LOG_OVERHEAD",
    "NO_PRODUCER_EPOCH",
    "NO_PRODUCER_ID",
    "NO_SEQUENCE",
    "NO_TIMESTAMP",
    "BatchError",
    "BatchHeader",
    "Codec",
    "batches",
    "crc_of",
    "magic_at",
    "pack_crc",
    "pack_header",
    "read_header",
    "stamp",
    "stamp_append_time",
    "validate",
]

HEADER_SIZE = 61
"""Bytes before the records."""
LOG_OVERHEAD = 12
"""Base offset and length: what precedes the bytes that `length` counts."""
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1

_HEADER = Packer(">qiibIhiqqqhii")
_SIZES = Packer(">qi")
_INT64 = Packer(">q")
_INT32 = Packer(">i")
_INT16 = Packer(">h")
_UINT32 = Packer(">I")
_MAGIC_AT, _CRC_AT, _CRC_FROM, _MAX_TIMESTAMP_AT = 16, 17, 21, 35
_APPEND_TIME, _TRANSACTIONAL, _CONTROL, _DELETE_HORIZON = 0x08, 0x10, 0x20, 0x40


class BatchError(KafkaError):
    """A batch that is damaged, or that may not be appended."""


class Codec(IntEnum):
    """Compression of a batch's records."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class BatchHeader(NamedTuple):
    """The 61 bytes before the records, field for field."""

    base_offset: int
    length: int
    """Bytes behind this field: the whole batch takes `size`."""
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        """Offset of the last record, also where compaction has removed it."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """Offset after the batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record; sequences wrap to 0 after 2^31 - 1."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF

    @property
    def codec(self) -> int:
        """The `Codec` number, 0 to 7: numbers without a codec are possible in damaged or later data."""
        return self.attributes & 7

    @property
    def is_append_time(self) -> bool:
        """Whether max_timestamp is the time of the append and holds for every record."""
        return bool(self.attributes & _APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        """Whether the records belong to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the one record is a marker for consumers to act on and not to show."""
        return bool(self.attributes & _CONTROL)

    @property
    def has_delete_horizon(self) -> bool:
        """Whether base_timestamp is the time from which the cleaner may drop tombstones."""
        return bool(self.attributes & _DELETE_HORIZON)


def magic_at(buffer: Records, position: int = 0) -> int:
    """The format of the batch or message at `position`: 0, 1 or 2. Raises BatchError where the bytes end."""
    if len(buffer) - position <= _MAGIC_AT:
        raise BatchError(ErrorCode.CORRUPT_MESSAGE, "the record batch ends before its magic byte")
    return buffer[position + _MAGIC_AT]


def read_header(buffer: Records, position: int = 0) -> BatchHeader:
    """The header at `position`, unchecked but for the bytes being there. Raises BatchError."""
    if len(buffer) - position < HEADER_SIZE:
        raise BatchError(
            ErrorCode.CORRUPT_MESSAGE, f"a record batch has {HEADER_SIZE} bytes at least, there are {len(buffer) - position}"
        )
    return BatchHeader._make(_HEADER.unpack_from(buffer, position))


def batches(buffer: Records, position: int = 0, *, partial: bool = False) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch of a buffer of whole batches.

    With `partial` the last batch may be cut short, as in what a fetch returns; it is left out. Raises BatchError for
    sizes that make no sense and for formats before v2.
    """
    end = len(buffer)
    while position < end:
        remaining = end - position
        if remaining < LOG_OVERHEAD:
            size = LOG_OVERHEAD
        else:
            size = _SIZES.unpack_from(buffer, position)[1] + LOG_OVERHEAD
        if size > remaining:
            if partial:
                return
            raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {size} bytes is cut off after {remaining}")
        if size <= _MAGIC_AT or buffer[position + _MAGIC_AT] != 2:
            _refuse_format(buffer, position, size)
        if size < HEADER_SIZE:
            raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"a record batch claims {size} bytes, its header alone takes {HEADER_SIZE}")
        yield position, BatchHeader._make(_HEADER.unpack_from(buffer, position))
        position += size


def _refuse_format(buffer: Records, position: int, size: int) -> None:
    magic = buffer[position + _MAGIC_AT] if size > _MAGIC_AT else -1
    if magic in (0, 1):
        raise BatchError(
            ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format v{magic} is not supported, v2 is (Kafka 0.11 and later)"
        )
    raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {size} bytes has magic {magic}, not 2")


def crc_of(buffer: Records, position: int, size: int) -> int:
    """The CRC-32C that belongs into the header of the batch of `size` bytes at `position`."""
    return int(crc32c(memoryview(buffer)[position + _CRC_FROM : position + size]))


def validate(buffer: Records, position: int = 0) -> BatchHeader:
    """Checks the batch at `position` as a leader does before it appends: format, size, CRC, count.

    Records are not unpacked, so that a compressed batch costs no more than its checksum. Raises BatchError.
    """
    for _, header in batches(buffer, position):
        if crc_of(buffer, position, header.length + LOG_OVERHEAD) != header.crc:
            raise BatchError(ErrorCode.CORRUPT_MESSAGE, "the checksum of the record batch is wrong")
        if header.record_count <= 0 or header.last_offset_delta != header.record_count - 1:
            raise BatchError(
                ErrorCode.INVALID_RECORD,
                f"the record batch claims {header.record_count} records and a last offset delta of {header.last_offset_delta}",
            )
        if header.codec > Codec.ZSTD:
            raise BatchError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression {header.codec}")
        return header
    raise BatchError(ErrorCode.INVALID_RECORD, "there is no record batch")


def stamp(buffer: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Writes what the leader decides into the batch at `position`; the CRC does not cover it."""
    _INT64.pack_into(buffer, position, base_offset)
    _INT32.pack_into(buffer, position + LOG_OVERHEAD, leader_epoch)


def stamp_append_time(buffer: bytearray | memoryview, position: int, now_ms: int) -> None:
    """Turns the batch's times into the time of its append (message.timestamp.type=LogAppendTime), with a new CRC."""
    (length,) = _INT32.unpack_from(buffer, position + 8)
    (attributes,) = _INT16.unpack_from(buffer, position + _CRC_FROM)
    _INT16.pack_into(buffer, position + _CRC_FROM, attributes | _APPEND_TIME)
    _INT64.pack_into(buffer, position + _MAX_TIMESTAMP_AT, now_ms)
    _UINT32.pack_into(buffer, position + _CRC_AT, crc_of(buffer, position, length + LOG_OVERHEAD))


def pack_header(header: BatchHeader) -> bytes:
    """The 61 bytes of a header, as they are given."""
    return _HEADER.pack(*header)


def pack_crc(buffer: bytearray) -> None:
    """Writes the right CRC into the one batch which `buffer` is."""
    _UINT32.pack_into(buffer, _CRC_AT, crc_of(buffer, 0, len(buffer)))
