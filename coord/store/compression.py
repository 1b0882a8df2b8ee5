"""Compressed snapshots, as Apache writes them when `snapshot.compression.method` asks for it: gzip, or snappy-java's stream.

The snappy stream is a magic, two ints (version 1, readable since version 1), then {int length, raw snappy block}*. It has
no end of its own and no checksum; the snapshot inside has both.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import Struct
from typing import Any, Protocol

from coord.kit.disk import Disk, File

from .errors import DamagedFileError, UnfinishedSnapshotError

__all__ = ["METHODS", "Packer", "begins_well", "is_packed", "packer", "unpacked"]

METHODS = ("gz", "snappy")
"""Also the endings of the files' names, behind a dot."""

_READ_SIZE = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 31
"""zlib's number for a gzip header and a window of 32 KiB."""
_GZIP_LEVEL = 1
"""A third of the time of Java's 6 for files that are a tenth larger; the server's clients wait for the difference."""
_SNAPPY_MAGIC = b"\x82SNAPPY\0"
_SNAPPY_HEADER = _SNAPPY_MAGIC + b"\0\0\0\1\0\0\0\1"
_SNAPPY_BLOCK = 64 << 10
_SNAPPY_BLOCK_MAX = 64 << 20
"""Of a block that is read, unpacked."""
_LENGTH = Struct(">i")


class Packer(Protocol):
    """Compresses a stream piece by piece."""

    def pack(self, piece: bytes) -> bytes:
        """What is ready to be written; may be empty."""
        ...

    def finish(self) -> bytes:
        """The rest."""
        ...


class _Plain:
    def pack(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self) -> None:
        self._zip = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def pack(self, piece: bytes) -> bytes:
        return self._zip.compress(piece)

    def finish(self) -> bytes:
        return self._zip.flush()


class _Snappy:
    def __init__(self) -> None:
        self._compress = _snappy().compress_raw
        self._begun = False
        self._waiting = b""

    def pack(self, piece: bytes) -> bytes:
        data = self._waiting + piece
        whole = len(data) - len(data) % _SNAPPY_BLOCK
        self._waiting = data[whole:]
        return self._blocks(data[:whole])

    def finish(self) -> bytes:
        rest, self._waiting = self._waiting, b""
        return self._blocks(rest)

    def _blocks(self, data: bytes) -> bytes:
        parts = [] if self._begun else [_SNAPPY_HEADER]
        self._begun = True
        for at in range(0, len(data), _SNAPPY_BLOCK):
            block = bytes(self._compress(data[at : at + _SNAPPY_BLOCK]))
            parts += (_LENGTH.pack(len(block)), block)
        return b"".join(parts)


def packer(method: str) -> Packer:
    """For one of `METHODS`, or "" for none."""
    kinds: dict[str, type[Packer]] = {"": _Plain, "gz": _Gzip, "snappy": _Snappy}
    return kinds[method]()


def is_packed(path: str) -> bool:
    """Whether the name says that the file is compressed."""
    return path.endswith(tuple(f".{method}" for method in METHODS))


def begins_well(disk: Disk, path: str) -> bool:
    """Whether a compressed file begins as its name says."""
    magic = _GZIP_MAGIC if path.endswith(".gz") else _SNAPPY_MAGIC
    file = disk.open(path)
    try:
        return file.read_at(0, len(magic)) == magic
    finally:
        file.close()


def unpacked(disk: Disk, path: str) -> Iterator[bytes]:
    """The content of a compressed file, piece by piece. Raises DamagedFileError, or UnfinishedSnapshotError at its end."""
    file = disk.open(path)
    try:
        yield from _ungzipped(file) if path.endswith(".gz") else _unsnapped(file)
    finally:
        file.close()


def _ungzipped(file: File) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP)
    offset = 0
    while not unzip.eof:
        packed = unzip.unconsumed_tail
        if not packed:
            packed = file.read_at(offset, _READ_SIZE)
            offset += len(packed)
        if not packed:
            raise UnfinishedSnapshotError(file.path, offset, "its compressed data ends too early")
        try:
            piece = unzip.decompress(packed, _READ_SIZE)
        except zlib.error as error:
            raise DamagedFileError(file.path, offset, str(error)) from error
        if piece:
            yield piece


def _unsnapped(file: File) -> Iterator[bytes]:
    """Blocks up to the end of the file: whether anything is missing behind them, the snapshot inside says."""
    snappy = _snappy()
    size = file.size()
    head = file.read_at(0, len(_SNAPPY_HEADER))
    if len(head) < len(_SNAPPY_HEADER) and _SNAPPY_HEADER.startswith(head):
        raise UnfinishedSnapshotError(file.path, size, "its header was never finished")
    if not head.startswith(_SNAPPY_MAGIC):
        raise DamagedFileError(file.path, 0, "it does not begin as a snappy stream does")
    at = len(_SNAPPY_HEADER)
    while at < size:
        head = file.read_at(at, _LENGTH.size)
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if head == _SNAPPY_MAGIC[: _LENGTH.size]:  # snappy-java puts streams behind one another
            at += len(_SNAPPY_HEADER)
            continue
        if len(head) < _LENGTH.size or (length > 0 and at + _LENGTH.size + length > size):
            raise UnfinishedSnapshotError(file.path, at, "its last compressed block is not whole")
        block = file.read_at(at + _LENGTH.size, length) if 0 < length <= _SNAPPY_BLOCK_MAX else b""
        try:
            if not block or snappy.decompress_raw_len(block) > _SNAPPY_BLOCK_MAX:
                raise ValueError(f"a block of {length} bytes")
            piece = bytes(snappy.decompress_raw(block))
        except Exception as error:  # cramjam's own is no subclass of anything in particular
            raise DamagedFileError(file.path, at, f"not a snappy block: {error}") from error
        yield piece
        at += _LENGTH.size + length


def _snappy() -> Any:
    """Imported when it is needed: few snapshots are compressed this way."""
    import cramjam

    return cramjam.snappy
