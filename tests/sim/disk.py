"""The simulated disk: what was synced survives a crash, the rest survives, vanishes or tears as the seed decides.

Every file holds its current content and its durable content, every folder its current names and the changes to them
since its last sync. `crash` makes the disk that a restarted machine would find, while the old one goes on or is cut
off. `cut_power_in` has the power go in the middle of an operation. Content survives by block of 4 KiB, a torn block by sector of 512 bytes; each change of a name survives or vanishes
whole, so a rename is never half done. This is harsher than a journalling file system, which keeps some order.

`sync` sleeps on trio's clock and uses no thread, so it runs under `MockClock`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random

import trio

from coord.kit.disk import SyncDone

__all__ = ["PowerCutError", "SimDisk", "SimFile"]

BLOCK = 4096
SECTOR = 512


class _Inode:
    """A file's content: now, and on the platter."""

    __slots__ = ("data", "dirty", "durable")

    def __init__(self, content: bytes = b"") -> None:
        self.data = bytearray(content)
        self.durable = bytearray(content)
        self.dirty: set[int] = set()  # numbers of blocks that may differ between the two

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        size = len(self.data)
        if offset > size:
            self.data.extend(bytes(offset - size))
        self.data[offset : offset + len(data)] = data
        self.touch(min(offset, size), offset + len(data))

    def resize(self, size: int) -> None:
        before = len(self.data)
        if size < before:
            del self.data[size:]
        else:
            self.data.extend(bytes(size - before))
        self.touch(min(size, before), max(size, before))

    def touch(self, start: int, end: int) -> None:
        if end > start:
            self.dirty.update(range(start // BLOCK, (end - 1) // BLOCK + 1))

    def take(self) -> tuple[int, dict[int, bytes]]:
        """What a sync that begins now will make durable."""
        return len(self.data), {number: _block(self.data, number) for number in self.dirty}

    def settle(self, size: int, blocks: dict[int, bytes]) -> None:
        """A sync has ended: the taken blocks are durable. Blocks written meanwhile stay dirty."""
        _put(self.durable, size, blocks)
        self.dirty = {
            number
            for number in self.dirty
            if number not in blocks or _block(self.data, number) != blocks[number] or size != len(self.data)
        }

    def after_crash(self, random: Random) -> _Inode:
        if not self.dirty:
            return _Inode(bytes(self.durable))
        size = random.choice((len(self.durable), len(self.data), _between(random, len(self.durable), len(self.data))))
        content = bytearray(self.durable)
        blocks = {}
        for number in sorted(self.dirty):
            fate = random.random()
            if fate < 0.4:
                blocks[number] = _block(self.data, number)
            elif fate < 0.6:
                blocks[number] = _torn(random, _block(self.durable, number), _block(self.data, number))
        _put(content, size, blocks)
        return _Inode(bytes(content))


class _Folder:
    """Names in one folder, and the changes since it was last synced: (unlinked name, linked name, what it names)."""

    __slots__ = ("changes", "durable", "names")

    def __init__(self) -> None:
        self.names: dict[str, _Inode | _Folder] = {}
        self.durable: dict[str, _Inode | _Folder] = {}
        self.changes: list[tuple[str | None, str | None, _Inode | _Folder]] = []

    def change(self, unlinked: str | None, linked: str | None, node: _Inode | _Folder) -> None:
        self.changes.append((unlinked, linked, node))
        _change(self.names, unlinked, linked, node)

    def settle(self) -> None:
        self.durable = dict(self.names)
        self.changes.clear()

    def after_crash(self, random: Random, seen: dict[int, _Inode]) -> _Folder:
        names = dict(self.durable)
        for unlinked, linked, node in self.changes:
            if random.random() < 0.5:
                _change(names, unlinked, linked, node)
        survivor = _Folder()
        for name, node in sorted(names.items()):
            if isinstance(node, _Folder):
                survivor.names[name] = node.after_crash(random, seen)
            else:  # one file may survive under two names
                if id(node) not in seen:
                    seen[id(node)] = node.after_crash(random)
                survivor.names[name] = seen[id(node)]
        survivor.settle()
        return survivor


def _change(names: dict[str, _Inode | _Folder], unlinked: str | None, linked: str | None, node: _Inode | _Folder) -> None:
    if unlinked is not None and names.get(unlinked) is node:
        del names[unlinked]
    if linked is not None:
        names[linked] = node


def _block(data: bytearray, number: int) -> bytes:
    return bytes(data[number * BLOCK : (number + 1) * BLOCK]).ljust(BLOCK, b"\0")


def _put(content: bytearray, size: int, blocks: dict[int, bytes]) -> None:
    reach = max((number + 1 for number in blocks), default=0) * BLOCK
    content.extend(bytes(max(0, max(reach, size) - len(content))))
    for number, block in blocks.items():
        content[number * BLOCK : (number + 1) * BLOCK] = block
    del content[size:]


def _torn(random: Random, old: bytes, new: bytes) -> bytes:
    sectors = range(0, BLOCK, SECTOR)
    return b"".join(random.choice((old, new))[at : at + SECTOR] for at in sectors)


def _between(random: Random, one: int, other: int) -> int:
    return random.randint(min(one, other), max(one, other))


class PowerCutError(OSError):
    """The power went in the middle of an operation: the caller's machine is no more."""


@dataclass
class Faults:
    """What this disk does wrong; change it at any time."""

    sync_seconds: tuple[float, float] = (0.0, 0.0)
    """A sync takes a time drawn between these."""
    capacity_bytes: int | None = None
    """Writes beyond this total fail with ENOSPC, after writing what fits."""
    fail_sync: Callable[[str], bool] = field(default=lambda path: False)
    """A sync of a path for which this is true fails with EIO, and what it should have kept may be lost in a crash."""


class SimFile:
    """An open file of a `SimDisk`."""

    def __init__(self, disk: SimDisk, path: str, inode: _Inode) -> None:
        self.path = path
        self._disk = disk
        self._inode: _Inode | None = inode
        self._failed = False
        self._syncing = False

    def append(self, data: bytes | bytearray | memoryview) -> int:
        offset = self.size()
        self.write_at(offset, data)
        return offset

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        inode = self._open()
        fitting = self._disk.room(offset + len(data) - len(inode.data), len(data))
        if fitting:
            inode.write(offset, memoryview(data)[:fitting])
            self._disk.reached("write", self.path)
        if fitting < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(self._open().data[offset : offset + size])

    def extent(self, offset: int, size: int) -> bytes:
        return self.read_at(offset, size)

    def size(self) -> int:
        return len(self._open().data)

    def truncate(self, size: int) -> None:
        inode = self._open()
        if self._disk.room(size - len(inode.data), 1) == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        inode.resize(size)
        self._disk.reached("truncate", self.path)

    async def sync(self) -> None:
        inode = self._open()
        if self._syncing:
            raise trio.BusyResourceError(f"{self.path} is being synced by another task")
        self._syncing = True
        try:
            taken = inode.take()
            await trio.sleep(self._disk.random.uniform(*self._disk.faults.sync_seconds))
            self._open()
            self._settle(inode, *taken)
        finally:
            self._syncing = False

    def start_sync(self, done: SyncDone) -> None:
        # the context says whose task it is
        trio.lowlevel.spawn_system_task(self._sync_then, done, context=copy_context())

    async def _sync_then(self, done: SyncDone) -> None:
        failure = None
        try:
            await self.sync()
        except OSError as error:
            failure = error
        if not self._disk.dead:
            done(failure)

    def sync_now(self) -> None:
        inode = self._open()
        self._settle(inode, *inode.take())

    def close(self) -> None:
        self._inode = None

    def _settle(self, inode: _Inode, size: int, blocks: dict[int, bytes]) -> None:
        if self._failed or self._disk.faults.fail_sync(self.path):
            self._failed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
        self._disk.reached("sync", self.path)
        inode.settle(size, blocks)

    def _open(self) -> _Inode:
        if self._inode is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.path)
        self._disk.check()
        return self._inode


class SimDisk:
    """Files and folders of one simulated machine. Paths are absolute."""

    def __init__(self, random: Random, faults: Faults | None = None) -> None:
        self.random = random
        self.faults = faults or Faults()
        self._root = _Folder()
        self.dead = False
        self.operations = 0
        """How many there were that a crash may undo, or that kept one from it."""
        self._last: tuple[int, Callable[[str], None]] | None = None

    def crash(self) -> SimDisk:
        """The disk that a restart finds. Handles of this one stay usable until `cut_off`."""
        survivor = SimDisk(self.random, self.faults)
        survivor._root = self._root.after_crash(self.random, {})
        return survivor

    def handed_on(self) -> SimDisk:
        """The disk that another process finds when this one was killed: what was not synced is still in the cache."""
        following = SimDisk(self.random, self.faults)
        following._root = self._root
        return following

    def cut_off(self) -> None:
        """Every later call on this disk or its files fails: the machine is gone, whatever its tasks still try."""
        self.dead = True

    def cut_power_in(self, operation: int, gone: Callable[[str], None]) -> None:
        """The power goes in the middle of one of the operations to come (1: the next) that a crash may undo, or that keep
        one from it. What it was to change has changed until the crash, nothing is durable by it, and it never returns.
        gone: called with its name, to end the machine at once."""
        self._last = self.operations + operation, gone

    def keep_power(self) -> None:
        """The power stays."""
        self._last = None

    def reached(self, operation: str, path: str) -> None:
        """The middle of an operation: behind the change that a crash may undo, before that which makes one durable."""
        self.operations += 1
        if self._last is not None and self.operations == self._last[0]:
            self._last[1](f"{operation} {path}")
            self.cut_off()
            raise PowerCutError(errno.EIO, "the power has gone", path)

    def corrupt(self, path: str, offset: int, xor: int = 0xFF) -> None:
        """Flips bits of one byte, on the platter and in the cache: bit rot."""
        inode = self._file(path)
        inode.data[offset] ^= xor
        if offset < len(inode.durable):
            inode.durable[offset] ^= xor

    def check(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, "the machine is gone")

    def room(self, growth: int, wanted: int) -> int:
        """How many of `wanted` bytes may be written when that grows a file by `growth`."""
        if self.faults.capacity_bytes is None or growth <= 0:
            return wanted
        lacking = self._used(self._root) + growth - self.faults.capacity_bytes
        return wanted if lacking <= 0 else max(0, wanted - lacking)

    def open(self, path: str, *, create: bool = False) -> SimFile:
        folder, name = self._split(path)
        node = folder.names.get(name)
        if node is None and create:
            node = _Inode()
            folder.change(None, name, node)
            self.reached("create", path)
        if node is None:
            raise _error(errno.ENOENT, path)
        if isinstance(node, _Folder):
            raise _error(errno.EISDIR, path)
        return SimFile(self, path, node)

    def read(self, path: str) -> bytes:
        return bytes(self._file(path).data)

    def exists(self, path: str) -> bool:
        try:
            self._node(path)
        except FileNotFoundError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        return sorted(self._folder(path).names)

    def size(self, path: str) -> int:
        return len(self._file(path).data)

    def rename(self, source: str, target: str) -> None:
        """Within one folder, which is all that the stores use."""
        node = self._node(source)
        folder, name = self._split(source)
        target_folder, target_name = self._split(target)
        assert folder is target_folder, "a rename across folders is not simulated"
        folder.change(name, target_name, node)
        self.reached("rename", target)

    def remove(self, path: str) -> None:
        inode = self._file(path)
        folder, name = self._split(path)
        folder.change(name, None, inode)
        self.reached("remove", path)

    def remove_dir(self, path: str) -> None:
        node = self._folder(path)
        if node.names:
            raise _error(errno.ENOTEMPTY, path)
        folder, name = self._split(path)
        folder.change(name, None, node)
        self.reached("remove folder", path)

    def make_dirs(self, path: str) -> None:
        self.check()
        folder = self._root
        for name in path.strip("/").split("/"):
            node = folder.names.get(name)
            if node is None:
                node = _Folder()
                folder.change(None, name, node)
                self.reached("make folder", path)
            if not isinstance(node, _Folder):
                raise _error(errno.EEXIST, path)
            folder = node

    def sync_dir(self, path: str) -> None:
        folder = self._folder(path)
        self.reached("sync folder", path)
        folder.settle()

    def lock(self, path: str) -> Callable[[], None]:
        return lambda: None  # one machine, one node

    def _used(self, folder: _Folder) -> int:
        return sum(
            self._used(node) if isinstance(node, _Folder) else len(node.data) for node in folder.names.values()
        )

    def _split(self, path: str) -> tuple[_Folder, str]:
        parent, _, name = path.rpartition("/")
        return self._folder(parent), name

    def _node(self, path: str) -> _Inode | _Folder:
        self.check()
        node: _Inode | _Folder = self._root
        for name in filter(None, path.split("/")):
            if not isinstance(node, _Folder):
                raise _error(errno.ENOTDIR, path)
            found = node.names.get(name)
            if found is None:
                raise _error(errno.ENOENT, path)
            node = found
        return node

    def _folder(self, path: str) -> _Folder:
        node = self._node(path)
        if not isinstance(node, _Folder):
            raise _error(errno.ENOTDIR, path)
        return node

    def _file(self, path: str) -> _Inode:
        node = self._node(path)
        if isinstance(node, _Folder):
            raise _error(errno.EISDIR, path)
        return node


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
