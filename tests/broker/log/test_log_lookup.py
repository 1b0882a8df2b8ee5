"""Offsets by time: what ListOffsets answers, against reading every record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.log.lookup import latest_time, offset_for_time
from broker.wire.records import Record, build_batch
from tests.broker.log.samples import NOW_MS, open_log, sim_disk

batches_of_times = st.lists(st.tuples(st.lists(st.integers(0, 300), min_size=1, max_size=4), st.sampled_from([0, 1, 2, 3, 4])), max_size=25)


@given(batches_of_times, st.integers(0, 310), st.integers(0, 20), st.booleans())
def test_the_first_record_of_a_time_or_later(found: list[tuple[list[int], int]], wanted: int, start: int, restart: bool) -> None:
    """Records need not be in the order of their times, batches may be compressed, and the log's start is respected."""
    disk = sim_disk()
    config = {"segment.bytes": "600", "index.interval.bytes": "100"}
    log = open_log(disk, config)
    times: list[int] = []
    for values, codec in found:
        records = [Record(n, value, None, b"x" * 20) for n, value in enumerate(values)]
        log.append(build_batch(records, codec=codec), 4, NOW_MS)
        times += values
    if restart:
        log.close()
        log = open_log(disk, config, clean=True)
    log.raise_start(min(start, log.end_offset))
    readable = [(offset, time_ms) for offset, time_ms in enumerate(times) if offset >= start]
    expected = next(((offset, time_ms, 4) for offset, time_ms in readable if time_ms >= wanted), None)
    assert offset_for_time(log, wanted) == expected
    if start == 0:
        largest = max(times, default=-1)
        assert latest_time(log) == (None if not times else (times.index(largest), largest, 4))


def test_append_time_holds_for_every_record() -> None:
    """With LogAppendTime the first record of the batch is the answer."""
    log = open_log(sim_disk(), {"message.timestamp.type": "LogAppendTime"})
    log.append(build_batch([Record(0, 1, None, b""), Record(1, 2, None, b"")]), 0, NOW_MS)
    assert offset_for_time(log, NOW_MS) == (0, NOW_MS, 0)
    assert offset_for_time(log, NOW_MS + 1) is None
    assert latest_time(log) == (0, NOW_MS, 0)


def test_records_without_times_are_not_found() -> None:
    """A log of records without timestamps has no latest one."""
    log = open_log(sim_disk())
    log.append(build_batch([Record(0, -1, None, b"")]), 0, NOW_MS)
    assert latest_time(log) is None
    assert offset_for_time(log, 0) is None
