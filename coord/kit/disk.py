"""The disk seam: nothing else in the packages opens a file.

Reads, writes and renames are synchronous, because the page cache serves them; `File.sync` and `start_sync` wait for the
device, and are all that may use a thread. A name is durable only after `Disk.sync_dir`, content only after `sync`.
`coord.kit.posix` is the real disk; the simulated one drops or tears what was not synced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .extent import Extent

__all__ = ["Disk", "File", "SyncDone", "replace_file"]

SyncDone = Callable[[OSError | None], None]
"""Called from the event loop, where it may not raise."""


class File(Protocol):
    """An open file. Offsets and sizes are bytes. Errors are OSError."""

    path: str

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Writes all of `data` at the end; returns the offset it starts at."""
        ...

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Writes all of `data` at `offset`."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Reads up to `size` bytes; shorter at the end of the file."""
        ...

    def extent(self, offset: int, size: int) -> Extent | bytes:
        """`size` bytes at `offset`, which are there, to be sent and not looked at; a disk that cannot lend them reads them."""
        ...

    def size(self) -> int:
        """The file's size in bytes."""
        ...

    def truncate(self, size: int) -> None:
        """Cuts the file to `size`."""

    async def sync(self) -> None:
        """Makes everything written before the call durable. One at a time for each file."""

    def start_sync(self, done: SyncDone) -> None:
        """`sync` without a task: `done` is called once, later, with None or with what went wrong; also when the file was
        closed meanwhile. A machine that is gone calls nobody."""

    def sync_now(self) -> None:
        """`sync`, blocking: for start-up, epochs and shutdown only."""

    def close(self) -> None:
        """Closes without syncing."""


class Disk(Protocol):
    """Files and folders of one node. Errors are OSError."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Opens for reading and writing; with `create` a missing file is made (its name is not durable yet)."""
        ...

    def read(self, path: str) -> bytes:
        """The whole content."""
        ...

    def exists(self, path: str) -> bool:
        """Whether a file or folder has that name."""
        ...

    def names(self, path: str) -> list[str]:
        """The sorted names in a folder."""
        ...

    def size(self, path: str) -> int:
        """A file's size in bytes."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Replaces `target`; durable after `sync_dir`."""

    def remove(self, path: str) -> None:
        """Removes a file."""

    def remove_dir(self, path: str) -> None:
        """Removes an empty folder."""

    def make_dirs(self, path: str) -> None:
        """Makes a folder and those above it; no error when they are there."""

    def sync_dir(self, path: str) -> None:
        """Makes the names in a folder durable."""

    def lock(self, path: str) -> Callable[[], None]:
        """Takes the file `path`, made when missing, for this process; returns what lets go of it. It ends with the process,
        however that ends. Raises BlockingIOError while another process has it."""
        ...


def replace_file(disk: Disk, path: str, data: bytes) -> None:
    """Replaces `path` by `data` so that a crash leaves the old content or the new, whole: write, sync, rename, sync."""
    temporary = path + ".tmp"
    file = disk.open(temporary, create=True)
    try:
        file.truncate(0)
        file.write_at(0, data)
        file.sync_now()
    finally:
        file.close()
    disk.rename(temporary, path)
    disk.sync_dir(path.rpartition("/")[0] or "/")
