"""The bytes of one transaction log, as Apache writes them.

FileHeader{"ZKLG", int version 2, long dbid 0}, then records: long adler32(txn), int length, txn, byte 0x42. Zeros after the
last record are padding: a length of 0 ends the log.

How a log may end after a crash. Only the bytes behind the last sync are in doubt; they were zeros or beyond the end of
the file before, and reach the device by sectors, in any order. So what a crash tears has whole sectors of zeros in it, or
stops in the middle. Anything else that does not check is damage to bytes that were kept once: an error, not a tail. (The
length has no checksum, and data may hold zeros: damage that looks exactly like a torn tail is taken for one.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from coord.kit.disk import File

__all__ = [
    "HEADER",
    "HEADER_SIZE",
    "RECORD_SIZE_MAX",
    "Ending",
    "Record",
    "encode_records",
    "ending_of",
    "header_ending",
    "read_records",
]

HEADER = b"ZKLG" + (2).to_bytes(4, "big") + bytes(8)
HEADER_SIZE = len(HEADER)
RECORD_SIZE_MAX = 64 << 20
"""A transaction is bounded by jute.maxbuffer (1 MiB); the ephemerals listed by one closeSession may exceed it."""

_CHECK = Struct(">QI")
_FRAME_SIZE = _CHECK.size + 1
_END_OF_RECORD = 0x42
_TXN_SIZE_MIN = 32  # a TxnHeader alone
_READ_SIZE = 1 << 20
_ZEROS = bytes(_READ_SIZE)
_SECTOR = 512
_pack_check = _CHECK.pack
_unpack_check = _CHECK.unpack_from


class Record(NamedTuple):
    """A transaction in a file; end: the offset behind it."""

    zxid: int
    txn: bytes
    end: int


class Ending(Enum):
    """What follows the last record that checks."""

    CLEAN = "nothing but padding"
    TORN = "an unfinished write"
    DAMAGED = "damage"


def encode_records(batch: Sequence[tuple[int, bytes]]) -> bytes:
    """The records of (zxid, txn) pairs."""
    parts: list[bytes] = []
    add = parts.append
    for _, txn in batch:
        add(_pack_check(adler32(txn), len(txn)))
        add(txn)
        add(b"B")
    return b"".join(parts)


def read_records(file: File, start: int, end: int) -> Iterator[Record]:
    """The records from offset `start`, up to the first that does not check or reaches beyond `end`."""
    size_wanted = _READ_SIZE
    while True:
        data = file.read_at(start, min(size_wanted, end - start))
        at = 0
        for record in _parse(data, start):
            at = record.end - start
            yield record
        if at:
            start += at
            size_wanted = _READ_SIZE
            continue
        if len(data) < _FRAME_SIZE:
            return
        size = _FRAME_SIZE + _unpack_check(data)[1]
        if size <= len(data) or size > RECORD_SIZE_MAX or start + size > end:
            return
        size_wanted = size


def header_ending(file: File) -> Ending | None:
    """None when the file begins with a log's header, else how it came not to."""
    data = file.read_at(0, _SECTOR)
    if data[:HEADER_SIZE] == HEADER:
        return None
    written = data.rstrip(b"\0")
    if HEADER.startswith(written):
        return Ending.TORN
    return Ending.DAMAGED


def ending_of(file: File, at: int, end: int) -> tuple[Ending, str]:
    """What lies between `at`, behind the last record that checks, and `end`; with a reason for the log or the error."""
    rest = _without_padding(file, at, end)
    size = len(rest)
    if size == 0:
        return Ending.CLEAN, "the log ends"
    later = _next_record(rest)
    if later is not None:
        if _has_lost_sector(rest[:later], at):
            return Ending.TORN, "sectors of an unfinished write are missing"
        return Ending.DAMAGED, f"a record does not check, and good ones follow at offset {at + later}"
    if size < _CHECK.size:
        return Ending.TORN, "a record's header is unfinished"
    length = _unpack_check(rest)[1]
    if _TXN_SIZE_MIN <= length <= RECORD_SIZE_MAX and _CHECK.size + length >= size:
        return Ending.TORN, "a record is unfinished"
    if _has_lost_sector(rest, at):
        return Ending.TORN, "sectors of an unfinished write are missing"
    return Ending.DAMAGED, "a record does not check, and it was written whole"


def _parse(data: bytes, start: int, at: int = 0) -> Iterator[Record]:
    size = len(data)
    while size - at >= _FRAME_SIZE:
        checksum, length = _unpack_check(data, at)
        stop = at + _FRAME_SIZE + length
        if stop > size or length < _TXN_SIZE_MIN:
            return
        txn = data[at + 12 : stop - 1]
        if data[stop - 1] != _END_OF_RECORD or adler32(txn) != checksum:
            return
        at = stop
        yield Record(int.from_bytes(txn[12:20], "big", signed=True), txn, start + stop)


def _without_padding(file: File, at: int, end: int) -> bytes:
    """The bytes from `at` up to the last before `end` that is not zero. Read from behind: Apache pads by 64 MiB."""
    while end > at:
        start = max(at, end - _READ_SIZE)
        piece = file.read_at(start, end - start)
        if piece != _ZEROS[: len(piece)]:
            return file.read_at(at, start + len(piece.rstrip(b"\0")) - at)
        end = start
    return b""


def _next_record(rest: bytes) -> int | None:
    """Where a record that checks begins, after the one at 0 that does not."""
    for match in re.finditer(rb"(?=\0{4}.{4}[\0-\x04])", rest, re.DOTALL):  # an Adler32 fills half of its eight bytes
        at = match.start()
        if at and next(_parse(rest, 0, at), None) is not None:
            return at
    return None


def _has_lost_sector(rest: bytes, at: int) -> bool:
    """Whether a sector's share of `rest`, which begins at offset `at` of the file, is all zeros."""
    first = min(_SECTOR - at % _SECTOR, len(rest))
    if first > 4 and not any(rest[:first]):  # the first four bytes of a record are zeros anyway
        return True
    return any(not any(rest[start : start + _SECTOR]) for start in range(first, len(rest), _SECTOR))
