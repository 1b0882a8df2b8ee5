"""The real disk: `Disk` and `File` on POSIX calls.

Reads and writes go straight to the page cache; only syncs wait for the device. `start_sync` has the kernel wait, where it
can (`aio`). `sync` waits in a thread of the file's own, started with the first sync and ended by `close`. A thread per
file keeps one slow disk from starving the others, and its hand-over is the cheapest that was measured (round trip without
the device, microseconds: eventfd 53, `run_sync_soon` 66, `trio.to_thread` 85).

A sync that failed is never retried: the kernel may have dropped the dirty pages, so a later success would prove
nothing. The file keeps its error and raises it again.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from weakref import ref

import trio

from .aio import KernelSyncs
from .disk import SyncDone
from .extent import Extent, Lent

__all__ = ["PosixDisk", "PosixFile"]

STOP = 0


class PosixFile:
    """An open file. Not for use by two tasks at once, and never after `close`."""

    __slots__ = ("_end", "_fd", "_kernel", "_lent", "_syncer", "path")

    def __init__(self, path: str, fd: int, kernel: KernelSyncs | None = None) -> None:
        self.path = path
        self._fd = fd
        self._end = os.fstat(fd).st_size
        self._syncer = _Syncer(path)
        self._kernel = kernel
        self._lent: ref[Lent] | None = None  # dead when no extent is left

    def append(self, data: bytes | bytearray | memoryview) -> int:
        offset = self._end
        self.write_at(offset, data)
        return offset

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        size = len(data)
        try:
            written = os.pwrite(self._fd, data, offset)
            if written < size:  # a signal or a nearly full disk: the rest tells which
                view = memoryview(data)
                while written < size:
                    written += os.pwrite(self._fd, view[written:], offset + written)
        except OSError as error:
            error.filename = self.path
            raise
        if offset + size > self._end:
            self._end = offset + size

    def read_at(self, offset: int, size: int) -> bytes:
        data = os.pread(self._fd, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        got = len(data)
        while got < size and (data := os.pread(self._fd, size - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def extent(self, offset: int, size: int) -> Extent:
        lent = None if self._lent is None else self._lent()
        if lent is None:
            lent = Lent(self._fd)
            self._lent = ref(lent)
        return Extent(lent, offset, size)

    def size(self) -> int:
        return self._end

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._end = size

    async def sync(self) -> None:
        await self._syncer.sync(self._fd)

    def start_sync(self, done: SyncDone) -> None:
        kernel = self._kernel
        if kernel is None or self._syncer.useless or not kernel.submit(self._fd, partial(self._syncer.ended, done)):
            trio.lowlevel.spawn_system_task(self._sync_then, done)

    async def _sync_then(self, done: SyncDone) -> None:
        try:
            await self.sync()
        except OSError as error:
            done(error)
        else:
            done(None)

    def sync_now(self) -> None:
        self._syncer.sync_now(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            lent = None if self._lent is None else self._lent()
            if lent is not None:
                lent.keep()
            self._syncer.close(fd)


class _Syncer:
    """Syncs one file, in a thread of its own.

    Requests are numbered. A caller waits until the thread has *finished* its number, so that a sync which began before
    the caller's write (left behind by a cancelled caller) is never taken for its own.
    """

    __slots__ = ("_closed", "_event", "_failure", "_finished", "_path", "_requested", "_requests", "_waiting")

    def __init__(self, path: str) -> None:
        self._path = path
        self._requests: SimpleQueue[int] | None = None
        self._event = -1
        self._requested = STOP
        self._finished = STOP
        self._failure: OSError | None = None
        self._waiting = False
        self._closed = False

    @property
    def useless(self) -> bool:
        """Whether every sync from here on fails."""
        return self._closed or self._failure is not None

    def ended(self, done: SyncDone, error: OSError | None) -> None:
        """A sync that the kernel did by itself has ended: tells `done`."""
        if error is not None:
            self._failure = error = OSError(error.errno, error.strerror, self._path)
        done(error)

    def _request(self, fd: int) -> int:
        requests = self._requests or self._start(fd)
        self._requested += 1
        requests.put(self._requested)
        return self._requested

    async def sync(self, fd: int) -> None:
        self._check()
        if self._waiting:
            raise trio.BusyResourceError(f"{self._path} is being synced by another task")
        ticket = self._request(fd)
        self._waiting = True
        try:
            while self._finished < ticket:
                await trio.lowlevel.wait_readable(self._event)
                os.eventfd_read(self._event)
        except trio.ClosedResourceError:
            pass  # `close` woke us
        finally:
            self._waiting = False
        if self._failure is not None:
            raise self._failure
        if self._finished < ticket:
            raise OSError(errno.EBADF, "the file was closed while it was synced", self._path)

    def sync_now(self, fd: int) -> None:
        self._check()
        try:
            os.fdatasync(fd)
        except OSError as error:
            self._failure = OSError(error.errno, error.strerror, self._path)
            raise self._failure from error

    def close(self, fd: int) -> None:
        """Closes `fd`: here, or in the thread, since a number closed under a running sync could be another file's by then."""
        self._closed = True
        if self._requests is None:
            os.close(fd)
            return
        if self._waiting:
            trio.lowlevel.notify_closing(self._event)
        self._requests.put(STOP)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise OSError(errno.EBADF, "the file is closed", self._path)

    def _start(self, fd: int) -> SimpleQueue[int]:
        self._requests = SimpleQueue()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        Thread(target=self._run, args=(fd, self._requests), name=f"sync {self._path}", daemon=True).start()
        return self._requests

    def _run(self, fd: int, requests: SimpleQueue[int]) -> None:
        while (ticket := requests.get()) != STOP:
            try:
                os.fdatasync(fd)
            except OSError as error:
                self._failure = OSError(error.errno, error.strerror, self._path)
            self._finished = ticket
            os.eventfd_write(self._event, 1)
        os.close(self._event)
        os.close(fd)


class PosixDisk:
    """The files and folders of this machine.

    read_only: files are opened for reading alone, as whoever only looks may lack the right to more. kernel: for
    `start_sync`; without it a thread does those too.
    """

    __slots__ = ("_access", "_kernel")

    def __init__(self, *, read_only: bool = False, kernel: KernelSyncs | None = None) -> None:
        self._kernel = kernel
        self._access = os.O_CLOEXEC | (os.O_RDONLY if read_only else os.O_RDWR)

    def open(self, path: str, *, create: bool = False) -> PosixFile:
        flags = self._access | (os.O_CREAT if create else 0)
        return PosixFile(path, os.open(path, flags, 0o644), self._kernel)

    def read(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(fd, "rb", buffering=0) as file:
            return file.readall()

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_dir(self, path: str) -> None:
        os.rmdir(path)

    def make_dirs(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def sync_dir(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        finally:
            os.close(fd)

    def lock(self, path: str) -> Callable[[], None]:
        # the kind of lock that Java takes too: neither kind of server starts on a folder of the other's
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise BlockingIOError(error.errno, "another process uses this folder", path) from None
        return lambda: os.close(fd)
