"""Walking through the batches of a segment file, in reads that are few and bounded.

A batch that is larger than what was read costs a second read when its bytes are wanted, and none when its header is
enough. A scan ends at the first batch that is cut off by the end of the file; whoever cares compares where it ended
with the file's size. Bytes that cannot be a batch raise `DamagedError`, which names the file and the place, and a disk that
refuses raises `LogStorageError`.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.wire.batches import HEADER_SIZE, BatchError, BatchHeader, batches, read_header
from coord.kit.disk import File

from .errors import DamagedError, LogStorageError

__all__ = ["CHUNK_SIZE", "headers", "whole_batches"]

CHUNK_SIZE = 2**20
MAGIC = 2


def headers(file: File, position: int, end: int, chunk_size: int = CHUNK_SIZE) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch in [position, end)."""
    while position < end:
        data = _read(file, position, min(chunk_size, end - position))
        after = 0
        try:
            for at, header in batches(data, partial=True):
                yield position + at, header
                after = at + header.size
        except BatchError as error:
            raise _damaged(file, position + after, str(error)) from error
        if after == 0:
            large = _large(file, data, position, end)
            if large is None:
                return
            yield position, large
            after = large.size
        position += after


def whole_batches(file: File, position: int, end: int) -> Iterator[tuple[int, BatchHeader, memoryview]]:
    """Position, header and all bytes of each batch in [position, end)."""
    while position < end:
        data = _read(file, position, min(CHUNK_SIZE, end - position))
        view = memoryview(data)
        after = 0
        try:
            for at, header in batches(data, partial=True):
                after = at + header.size
                yield position + at, header, view[at:after]
        except BatchError as error:
            raise _damaged(file, position + after, str(error)) from error
        if after == 0:
            large = _large(file, data, position, end)
            if large is None:
                return
            after = large.size
            yield position, large, memoryview(_read(file, position, after))
        position += after


def _read(file: File, position: int, size: int) -> bytes:
    try:
        return file.read_at(position, size)
    except OSError as error:
        raise LogStorageError(f"{file.path} cannot be read: {error}") from error


def _large(file: File, data: bytes, position: int, end: int) -> BatchHeader | None:
    """The header of a batch that is not whole in `data`; None when it is not whole in the file either."""
    if len(data) < HEADER_SIZE:
        return None
    header = read_header(data)
    if header.magic != MAGIC:
        raise _damaged(file, position, f"magic {header.magic}, expected {MAGIC}")
    return header if position + header.size <= end else None


def _damaged(file: File, position: int, why: str) -> DamagedError:
    return DamagedError(f"{file.path} is damaged at position {position}: {why}")
