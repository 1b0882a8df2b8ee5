"""Snapshot files, as Apache writes them: `snapshot.<zxid>`, with `.gz` or `.snappy` behind it when they are compressed.

FileHeader{"ZKSN", int version 2, long dbid -1} | the tree (`treestream`) | seal | long zxid, int 2, long digest | seal. A seal is
the Adler-32 of everything before it, as a long, and the string "/". The part behind the first seal may be missing (digests
switched off) or longer (3.9 adds the zxid once more).

Ours are exact: the tree as of the zxid in the name. Apache's are fuzzy, taken while transactions are applied; the zxid
beside the digest tells how far; where it is 0 nobody knew. A snapshot counts once it has its name: it is written under another one and synced first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

import trio

from coord.kit.disk import Disk
from coord.tree.frozen import Frozen
from coord.tree.tree import FUZZY, Tree
from coord.wire.txns import DIGEST_VERSION

from .compression import begins_well, is_packed, packer, unpacked
from .errors import DamagedFileError, UnfinishedSnapshotError
from .layout import WRITING_PREFIX, joined, snapshot_name
from .treestream import TreeDecoder, encode_tree

__all__ = [
    "Snapshot",
    "UnfinishedSnapshotError",
    "is_finished",
    "read_snapshot",
    "write_snapshot",
    "write_snapshot_now",
]

_HEADER = b"ZKSN" + (2).to_bytes(4, "big") + (-1).to_bytes(8, "big", signed=True)
_SEAL_END = b"\0\0\0\1/"
_SEAL = Struct(">Q5s")
_DIGEST = Struct(">qiQ")
_READ_SIZE = 1 << 20
_SYNC_STEP = 8 << 20
"""Bytes after which a snapshot being written is synced, so that it does not pile up before the log's next sync."""


class Snapshot(NamedTuple):
    """What a file held. digest, digest_zxid: the tree's digest as of that zxid; without one None, and the file's own zxid
    if nothing can have been ahead of it, else `FUZZY`."""

    tree: Tree
    digest: int | None
    digest_zxid: int


# ---- writing ---------------------------------------------------------------------------------------------------------


async def write_snapshot(
    disk: Disk, folder: str, frozen: Frozen, wanted: Callable[[], bool] = lambda: True, *, compression: str = ""
) -> str | None:
    """Writes a cut, letting other tasks run after each piece; returns the path when it is durable. Raises OSError.

    compression: gz, snappy, or "" for none. wanted: asked before the file gets its name, without a pause in between. When it says no, the result is None.
    """
    temporary, path = _names(folder, frozen, compression)
    file = disk.open(temporary, create=True)
    try:
        file.truncate(0)
        synced = 0
        for piece in _packed(frozen, compression):
            offset = file.append(piece)
            if offset - synced >= _SYNC_STEP:
                await file.sync()
                synced = offset
            else:
                await trio.lowlevel.checkpoint()
        await file.sync()
    finally:
        file.close()
    if not wanted():
        disk.remove(temporary)
        return None
    disk.rename(temporary, path)
    disk.sync_dir(folder)
    return path


def write_snapshot_now(disk: Disk, folder: str, frozen: Frozen, *, compression: str = "") -> str:
    """`write_snapshot`, blocking: for the first start."""
    temporary, path = _names(folder, frozen, compression)
    file = disk.open(temporary, create=True)
    try:
        file.truncate(0)
        for piece in _packed(frozen, compression):
            file.append(piece)
        file.sync_now()
    finally:
        file.close()
    disk.rename(temporary, path)
    disk.sync_dir(folder)
    return path


def _names(folder: str, frozen: Frozen, compression: str) -> tuple[str, str]:
    name = snapshot_name(frozen.last_zxid, compression)
    return joined(folder, WRITING_PREFIX + name), joined(folder, name)


def _packed(frozen: Frozen, compression: str) -> Iterator[bytes]:
    """The file's content, as it lies on disk. The checksums in it are those of the content unpacked."""
    packing = packer(compression)
    for piece in _pieces(frozen):
        yield packing.pack(piece)
    yield packing.finish()


def _pieces(frozen: Frozen) -> Iterator[bytes]:
    checksum = 1
    for piece in _unsealed(frozen):
        if piece is None:
            piece = _SEAL.pack(checksum, _SEAL_END)
        checksum = zlib.adler32(piece, checksum)
        yield piece


def _unsealed(frozen: Frozen) -> Iterator[bytes | None]:
    """The file with None in place of each seal."""
    yield _HEADER
    yield from encode_tree(frozen)
    yield None
    known = frozen.digest if frozen.last_zxid else None
    yield _DIGEST.pack(0, DIGEST_VERSION, 0) if known is None else _DIGEST.pack(frozen.last_zxid, DIGEST_VERSION, known)
    yield None


# ---- reading ---------------------------------------------------------------------------------------------------------


def is_finished(disk: Disk, path: str) -> bool:
    """Whether the file ends as a snapshot does; a compressed one is believed when it begins well, as Apache does."""
    if is_packed(path):
        return begins_well(disk, path)
    file = disk.open(path)
    try:
        size = len(_SEAL_END)
        return file.read_at(max(0, file.size() - size), size) == _SEAL_END
    finally:
        file.close()


def read_snapshot(disk: Disk, path: str, zxid: int, *, extended_types: bool = False) -> Snapshot:
    """Reads and checks a whole snapshot of whichever origin. zxid: the one in its name.

    Raises UnfinishedSnapshotError or DamagedFileError.
    """
    source = _Source(disk, path)
    if source.take(len(_HEADER))[:8] != _HEADER[:8]:
        raise DamagedFileError(path, 0, "it does not begin as a snapshot of version 2 does")
    decoder = TreeDecoder(extended_types=extended_types)
    try:
        while not decoder.finished:
            source.took(decoder.feed(source.buffer))
            if not decoder.finished:
                source.fill()
        source.check_seal()
        digest, digest_zxid = _read_digest(source, zxid)
        decoder.tree.loaded(zxid, digest_zxid)
    except ValueError as error:
        raise DamagedFileError(path, source.offset, str(error)) from error
    return Snapshot(decoder.tree, digest, digest_zxid)


def _read_digest(source: _Source, zxid: int) -> tuple[int | None, int]:
    if source.left() < _DIGEST.size + _SEAL.size:
        return None, FUZZY if zxid else 0
    digest_zxid, version, digest = _DIGEST.unpack(source.take(_DIGEST.size))
    source.check_seal()
    if digest_zxid > 0:
        return (digest if version == DIGEST_VERSION else None), digest_zxid
    return None, FUZZY if zxid else 0  # there is none before the first transaction, nor for a state that came by SNAP


class _Source:
    """A snapshot's bytes, unpacked if need be, with the checksum of what was taken. offset: of the next one."""

    def __init__(self, disk: Disk, path: str) -> None:
        self.path = path
        self.offset = 0
        self.buffer = memoryview(b"")
        self._checksum = 1
        self._pieces = unpacked(disk, path) if is_packed(path) else _plain(disk, path)

    def fill(self) -> None:
        """Puts more bytes behind those in the buffer, which are too few."""
        piece = next(self._pieces, b"")
        if not piece:
            raise DamagedFileError(self.path, self.offset, "what begins here goes on beyond the end of the file")
        self.buffer = memoryview(bytes(self.buffer) + piece)

    def took(self, count: int) -> None:
        self._checksum = zlib.adler32(self.buffer[:count], self._checksum)
        self.buffer = self.buffer[count:]
        self.offset += count

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.fill()
        data = bytes(self.buffer[:count])
        self.took(count)
        return data

    def left(self) -> int:
        """How many bytes there are to the end of the file, or enough to tell."""
        while len(self.buffer) < _READ_SIZE and (piece := next(self._pieces, b"")):
            self.buffer = memoryview(bytes(self.buffer) + piece)
        return len(self.buffer)

    def check_seal(self) -> None:
        expected, offset = self._checksum, self.offset
        found, end = _SEAL.unpack(self.take(_SEAL.size))
        if found != expected or end != _SEAL_END:
            raise DamagedFileError(self.path, offset, f"the checksum is {found:#x}, and its content has {expected:#x}")


def _plain(disk: Disk, path: str) -> Iterator[bytes]:
    if not is_finished(disk, path):
        raise UnfinishedSnapshotError(path, disk.size(path), "it does not end in a seal")
    file = disk.open(path)
    try:
        size = file.size()
        for offset in range(0, size, _READ_SIZE):
            yield file.read_at(offset, _READ_SIZE)
    finally:
        file.close()
