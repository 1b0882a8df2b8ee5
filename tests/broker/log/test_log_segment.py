"""One segment: waking, resting, and what readers leave behind."""

from __future__ import annotations

import pytest

from broker.log.errors import DamagedError, LogStorageError
from broker.log.handles import Awake
from broker.log.segment import CURSORS_MAX, INDEX, LOG, TIME_INDEX, Segment, file_name
from broker.wire.batches import batches
from tests.broker.log.samples import FOLDER, NOW_MS, sim_disk, stamped
from tests.sim.disk import SimDisk


def segment_on(disk: SimDisk, awake: Awake | None = None, interval: int = 100) -> Segment:
    return Segment.create(disk, Awake() if awake is None else awake, FOLDER, 0, interval, NOW_MS)


def write(segment: Segment, data: bytearray) -> None:
    segment.append(data, [(at, header.size, header.last_offset, header.max_timestamp) for at, header in batches(data)])


def filled(disk: SimDisk, count: int = 20) -> Segment:
    segment = segment_on(disk)
    for offset in range(count):
        write(segment, stamped(offset, time_ms=NOW_MS + offset))
    return segment


def counted(disk: SimDisk) -> list[tuple[int, int]]:
    """Offset and size of every read of a file from now on."""
    reads: list[tuple[int, int]] = []
    open_file = disk.open

    def opened(path: str, *, create: bool = False):  # type: ignore[no-untyped-def]
        file = open_file(path, create=create)
        read_at = file.read_at

        def read(offset: int, size: int) -> bytes:
            reads.append((offset, size))
            return read_at(offset, size)

        file.read_at = read  # type: ignore[method-assign]
        return file

    disk.open = opened  # type: ignore[method-assign]
    return reads


def test_a_reader_that_goes_on_costs_one_read() -> None:
    """Where a read ended, the next one begins without a look at the index or the file; elsewhere one more read finds it."""
    disk = sim_disk()
    segment = filled(disk)
    segment.rest()
    reads = counted(disk)
    size = len(stamped(0))
    position = segment.position_of(7)
    assert position == 7 * size
    reads.clear()
    segment.read(position, 3 * size + 5, segment.size, 20, True)
    assert reads == [(7 * size, 3 * size + 5)]
    reads.clear()
    position = segment.position_of(10)
    segment.read(position, 100_000, segment.size, 20, True)
    assert reads == [(10 * size, 10 * size)]
    assert segment.position_of(20) == segment.size


def test_places_of_readers_are_bounded() -> None:
    """Many readers cost no more memory than a few."""
    segment = filled(sim_disk(), 2 * CURSORS_MAX)
    for offset in range(2 * CURSORS_MAX):
        segment.read(segment.position_of(offset), 1, segment.size, 99, True)
    assert len(segment._cursors) <= CURSORS_MAX


def test_resting_saves_the_indexes() -> None:
    """A segment that rested finds everything again, and more can be written."""
    disk = sim_disk()
    awake = Awake(1)
    segment = segment_on(disk, awake)
    for offset in range(10):
        write(segment, stamped(offset))
        other = Segment.create(disk, awake, FOLDER, 100 + offset, 100, NOW_MS)
        other.position_of(100)  # takes the only place
        assert len(awake) == 1
    assert segment.end() == (10, segment.size)
    assert disk.size(f"{FOLDER}/{file_name(0, INDEX)}") == 8 * 4
    assert [segment.find(offset)[1] for offset in range(11)] == [*range(10), -1]


def test_indexes_that_cannot_be_saved_are_no_loss(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk at rest is said; the indexes are rebuilt."""
    disk = sim_disk()
    segment = filled(disk)
    disk.faults.capacity_bytes = 0
    segment.rest()
    assert "the indexes cannot be saved" in caplog.text
    disk.faults.capacity_bytes = None
    assert segment.find(15)[1] == 15


def test_times() -> None:
    """The largest time and the first batch's are known from memory, from the index, and from the file."""
    disk = sim_disk()
    segment = filled(disk)
    write(segment, stamped(20, time_ms=NOW_MS - 5))
    for found in (segment, Segment(disk, Awake(), FOLDER, 0, 100, NOW_MS)):
        assert found.max_time() == (NOW_MS + 19, 19)
        assert found.first_time() == NOW_MS
        segment.seal()
    empty = Segment.create(disk, Awake(), FOLDER, 50, 100, NOW_MS)
    assert (empty.max_time(), empty.first_time()) == ((-1, 50), -1)


def test_damage_names_file_and_place() -> None:
    """What cannot be a batch is an error of the file, wherever it is met."""
    disk = sim_disk()
    segment = filled(disk)
    size = len(stamped(0))
    segment.close()
    disk.corrupt(f"{FOLDER}/{file_name(0, LOG)}", 9 * size + 16)
    with pytest.raises(DamagedError, match=rf"{file_name(0, LOG)} is damaged at position {9 * size}"):
        segment.find(9)
    with pytest.raises(DamagedError, match="is damaged behind position 0"):
        segment.read(0, 10 * size + 5, segment.size, 20, True)
    for suffix in (INDEX, TIME_INDEX):
        disk.remove(f"{FOLDER}/{file_name(0, suffix)}")
    segment.rest()
    for suffix in (INDEX, TIME_INDEX):
        disk.remove(f"{FOLDER}/{file_name(0, suffix)}")
    with pytest.raises(DamagedError, match=f"position {9 * size}"):
        segment.find(3)


def test_a_file_that_is_gone_is_a_storage_error() -> None:
    """Not a traceback."""
    disk = sim_disk()
    segment = filled(disk)
    segment.close()
    disk.remove(f"{FOLDER}/{file_name(0, LOG)}")
    with pytest.raises(LogStorageError, match="cannot be opened"):
        segment.find(3)


def test_preallocated_indexes_are_trimmed_when_they_are_saved() -> None:
    """Apache's files of 10 MB shrink to their entries."""
    disk = sim_disk()
    segment = filled(disk)
    segment.seal()
    segment.close()
    for suffix in (INDEX, TIME_INDEX):
        file = disk.open(f"{FOLDER}/{file_name(0, suffix)}")
        before = file.size()
        file.truncate(10_000)
        again = Segment(disk, Awake(), FOLDER, 0, 100, NOW_MS)
        assert again.find(7)[1] == 7
        again.close()
        assert file.size() == before


def test_a_disk_that_cannot_be_read_is_a_storage_error() -> None:
    """EIO in a lookup and in a read, by its name."""
    disk = sim_disk()
    segment = filled(disk)

    def refuse(offset: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    assert segment._file is not None
    segment._file.read_at = refuse  # type: ignore[method-assign]
    with pytest.raises(LogStorageError, match=rf"{file_name(0, LOG)} cannot be read"):
        segment.find(7)
    with pytest.raises(LogStorageError, match=rf"{file_name(0, LOG)} cannot be read"):
        segment.read(0, 100, segment.size, 20, True)
