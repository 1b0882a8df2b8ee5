"""Jute, the encoding of every ZooKeeper message, transaction and snapshot: big-endian, without tags.

int 4 bytes, long 8, bool 1; buffer and string: int length (-1 is null) and the bytes; vector: int count (-1 is null) and
the items; a record is its fields in order. The rule of this module: bytes from outside raise `JuteError` and nothing
else, and no length or count is believed before the data is known to hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import TypeVar

__all__ = ["JuteError", "Reader", "Writer"]

_Item = TypeVar("_Item")

# The verbs below carry jute's own type names, which inside the classes hide the builtins of the same name.
_Int = int
_Bool = bool

_INT = Struct(">i")
_LONG = Struct(">q")
_unpack_int = _INT.unpack_from
_unpack_long = _LONG.unpack_from
_pack_int = _INT.pack
_pack_long = _LONG.pack


class JuteError(ValueError):
    """The bytes are not what they should be: too short, a wrong length, an unknown type."""


class Reader:
    """Takes values from the front of `data`.

    offset: where the next value starts. Strings that are not UTF-8 come out with U+FFFD in them, as Java decodes them;
    no path may hold that character, so such a path is refused where paths are checked.
    """

    __slots__ = ("_end", "data", "offset")

    def __init__(self, data: bytes | memoryview, offset: _Int = 0) -> None:
        self.data = data
        self.offset = offset
        self._end = len(data)

    @property
    def remaining(self) -> _Int:
        """Bytes not yet read."""
        return self._end - self.offset

    def int(self) -> _Int:
        """A signed 32-bit number."""
        start = self.offset
        self.offset = start + 4
        if self.offset > self._end:
            raise self._short(start, 4)
        value: _Int = _unpack_int(self.data, start)[0]
        return value

    def long(self) -> _Int:
        """A signed 64-bit number."""
        start = self.offset
        self.offset = start + 8
        if self.offset > self._end:
            raise self._short(start, 8)
        value: _Int = _unpack_long(self.data, start)[0]
        return value

    def bool(self) -> _Bool:
        """One byte; anything but 0 is true."""
        start = self.offset
        self.offset = start + 1
        if self.offset > self._end:
            raise self._short(start, 1)
        return self.data[start] != 0

    def buffer(self) -> bytes | None:
        """A copy of a byte string, or None for null (which is not the same as empty)."""
        size = self.int()
        if size < 0:
            self._check_null(size)
            return None
        start = self.offset
        self.offset = start + size
        if self.offset > self._end:
            raise self._short(start, size)
        return bytes(self.data[start : self.offset])

    def string(self) -> str | None:
        """A UTF-8 string, or None for null."""
        size = self.int()
        if size < 0:
            self._check_null(size)
            return None
        start = self.offset
        self.offset = start + size
        if self.offset > self._end:
            raise self._short(start, size)
        return str(self.data[start : self.offset], "utf-8", "replace")

    def text(self) -> str:
        """A string where null means the same as empty: paths, schemes, names."""
        return self.string() or ""

    def vector(self, read_item: Callable[[Reader], _Item]) -> list[_Item]:
        """A counted list; null gives an empty one."""
        count = self.int()
        if count < 0:
            self._check_null(count)
            return []
        if count > self._end - self.offset:  # every item takes a byte at least: refuse before allocating
            raise JuteError(f"a vector of {count} items at offset {self.offset - 4} of {self._end} bytes")
        return [read_item(self) for _ in range(count)]

    def strings(self) -> list[str]:
        """A vector of strings."""
        return self.vector(Reader.text)

    def _check_null(self, size: _Int) -> None:
        if size != -1:
            raise JuteError(f"a length of {size} at offset {self.offset - 4}")

    def _short(self, start: _Int, size: _Int) -> JuteError:
        self.offset = start
        return JuteError(f"the data ends early: {size} bytes are wanted at offset {start} of {self._end}")


class Writer:
    """Appends values to a growing buffer. Values out of range are the caller's mistake and raise struct.error."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def int(self, value: _Int) -> None:
        """A signed 32-bit number."""
        self._data += _pack_int(value)

    def long(self, value: _Int) -> None:
        """A signed 64-bit number."""
        self._data += _pack_long(value)

    def bool(self, value: _Bool) -> None:
        """One byte, 1 or 0."""
        self._data.append(1 if value else 0)

    def buffer(self, value: bytes | memoryview | None) -> None:
        """A byte string, or null."""
        if value is None:
            self._data += b"\xff\xff\xff\xff"
            return
        self._data += _pack_int(len(value))
        self._data += value

    def string(self, value: str | None) -> None:
        """A UTF-8 string, or null."""
        self.buffer(None if value is None else value.encode())

    def vector(self, items: Iterable[_Item], write_item: Callable[[Writer, _Item], None]) -> None:
        """A counted list, each item written by `write_item(writer, item)`."""
        start = len(self._data)
        self._data += b"\0\0\0\0"
        count = 0
        for item in items:
            write_item(self, item)
            count += 1
        _INT.pack_into(self._data, start, count)

    def strings(self, items: Iterable[str]) -> None:
        """A vector of strings."""
        self.vector(items, Writer.string)

    def raw(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes that are encoded already."""
        self._data += data

    def getvalue(self) -> bytes:
        """Everything written so far."""
        return bytes(self._data)

    def __len__(self) -> _Int:
        return len(self._data)
