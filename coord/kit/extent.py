"""Bytes of a file that are passed on without being looked at: `File.extent` makes one, `Transport.write` sends it.

The real network sends it from the page cache, so that it costs neither a copy nor memory, however slowly its reader
takes it. It needs its file neither open nor named: a file that is closed or deleted meanwhile is sent to its end. In a
file that is *cut* below it there is nothing to send, which is an error of the connection.
"""

from __future__ import annotations

import errno
import os

__all__ = ["Extent", "Lent"]


class Lent:
    """A file's descriptor as its extents know it: the file's own until that is closed, one of theirs afterwards."""

    __slots__ = ("__weakref__", "_theirs", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._theirs = False

    def keep(self) -> None:
        """The file is about to be closed. Where no descriptor is left, its extents cannot be sent any more."""
        try:
            self.descriptor = os.dup(self.descriptor)
            self._theirs = True
        except OSError:
            self.descriptor = -1

    def __del__(self) -> None:
        if self._theirs:
            os.close(self.descriptor)


class Extent:
    """`len(extent)` bytes of a file. `bytes(extent)` reads them."""

    __slots__ = ("_lent", "_offset", "_size")

    def __init__(self, lent: Lent, offset: int, size: int) -> None:
        self._lent = lent
        self._offset = offset
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        data = os.pread(self._lent.descriptor, self._size, self._offset)
        if len(data) < self._size:
            raise _cut()
        return data

    def send(self, socket: int) -> int:
        """Hands the first bytes to a non-blocking socket; returns how many it took. Raises OSError."""
        sent = os.sendfile(socket, self._lent.descriptor, self._offset, self._size)
        if sent == 0:
            raise _cut()
        return sent

    def behind(self, count: int) -> Extent:
        """What comes after the first `count` bytes."""
        return Extent(self._lent, self._offset + count, self._size - count)


def _cut() -> OSError:
    return OSError(errno.EIO, "the file was cut while it was being sent")
