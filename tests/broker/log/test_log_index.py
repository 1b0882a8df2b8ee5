"""The offset index and the time index: lookups, files, and what is not believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.log.index import OFFSET_ENTRY, TIME_ENTRY, OffsetIndex, TimeIndex
from tests.broker.log.samples import FOLDER, sim_disk

PATH = f"{FOLDER}/0.index"


def growing(count_max: int = 40) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Rows of two columns that both grow strictly, from above 0."""
    steps = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=count_max)

    def summed(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(sum(a for a, _ in rows[: n + 1]), sum(b for _, b in rows[: n + 1])) for n in range(len(rows))]

    return steps.map(summed)


def offset_index(rows: list[tuple[int, int]]) -> OffsetIndex:
    index = OffsetIndex()
    for offset, position in rows:
        index.add(offset, position)
    return index


@given(growing(), st.integers(0, 2500))
def test_lookups_equal_a_scan(rows: list[tuple[int, int]], wanted: int) -> None:
    """Bisection finds what reading every entry finds."""
    index = offset_index(rows)
    assert index.position_of(wanted) == max((position for offset, position in rows if offset <= wanted), default=0)
    assert index.position_up_to(wanted) == max((position for _, position in rows if position <= wanted), default=0)


@given(growing(), growing(), st.integers(0, 2500))
def test_an_index_is_read_as_it_was_saved(rows: list[tuple[int, int]], more: list[tuple[int, int]], cut_at: int) -> None:
    """Saved in bunches, cut and saved again, the file is the entries in order."""
    disk = sim_disk()
    index = offset_index(rows)
    index.save(disk, PATH)
    index.cut(cut_at)
    kept = [(offset, position) for offset, position in rows if position < cut_at]
    last_offset, last_position = kept[-1] if kept else (0, 0)
    added = [(last_offset + offset, last_position + position) for offset, position in more]
    for offset, position in added:
        index.add(offset, position)
    index.save(disk, PATH)
    index.save(disk, PATH)
    data = disk.read(PATH)
    assert data == b"".join(OFFSET_ENTRY.pack(*row) for row in kept + added)
    again, sound = OffsetIndex.decode(data, 10_000)
    assert sound
    assert (len(again), again.saved) == (len(kept + added), len(kept + added))
    assert [again.position_of(offset) for offset, _ in kept + added] == [position for _, position in kept + added]


@given(growing(), st.integers(0, 3000), st.integers(0, 40), st.booleans())
def test_what_cannot_be_true_is_not_believed(rows: list[tuple[int, int]], log_size: int, zeros: int, garbage: bool) -> None:
    """Entries beyond the log or out of order end the index; zeros behind it are preallocation and no damage."""
    data = b"".join(OFFSET_ENTRY.pack(*row) for row in rows) + bytes(zeros) + (b"\x01" if garbage else b"")
    index, sound = OffsetIndex.decode(data, log_size)
    true = [row for row in rows if row[1] < log_size]
    assert len(index) == len(true)
    assert sound == (true == rows and not garbage)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 30)), max_size=40), st.integers(0, 1100))
def test_the_time_index_equals_a_scan(steps: list[tuple[int, int]], wanted: int) -> None:
    """Only larger times are entered, and all records up to the offset found are older than what is asked for."""
    index = TimeIndex()
    rows: list[tuple[int, int]] = []
    offset = 0
    for time_ms, step in steps:
        offset += step
        index.add(time_ms, offset)
        if time_ms > (rows[-1][0] if rows else -1):
            rows.append((time_ms, offset))
    assert len(index) == len(rows)
    assert index.last() == (rows[-1] if rows else (-1, 0))
    assert index.offset_before(wanted) == max((at for time_ms, at in rows if time_ms < wanted), default=0)

    disk = sim_disk()
    index.save(disk, PATH)
    again, sound = TimeIndex.decode(disk.read(PATH))
    assert len(again) == len([row for row in rows if row != (0, 0)] if rows[:1] != [(0, 0)] else [])
    assert sound or rows[:1] == [(0, 0)]
    index.cut(wanted)
    assert len(index) == len([at for _, at in rows if at < wanted])


def test_entries_of_the_time_index_that_go_back_are_damage() -> None:
    """Neither column may fall."""
    good = TIME_ENTRY.pack(5, 3)
    for bad in (TIME_ENTRY.pack(5, 4), TIME_ENTRY.pack(6, 2)):
        index, sound = TimeIndex.decode(good + bad)
        assert (len(index), sound) == (1, False)
    assert TimeIndex.decode(good + bytes(24))[1]


def test_apaches_own_indexes_are_read() -> None:
    """Entries from a real broker's files, which were preallocated."""
    entries = [(0x13C, 0x48DB), (0x15E, 0x8870), (0x286, 0xD6BC)]
    data = bytes.fromhex("0000013c000048db 0000015e00008870 000002860000d6bc") + bytes(4096)
    index, sound = OffsetIndex.decode(data, 1405963)
    assert sound
    assert [index.position_of(offset) for offset, _ in entries] == [position for _, position in entries]
    times, sound = TimeIndex.decode(bytes.fromhex("000001a1fceee27e0000013c 000001a1fceee2c0000001f2") + bytes(4092))
    assert sound
    assert times.last() == (0x1A1FCEEE2C0, 0x1F2)
