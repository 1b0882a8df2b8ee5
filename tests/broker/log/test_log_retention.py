"""Retention: which segments go."""

from __future__ import annotations

import pytest

from broker.log.errors import LogStorageError
from broker.log.log import Log
from broker.log.retention import retain
from tests.broker.log.samples import FOLDER, NOW_MS, everything, expected, fill, open_log, place_on, sim_disk
from tests.sim.disk import SimDisk

HOUR_MS = 3_600_000


def aged(disk: SimDisk, **overrides: str) -> Log:
    """Five segments of two records, an hour from one another, the last one an hour old at `NOW_MS`."""
    config = {"segment.ms": "1000", **{name.replace("_", "."): value for name, value in overrides.items()}}
    log = open_log(disk, config)
    for hours in range(5, 0, -1):
        fill(log, [1, 1], now_ms=NOW_MS - hours * HOUR_MS)
    assert [segment.base_offset for segment in log.segments] == [0, 2, 4, 6, 8]
    return log


def test_segments_go_when_their_newest_record_is_too_old() -> None:
    """retention.ms, the oldest first; readers start behind what went."""
    log = aged(sim_disk(), retention_ms=str(3 * HOUR_MS))
    assert retain(log, 10, NOW_MS) == 2
    assert everything(log) == expected(10, start=4)
    assert retain(log, 10, NOW_MS) == 0
    assert retain(log, 10, NOW_MS + 1) == 1


def test_all_may_go_and_the_offset_stays() -> None:
    """A new segment begins where the old ones ended."""
    disk = sim_disk()
    log = aged(disk, retention_ms="1")
    assert retain(log, 10, NOW_MS) == 5
    assert (log.start_offset, log.end_offset, log.size) == (10, 10, 0)
    assert retain(log, 10, NOW_MS + HOUR_MS) == 0
    again = open_log(disk)
    assert (again.start_offset, again.end_offset) == (10, 10)
    fill(again, [1])
    assert everything(again) == expected(11, start=10)


def test_what_is_not_committed_stays() -> None:
    """A segment with records at or above the high watermark is kept, however old."""
    log = aged(sim_disk(), retention_ms="1")
    assert retain(log, 5, NOW_MS) == 2
    assert log.start_offset == 4


def test_no_limit_keeps_everything() -> None:
    """-1 means for ever."""
    assert retain(aged(sim_disk(), retention_ms="-1"), 10, NOW_MS + 10**12) == 0


def test_segments_go_when_there_are_too_many_bytes() -> None:
    """retention.bytes: the log stays at or above the limit, less than a segment above it."""
    log = aged(sim_disk(), retention_ms="-1")
    size = log.segments[0].size
    for limit, count in ((5 * size, 0), (4 * size, 1), (3 * size - 1, 1), (0, 3)):
        log.configure(aged(sim_disk(), retention_ms="-1", retention_bytes=str(limit)).config)
        assert retain(log, 10, NOW_MS) == count
    assert (log.start_offset, log.end_offset) == (10, 10)


def test_segments_below_the_start_go() -> None:
    """DeleteRecords frees whole segments, also of a topic that is compacted only."""
    log = aged(sim_disk(), retention_ms="1", cleanup_policy="compact")
    log.raise_start(5)
    assert retain(log, 10, NOW_MS) == 2
    assert everything(log) == expected(10, start=5)


def test_records_without_time_are_as_old_as_this_process_knows() -> None:
    """A segment whose records have no timestamps is kept for the whole time after a start."""
    disk = sim_disk()
    log = open_log(disk, {"retention.ms": "1000"})
    fill(log, [1], now_ms=-1)
    assert retain(log, 1, NOW_MS + 1000) == 0
    assert retain(log, 1, NOW_MS + 1001) == 1


def test_files_are_renamed_first_and_removed_later() -> None:
    """file.delete.delay.ms, under Apache's suffix; a start removes what is left."""
    disk = sim_disk()
    place = place_on(disk)
    log = open_log(disk, {"segment.bytes": "200", "retention.bytes": "0", "file.delete.delay.ms": "1000"}, place=place)
    fill(log, [1] * 4)
    retain(log, 4, NOW_MS)
    deleted = [name for name in disk.names(log.folder) if name.endswith(".deleted")]
    assert f"{0:020d}.log.deleted" in deleted
    assert f"{2:020d}.snapshot.deleted" in deleted
    place.trash.sweep(NOW_MS + 999)
    assert [name for name in disk.names(log.folder) if name.endswith(".deleted")] == deleted
    place.trash.sweep(NOW_MS + 1000)
    assert [name for name in disk.names(log.folder) if name.endswith(".deleted")] == []
    assert len(place.trash) == 0


def test_a_disk_that_refuses_is_said() -> None:
    """A segment that cannot be renamed is a storage error, not a traceback."""
    disk = sim_disk()
    log = aged(disk, retention_ms="1")

    def refuse(source: str, target: str) -> None:
        raise OSError(5, "no", source)

    disk.rename = refuse  # type: ignore[method-assign]
    with pytest.raises(LogStorageError, match=f"{FOLDER}/t-0"):
        retain(log, 10, NOW_MS)
