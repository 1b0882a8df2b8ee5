"""The records inside batches: packing them into a batch, and unpacking them.

A record is: length varint, attributes i8 (0), timestamp delta varlong, offset delta varint, key, value, headers; key
and value carry a varint length (-1 for null), headers a count and then pairs of such a key (UTF-8, never null) and
value. The broker's hot path never comes here; command-line clients, the group's offsets and compaction do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from .batches import (
    HEADER_SIZE,
    LOG_OVERHEAD,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    BatchError,
    BatchHeader,
    Codec,
    batches,
    crc_of,
    pack_crc,
    pack_header,
)
from .compression import DECOMPRESSED_MAX, compress, decompress
from .errors import ErrorCode
from .fields import Records, WireError
from .varint import read_varint, varint

__all__ = [
    "ControlType",
    "Headers",
    "Record",
    "build_batch",
    "control_batch",
    "pack_record",
    "read_control",
    "read_records",
    "seal_batch",
    "unpack_records",
]

Headers = Sequence[tuple[str, bytes | None]]

_VARINTS = [varint(value) for value in range(1024)]
_NO_HEADERS: Headers = ()
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


class ControlType(IntEnum):
    """What a control record says, by the second half of its key."""

    ABORT = 0
    COMMIT = 1


class Record(NamedTuple):
    """One record with its absolute offset and timestamp (milliseconds)."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = _NO_HEADERS


def pack_record(
    offset_delta: int, timestamp_delta: int, key: bytes | None, value: bytes | None, headers: Headers = _NO_HEADERS
) -> bytes:
    """One record as it lies in a batch, its length first."""
    small = _VARINTS
    body = b"".join(
        (
            b"\0",
            small[timestamp_delta] if 0 <= timestamp_delta < 1024 else varint(timestamp_delta),
            small[offset_delta] if offset_delta < 1024 else varint(offset_delta),
            b"\x01" if key is None else _sized(key),
            b"\x01" if value is None else _sized(value),
            _pack_headers(headers) if headers else b"\0",
        )
    )
    length = len(body)
    return (small[length] if length < 1024 else varint(length)) + body


def _sized(data: bytes) -> bytes:
    length = len(data)
    return (_VARINTS[length] if length < 1024 else varint(length)) + data


def _pack_headers(headers: Headers) -> bytes:
    out = bytearray(varint(len(headers)))
    for key, value in headers:
        out += _sized(key.encode())
        out += b"\x01" if value is None else _sized(value)
    return bytes(out)


def build_batch(
    records: Sequence[Record],
    *,
    codec: int = Codec.NONE,
    base_offset: int | None = None,
    leader_epoch: int = -1,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
) -> bytearray:
    """One batch of `records` (at least one), with their own offsets and timestamps.

    `base_offset` is that of the first record unless given; offsets ascend, and gaps are what compaction leaves.
    """
    first = records[0]
    base = first.offset if base_offset is None else base_offset
    base_timestamp = first.timestamp
    body = b"".join(
        [pack_record(offset - base, when - base_timestamp, key, value, headers) for offset, when, key, value, headers in records]
    )
    return seal_batch(
        body,
        len(records),
        records[-1].offset - base,
        base_timestamp,
        max(record.timestamp for record in records),
        codec=codec,
        base_offset=base,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        flags=(_TRANSACTIONAL if transactional else 0) | (_CONTROL if control else 0),
    )


def seal_batch(
    body: Records,
    count: int,
    last_offset_delta: int,
    base_timestamp: int,
    max_timestamp: int,
    *,
    codec: int = Codec.NONE,
    base_offset: int = 0,
    leader_epoch: int = -1,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    flags: int = 0,
) -> bytearray:
    """A batch around records which are packed already (`pack_record`, one after the other): header, codec, CRC."""
    packed = body if codec == Codec.NONE else compress(codec, body)
    header = BatchHeader(
        base_offset=base_offset,
        length=HEADER_SIZE - LOG_OVERHEAD + len(packed),
        leader_epoch=leader_epoch,
        magic=2,
        crc=0,
        attributes=codec | flags,
        last_offset_delta=last_offset_delta,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=count,
    )
    out = bytearray(pack_header(header))
    out += packed
    pack_crc(out)
    return out


def control_batch(
    kind: ControlType,
    *,
    now_ms: int,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    base_offset: int = 0,
    leader_epoch: int = -1,
) -> bytearray:
    """The batch that ends a transaction on a partition."""
    key = b"\0\0" + kind.to_bytes(2, "big")
    value = b"\0\0" + coordinator_epoch.to_bytes(4, "big", signed=True)
    return build_batch(
        [Record(base_offset, now_ms, key, value)],
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=True,
        control=True,
    )


def read_control(record: Record) -> tuple[int, int | None]:
    """Type and coordinator epoch of a control record; types other than abort and commit have no epoch here."""
    if record.key is None or len(record.key) < 4:
        raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"the control record at offset {record.offset} has no type")
    kind = int.from_bytes(record.key[2:4], "big", signed=True)
    if kind not in (ControlType.ABORT, ControlType.COMMIT):
        return kind, None
    if record.value is None or len(record.value) < 6:
        raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"the control record at offset {record.offset} has no coordinator epoch")
    return kind, int.from_bytes(record.value[2:6], "big", signed=True)


def read_records(
    buffer: Records, *, partial: bool = False, control: bool = False, size_max: int = DECOMPRESSED_MAX
) -> Iterator[Record]:
    """All records of a buffer of batches, checked and unpacked batch by batch. Raises BatchError.

    Control batches are left out unless asked for; `partial` allows a last batch that is cut short.
    """
    for position, header in batches(buffer, partial=partial):
        if crc_of(buffer, position, header.size) != header.crc:
            raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"the checksum of the batch at offset {header.base_offset} is wrong")
        if control or not header.is_control:
            yield from unpack_records(buffer, position, header, size_max=size_max)


def unpack_records(
    buffer: Records, position: int, header: BatchHeader, *, size_max: int = DECOMPRESSED_MAX
) -> list[Record]:
    """The records of the batch at `position`; its CRC is not looked at. Raises BatchError."""
    data: bytes | memoryview = memoryview(buffer)[position + HEADER_SIZE : position + header.size]
    data = decompress(header.codec, data, size_max)
    try:
        return _unpack(data, header)
    except (IndexError, WireError, UnicodeDecodeError) as error:
        raise BatchError(
            ErrorCode.CORRUPT_MESSAGE, f"the records of the batch at offset {header.base_offset} do not parse: {error}"
        ) from error


def _unpack(data: bytes, header: BatchHeader) -> list[Record]:
    """The hot loop: varints of one byte are read in line (lengths up to 63, deltas up to 63), others by a call."""
    if not 0 <= header.record_count <= len(data) // 7:  # the smallest record takes seven bytes
        raise WireError(f"{header.record_count} records in {len(data)} bytes")
    base, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.is_append_time else None
    records: list[Record] = []
    at = 0
    for _ in range(header.record_count):
        length, at = read_varint(data, at)
        end = at + length
        at += 1  # attributes
        timestamp = data[at]
        if timestamp < 0x80:
            timestamp = (timestamp >> 1) ^ -(timestamp & 1)
            at += 1
        else:
            timestamp, at = read_varint(data, at)
        offset = data[at]
        if offset < 0x80:
            offset = (offset >> 1) ^ -(offset & 1)
            at += 1
        else:
            offset, at = read_varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        headers = _NO_HEADERS
        if data[at]:
            headers, at = _headers(data, at)
        else:
            at += 1
        if at != end or end > len(data):
            raise WireError(f"a record of {length} bytes ends {at - end} bytes off")
        when = base_timestamp + timestamp if append_time is None else append_time
        records.append(Record(base + offset, when, key, value, headers))
    return records


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length = data[at]
    if length < 0x80:
        length = (length >> 1) ^ -(length & 1)
        at += 1
    else:
        length, at = read_varint(data, at)
    if length < 0:
        return None, at
    end = at + length
    return data[at:end], end


def _headers(data: bytes, at: int) -> tuple[Headers, int]:
    count, at = read_varint(data, at)
    if not 0 <= count <= len(data) - at:
        raise WireError(f"{count} headers in {len(data) - at} bytes")
    found: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        key, at = _bytes(data, at)
        if key is None:
            raise WireError("a header has no key")
        value, at = _bytes(data, at)
        found.append((key.decode(), value))
    return found, at
