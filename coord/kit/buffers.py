"""Receive buffers, shared by the connections of one network.

A connection that waits for bytes holds no buffer: bytes are received into one scratch buffer, and whoever consumes all
of them gives nothing to keep. Only a frame that has begun and is large makes a connection keep a buffer, taken from
here and returned when the frame is done, so that a steady stream of large frames allocates nothing.
"""

from __future__ import annotations

__all__ = ["BUFFER_BYTES", "BufferPool"]

BUFFER_BYTES = 256 * 1024
"""What one wake-up reads from one connection at most, and the smallest buffer."""
LARGE_BYTES = 5 * BUFFER_BYTES
"""The next size: holds a one-megabyte request with its headers, and still stays in the processor's cache."""
KEPT_BYTES_MAX = 16 * LARGE_BYTES
"""Free buffers beyond this go back to the system."""


class BufferPool:
    """Free buffers by size: 256 KiB, 1.25 MiB, then doubling."""

    __slots__ = ("_free", "_kept", "scratch")

    def __init__(self) -> None:
        self._free: dict[int, list[memoryview]] = {}
        self._kept = 0
        self.scratch = memoryview(bytearray(BUFFER_BYTES))
        """The buffer that every connection without one of its own receives into."""

    def take(self, size: int) -> memoryview:
        """A buffer of at least `size` bytes, content undefined."""
        rung = BUFFER_BYTES
        while rung < size:
            rung = LARGE_BYTES if rung == BUFFER_BYTES else 2 * rung
        free = self._free.get(rung)
        if free:
            self._kept -= rung
            return free.pop()
        return memoryview(bytearray(rung))

    def give(self, buffer: memoryview) -> None:
        """Returns a buffer from `take`."""
        size = len(buffer)
        if self._kept + size <= KEPT_BYTES_MAX:
            self._kept += size
            self._free.setdefault(size, []).append(buffer)

    def keep_scratch(self) -> memoryview:
        """Hands the scratch buffer over to a connection whose frame has begun in it, and replaces it."""
        kept, self.scratch = self.scratch, self.take(BUFFER_BYTES)
        return kept
