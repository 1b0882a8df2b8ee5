"""The two indexes of a segment, held in memory and saved in Apache's files.

`.index` maps an offset to a file position: 8-byte entries (i32 offset relative to the segment's base, i32 position),
one for about every index.interval.bytes of log. An entry's offset is the *last* of the batch at its position, so
what lies beyond it is found at or after that position. `.timeindex` maps a time to an offset: 12-byte entries
(i64 largest timestamp so far, i32 relative offset of its batch's last record). Both columns of both grow strictly,
save positions and offsets that may repeat in the time index.

The files carry no checksum. Whatever does not fit the rules or the log is not believed: `decode` keeps the entries up to the
first that cannot be true and tells whether there was one, and the caller rebuilds. Zeros behind the last entry are
not damage but Apache's preallocation.

New entries are saved in bunches (`save`), not at each append: a crash that loses them is a crash after which the
segment is scanned anyway.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from operator import lt
from struct import Struct

from coord.kit.disk import Disk

__all__ = ["OFFSET_ENTRY", "RELATIVE_MAX", "TIME_ENTRY", "OffsetIndex", "TimeIndex"]

OFFSET_ENTRY = Struct(">ii")
TIME_ENTRY = Struct(">qi")
RELATIVE_MAX = 2**31 - 1
"""The largest relative offset and the largest position that an entry can hold."""


class Index:
    """What both have in common: entries that are in the file, and entries that are not yet."""

    __slots__ = ("_offsets", "saved")

    entry: Struct

    def __init__(self) -> None:
        self._offsets = array("i")
        self.saved = 0
        """How many entries, from the first, are in the file."""

    def __len__(self) -> int:
        return len(self._offsets)

    def save(self, disk: Disk, path: str) -> None:
        """Makes the file hold these entries and nothing else."""
        size = self.saved * self.entry.size
        if self.saved == len(self) and disk.exists(path) and disk.size(path) == size:
            return
        file = disk.open(path, create=True)
        try:
            file.truncate(size)
            file.append(b"".join(self._unsaved()))
        finally:
            file.close()
        self.saved = len(self)

    def _unsaved(self) -> list[bytes]:
        raise NotImplementedError


class OffsetIndex(Index):
    """Offsets (relative to the segment's base) to positions."""

    __slots__ = ("_positions",)

    entry = OFFSET_ENTRY

    def __init__(self) -> None:
        super().__init__()
        self._positions = array("i")

    @classmethod
    def decode(cls, data: bytes, log_size: int) -> tuple[OffsetIndex, bool]:
        """The index in a file of a segment of `log_size` bytes, and whether the file was sound."""
        index = cls()
        fields = array("i")
        fields.frombytes(data[: len(data) - len(data) % OFFSET_ENTRY.size])
        if sys.byteorder == "little":
            fields.byteswap()
        offsets, positions = fields[0::2], fields[1::2]
        count = _growing(offsets, positions, log_size)
        index._offsets, index._positions = offsets[:count], positions[:count]
        index.saved = count
        return index, not any(data[count * OFFSET_ENTRY.size :])

    def add(self, relative: int, position: int) -> None:
        """Enters the batch at `position`, which ends with offset `relative`."""
        self._offsets.append(relative)
        self._positions.append(position)

    def position_of(self, relative: int) -> int:
        """A batch position at or before the batch that holds `relative`, at most one interval before."""
        found = bisect_right(self._offsets, relative)
        return self._positions[found - 1] if found else 0

    def position_up_to(self, position: int) -> int:
        """The largest indexed batch position up to `position`."""
        found = bisect_right(self._positions, position)
        return self._positions[found - 1] if found else 0

    def cut(self, position: int) -> None:
        """The log was cut to `position` bytes: drops the entries from there on."""
        keep = bisect_right(self._positions, position - 1)
        del self._offsets[keep:], self._positions[keep:]
        self.saved = min(self.saved, keep)

    def _unsaved(self) -> list[bytes]:
        rows = zip(self._offsets[self.saved :], self._positions[self.saved :], strict=True)
        return [OFFSET_ENTRY.pack(offset, position) for offset, position in rows]


class TimeIndex(Index):
    """Timestamps to offsets (relative to the segment's base)."""

    __slots__ = ("_times",)

    entry = TIME_ENTRY

    def __init__(self) -> None:
        super().__init__()
        self._times = array("q")

    @classmethod
    def decode(cls, data: bytes) -> tuple[TimeIndex, bool]:
        """The index in a file, and whether the file was sound."""
        index = cls()
        whole = len(data) - len(data) % TIME_ENTRY.size
        last_time, last_offset = -1, 0
        for time_ms, offset in TIME_ENTRY.iter_unpack(memoryview(data)[:whole]):
            if time_ms <= last_time or offset < last_offset or (time_ms == 0 and offset == 0):
                break
            index._times.append(time_ms)
            index._offsets.append(offset)
            last_time, last_offset = time_ms, offset
        index.saved = len(index)
        return index, not any(data[index.saved * TIME_ENTRY.size :])

    def add(self, time_ms: int, relative: int) -> None:
        """Enters the largest timestamp so far; passed over unless it is larger than the last."""
        if time_ms > (self._times[-1] if self._times else -1):
            self._times.append(time_ms)
            self._offsets.append(relative)

    def last(self) -> tuple[int, int]:
        """The newest entry, (timestamp, relative offset); (-1, 0) when there is none."""
        return (self._times[-1], self._offsets[-1]) if self._times else (-1, 0)

    def offset_before(self, time_ms: int) -> int:
        """A relative offset up to which every record is older than `time_ms`; 0 when none is known."""
        found = bisect_right(self._times, time_ms - 1)
        return self._offsets[found - 1] if found else 0

    def cut(self, relative: int) -> None:
        """The log was cut before offset `relative`: drops the entries from there on."""
        keep = len(self._offsets)
        while keep and self._offsets[keep - 1] >= relative:
            keep -= 1
        del self._times[keep:], self._offsets[keep:]
        self.saved = min(self.saved, keep)

    def _unsaved(self) -> list[bytes]:
        rows = zip(self._times[self.saved :], self._offsets[self.saved :], strict=True)
        return [TIME_ENTRY.pack(time_ms, offset) for time_ms, offset in rows]


def _growing(offsets: array[int], positions: array[int], log_size: int) -> int:
    """How many entries, from the first, grow strictly and point into the log. The first batch is never indexed."""
    count = len(offsets)
    if count == 0:
        return 0
    sound = all(map(lt, offsets, offsets[1:])) and all(map(lt, positions, positions[1:]))
    if sound and offsets[0] > 0 and positions[0] > 0 and positions[-1] < log_size:
        return count
    last_offset = last_position = 0
    for number, (offset, position) in enumerate(zip(offsets, positions, strict=True)):
        if offset <= last_offset or position <= last_position or position >= log_size:
            return number
        last_offset, last_position = offset, position
    return count
