"""Length-prefixed frames: a big-endian int32, then as many bytes. Both protocols cut their streams this way."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

__all__ = ["LENGTH", "FrameError", "frames"]

LENGTH = Struct(">i")
"""The prefix of a frame: the length of what follows, without itself."""


class FrameError(ValueError):
    """The other side announced a frame that nobody may send. `length` is what it announced."""

    def __init__(self, length: int, frame_max: int) -> None:
        super().__init__(f"a frame of {length} bytes was announced; the limit is {frame_max}")
        self.length = length
        self.frame_max = frame_max


def frames(data: memoryview, frame_max: int) -> Iterator[memoryview]:
    """The whole frames at the start of `data`, without their prefixes, as views of it.

    Each yielded frame has used up `4 + len(frame)` bytes; a partial frame at the end is left alone. Raises FrameError,
    after the good frames before it, at a length that is negative or above `frame_max`.
    """
    start, end = 0, len(data)
    unpack = LENGTH.unpack_from
    while end - start >= 4:
        (length,) = unpack(data, start)
        if not 0 <= length <= frame_max:
            raise FrameError(length, frame_max)
        start += 4
        if end - start < length:
            return
        yield data[start : start + length]
        start += length
