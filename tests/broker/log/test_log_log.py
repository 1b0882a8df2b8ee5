"""The log of one partition: append, read, roll, cut, flush."""

from __future__ import annotations

import errno
import itertools
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from broker.log import log as log_module
from broker.log.config import LogConfig
from broker.log.errors import LogStorageError, OffsetOutOfRangeError
from broker.log.log import EXTENT_MIN
from broker.log.recovery import load_log
from broker.wire.batches import BatchError, crc_of
from broker.wire.errors import ErrorCode
from broker.wire.records import ControlType, control_batch
from coord.kit.extent import Extent
from coord.kit.posix import PosixDisk
from tests.broker.log.samples import (
    FOLDER,
    NOW_MS,
    batch,
    everything,
    expected,
    fill,
    headers_of,
    open_log,
    place_on,
    sim_disk,
    stamped,
)
from tests.sim.disk import Faults


def test_append_stamps_offsets_and_epoch_in_place() -> None:
    """The caller's buffer is what a reader gets: base offset and leader epoch are in it, and its CRC stands."""
    log = open_log(sim_disk())
    assert log.append(batch(3), 7, NOW_MS) == (0, 2, -1, False)
    data = batch(2)
    assert log.append(memoryview(data), 8, NOW_MS) == (3, 4, -1, False)

    (header,) = headers_of(data)
    assert (header.base_offset, header.leader_epoch, header.last_offset) == (3, 8, 4)
    assert header.crc == crc_of(data, 0, len(data))
    assert log.end_offset == 5
    assert bytes(log.read(3, 1000)) == bytes(data)
    assert log.epochs.rows() == [(7, 0), (8, 3)]


def test_append_takes_several_batches_at_once() -> None:
    """A buffer of several batches is written as one, each with its own offsets."""
    log = open_log(sim_disk())
    assert log.append(batch(2) + batch(3, first=2), 0, NOW_MS) == (0, 4, -1, False)
    assert everything(log) == expected(5)


def test_append_time_is_stamped_with_a_new_crc() -> None:
    """A topic with LogAppendTime shows the broker's clock, and the batch is sound again."""
    log = open_log(sim_disk(), {"message.timestamp.type": "LogAppendTime"})
    data = batch(2, time_ms=5)
    assert log.append(data, 0, NOW_MS) == (0, 1, NOW_MS, False)
    (header,) = headers_of(data)
    assert header.is_append_time
    assert header.max_timestamp == NOW_MS
    assert header.crc == crc_of(data, 0, len(data))


def test_a_refused_batch_leaves_the_log_as_it_was() -> None:
    """A wrong CRC in the second of two batches keeps the first one out as well."""
    log = open_log(sim_disk())
    fill(log, [1])
    data = batch(1) + batch(1)
    data[-1] ^= 1
    with pytest.raises(BatchError, match="checksum"):
        log.append(data, 0, NOW_MS)
    assert log.end_offset == 1
    assert everything(log) == expected(1)


def test_a_retried_batch_is_written_once() -> None:
    """The second copy of an idempotent batch gets the offsets of the first."""
    log = open_log(sim_disk())
    log.append(batch(2, producer=(9, 0, 0)), 0, NOW_MS)
    first = log.append(batch(3, producer=(9, 0, 2)), 0, NOW_MS)
    again = log.append(batch(3, producer=(9, 0, 2)), 0, NOW_MS)
    assert (first.base_offset, first.last_offset, first.duplicate) == (2, 4, False)
    assert (again.base_offset, again.last_offset, again.duplicate) == (2, 4, True)
    assert log.end_offset == 5
    with pytest.raises(BatchError) as caught:
        log.append(batch(1, producer=(9, 0, 7)), 0, NOW_MS)
    assert caught.value.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    size=st.integers(1, 300),
    segment_bytes=st.integers(2000, 8000),
    interval=st.sampled_from([0, 1, 200, 4096]),
    max_bytes=st.integers(0, 4000),
    awake=st.integers(1, 4),
)
def test_a_reader_gets_every_record_once(
    counts: list[int], size: int, segment_bytes: int, interval: int, max_bytes: int, awake: int
) -> None:
    """Whatever the sizes, reading on from the last record returns the log, whole batches within the limits."""
    disk = sim_disk()
    config = {"segment.bytes": str(segment_bytes), "index.interval.bytes": str(interval)}
    log = open_log(disk, config, place=place_on(disk, awake))
    fill(log, counts, size)
    assert everything(log, max_bytes) == expected(log.end_offset, size=max(size, 0))

    for offset in range(log.end_offset):
        data = log.read(offset, max_bytes)
        headers = headers_of(data)
        assert headers[0].base_offset <= offset <= headers[0].last_offset
        assert len(headers) == 1 or len(data) <= max_bytes
        assert all(one.next_offset == other.base_offset for one, other in itertools.pairwise(headers))


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=30), data=st.data())
def test_a_reader_stays_below_its_limit(counts: list[int], data: st.DataObject) -> None:
    """No batch that reaches `upto` is returned, and every one before it can be."""
    log = open_log(sim_disk(), {"segment.bytes": "600", "index.interval.bytes": "100"})
    fill(log, counts)
    upto = data.draw(st.integers(0, log.end_offset))
    found = -1
    offset = 0
    while offset < upto:
        headers = headers_of(log.read(offset, 250, upto))
        if not headers:
            break
        found = headers[-1].last_offset
        offset = found + 1
    ends = [sum(counts[: n + 1]) - 1 for n in range(len(counts))]
    assert found == max((end for end in ends if end < upto), default=-1)


@given(
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=30),
    max_bytes=st.integers(0, 9000),
    interval=st.sampled_from([1, 500, 4096]),
    min_one=st.booleans(),
    data=st.data(),
)
def test_what_is_lent_is_what_is_read(
    sizes: list[int], max_bytes: int, interval: int, min_one: bool, data: st.DataObject
) -> None:
    """Whatever the sizes of the batches, the index and the limits; and the reader is found where it stopped."""
    lender, reader = (
        open_log(sim_disk(), {"index.interval.bytes": str(interval), "segment.bytes": "9000"}) for _ in range(2)
    )
    for log in (lender, reader):
        for size in sizes:
            fill(log, [1], size)
    offset = data.draw(st.integers(0, lender.end_offset))
    upto = data.draw(st.integers(0, lender.end_offset))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "EXTENT_MIN", 0)
        while offset < upto:
            lent = bytes(lender.lend(offset, max_bytes, upto, min_one))
            assert lent == bytes(reader.read(offset, max_bytes, upto, min_one))
            if not lent:
                break
            offset = headers_of(lent)[-1].next_offset
        assert offset >= upto or not min_one


def test_little_is_read_and_much_is_lent() -> None:
    """Where a limit falls into a batch, a look at the headers near it finds the end of the whole ones."""
    disk = sim_disk()
    log = open_log(disk)
    fill(log, [1] * 5, size=EXTENT_MIN)
    whole = bytes(log.read(0, 1 << 20))
    assert isinstance(log.lend(0, 1000, 5, True), memoryview)
    assert bytes(log.lend(0, EXTENT_MIN * 3, 5, True)) == whole[: len(whole) // 5 * 2]
    assert log.segments[0]._cursors[2] == len(whole) // 5 * 2
    assert bytes(log.lend(2, 1 << 20, 5, True)) == whole[len(whole) // 5 * 2 :]
    assert bytes(log.lend(4, EXTENT_MIN, 5, True)) == whole[len(whole) // 5 * 4 :]
    assert bytes(log.lend(4, EXTENT_MIN, 5, False)) == b""
    assert bytes(log.lend(5, EXTENT_MIN, 5, True)) == b""


def test_what_is_lent_outlives_its_segment(tmp_path: Path) -> None:
    """Retention may drop a segment while a slow client is being sent it."""
    place = place_on(PosixDisk())
    log = load_log(
        place, str(tmp_path), "t", 0, LogConfig.of({"segment.bytes": "100000"}), start_offset=0, recovery_point=0, clean=False,
        now_ms=NOW_MS,
    )  # fmt: skip
    fill(log, [1, 1, 1], size=EXTENT_MIN)
    lent = log.lend(0, 1 << 20, 3, True)
    assert isinstance(lent, Extent)
    whole = bytes(log.read(0, 1 << 20))
    log.drop_first(2, NOW_MS)
    place.trash.sweep(NOW_MS + 1_000_000)
    assert bytes(lent) == whole
    log.close()


def test_the_first_batch_comes_however_large() -> None:
    """A batch above max_bytes is returned alone when at least one is wanted, and not at all otherwise."""
    log = open_log(sim_disk())
    fill(log, [5, 5], size=100)
    assert len(headers_of(log.read(0, 10))) == 1
    assert len(headers_of(log.read(0, 10, min_one=False))) == 0
    assert len(headers_of(log.read(0, 0))) == 1


def test_reading_outside_of_the_log_is_refused() -> None:
    """Below the start and beyond the end is an error; at the end there is nothing yet."""
    log = open_log(sim_disk())
    fill(log, [2, 2])
    assert log.read(4, 100) == b""
    with pytest.raises(OffsetOutOfRangeError, match=r"t-0: offset 5"):
        log.read(5, 100)
    log.raise_start(2)
    with pytest.raises(OffsetOutOfRangeError):
        log.read(1, 100)
    with pytest.raises(OffsetOutOfRangeError):
        log.raise_start(9)
    assert everything(log) == expected(4, start=2)


def test_a_segment_ends_when_it_is_full() -> None:
    """segment.bytes is never passed, and the next segment is named by its first offset."""
    log = open_log(sim_disk(), {"segment.bytes": "500"})
    fill(log, [1] * 20, size=50)
    assert len(log.segments) > 2
    assert all(segment.size <= 500 for segment in log.segments)
    assert next(segment.base_offset for segment in log.segments) == 0
    assert everything(log) == expected(20, size=50)


def test_a_segment_ends_when_it_is_old() -> None:
    """segment.ms counts from the first batch's time to the new one's, by the records' own clock."""
    log = open_log(sim_disk(), {"segment.ms": "1000"})
    fill(log, [1], now_ms=NOW_MS)
    fill(log, [1], now_ms=NOW_MS + 1000)
    assert len(log.segments) == 1
    fill(log, [1], now_ms=NOW_MS + 1001)
    assert [segment.base_offset for segment in log.segments] == [0, 2]


def test_a_segment_ends_when_an_index_is_full() -> None:
    """segment.index.bytes bounds both indexes."""
    log = open_log(sim_disk(), {"segment.index.bytes": "36", "index.interval.bytes": "0"})
    fill(log, [1] * 20)
    assert [segment.base_offset for segment in log.segments] == [0, 5, 10, 15]


def test_a_segment_ends_before_a_relative_offset_would_overflow() -> None:
    """A replicated batch far ahead begins a segment of its own."""
    log = open_log(sim_disk())
    log.append_replicated(stamped(0), NOW_MS)
    log.append_replicated(stamped(2**31), NOW_MS)
    assert [segment.base_offset for segment in log.segments] == [0, 1]
    assert log.end_offset == 2**31 + 1


def test_a_full_disk_keeps_nothing_of_the_batch() -> None:
    """ENOSPC in the middle of a write is KAFKA_STORAGE_ERROR; the log is as before and goes on when there is room."""
    faults = Faults()
    disk = sim_disk(faults=faults)
    log = open_log(disk)
    fill(log, [3])
    faults.capacity_bytes = disk.size(f"{FOLDER}/t-0/{0:020d}.log") + 50
    with pytest.raises(LogStorageError, match="cannot be written") as caught:
        fill(log, [3])
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert (log.end_offset, everything(log)) == (3, expected(3))
    faults.capacity_bytes = None
    fill(log, [3])
    assert everything(log) == expected(6)


def test_replicated_batches_keep_their_offsets_and_epochs() -> None:
    """A follower writes what the leader stamped, gaps included, and learns the epochs."""
    log = open_log(sim_disk())
    assert log.append_replicated(stamped(0, 2, epoch=3) + stamped(5, 1, epoch=4), NOW_MS) == 6
    assert log.epochs.rows() == [(3, 0), (4, 5)]
    assert [header.base_offset for header in headers_of(log.read(0, 1000))] == [0, 5]
    assert [header.base_offset for header in headers_of(log.read(3, 1000))] == [5]
    with pytest.raises(BatchError, match="cannot follow"):
        log.append_replicated(stamped(4), NOW_MS)
    damaged = stamped(6)
    damaged[-1] ^= 1
    with pytest.raises(BatchError, match="CRC"):
        log.append_replicated(damaged, NOW_MS)
    assert log.append_replicated(b"", NOW_MS) == 6


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    more=st.lists(st.integers(1, 4), max_size=10),
    data=st.data(),
)
def test_truncation_keeps_the_batches_before(counts: list[int], more: list[int], data: st.DataObject) -> None:
    """Cut anywhere, the log holds the whole batches before, and goes on from there, also after a restart."""
    disk = sim_disk()
    config = {"segment.bytes": "600", "index.interval.bytes": "100"}
    log = open_log(disk, config)
    fill(log, counts, epoch=1)
    offset = data.draw(st.integers(0, log.end_offset + 1))
    log.truncate_to(offset, NOW_MS)

    ends = [0, *(sum(counts[: n + 1]) for n in range(len(counts)))]
    kept = max(end for end in ends if end <= offset)
    assert log.end_offset == kept
    assert everything(log) == expected(kept)
    fill(log, more, epoch=2)
    assert everything(log) == expected(kept + sum(more))
    log.close()
    assert everything(open_log(disk, config, clean=True)) == expected(kept + sum(more))


def test_truncation_below_the_start_begins_anew() -> None:
    """A follower whose log lies outside of the leader's empties it and goes on at the leader's start."""
    log = open_log(sim_disk(), {"segment.bytes": "300"})
    fill(log, [2] * 6)
    log.raise_start(6)
    log.truncate_to(4, NOW_MS)
    assert (log.start_offset, log.end_offset, log.size) == (4, 4, 0)
    fill(log, [1])
    assert everything(log) == expected(5, start=4)


def test_truncation_forgets_the_batches_of_producers() -> None:
    """A batch that was cut away may be written again by its producer."""
    log = open_log(sim_disk())
    log.append(batch(1, producer=(5, 0, 0)), 0, NOW_MS)
    log.append(batch(1, producer=(5, 0, 1)), 0, NOW_MS)
    log.truncate_to(1, NOW_MS)
    assert log.append(batch(1, producer=(5, 0, 1)), 0, NOW_MS) == (1, 1, -1, False)


def test_an_open_transaction_holds_back_the_stable_offset() -> None:
    """Up to the marker nothing from the transaction's first record on is stable; an abort is then listed."""
    disk = sim_disk()
    log = open_log(disk)
    fill(log, [1])
    log.append(batch(2, producer=(5, 0, 0), transactional=True), 0, NOW_MS)
    fill(log, [1])
    assert log.stable_offset(4) == 1
    marker = control_batch(ControlType.ABORT, now_ms=NOW_MS, producer_id=5, producer_epoch=0, coordinator_epoch=1, base_offset=4)
    log.append_replicated(marker, NOW_MS)
    assert log.stable_offset(5) == 5
    (aborted,) = log.aborted(0, 5)
    assert aborted == (5, 1, 4, 5)
    assert log.aborted(0, 1) == []
    log.close()
    assert open_log(disk, clean=True).aborted(2, 3) == [aborted]


def test_flush_moves_the_recovery_point() -> None:
    """What has been flushed survives the power; the recovery point says so."""

    async def main() -> None:
        disk = sim_disk()
        log = open_log(disk, {"segment.bytes": "300", "flush.ms": "1000"})
        fill(log, [1] * 10)
        rolled = log.segments[-1].base_offset
        assert log.flush_due(NOW_MS) == rolled
        await log.flush(rolled)
        assert log.recovery_point == rolled
        assert log.flush_due(NOW_MS + 999) == 0
        assert log.flush_due(NOW_MS + 1000) == 10
        await log.flush()
        assert log.recovery_point == 10
        assert log.flush_due(NOW_MS + 5000) == 0
        for _ in range(5):
            assert everything(open_log(disk.crash(), recovery_point=10)) == expected(10)

    trio.run(main)


def test_what_a_start_found_unsynced_is_flushed_in_time() -> None:
    """flush.ms holds for records of before a kill as well, counted from the start."""
    disk = sim_disk()
    fill(open_log(disk), [1])
    log = open_log(disk, {"flush.ms": "1000"}, now_ms=NOW_MS)
    assert (log.flush_due(NOW_MS + 999), log.flush_due(NOW_MS + 1000)) == (0, 1)


def test_flush_messages_syncs_before_the_append_returns() -> None:
    """flush.messages=1: no acknowledged record is lost with the power."""
    disk = sim_disk()
    log = open_log(disk, {"flush.messages": "1"})
    fill(log, [1, 2])
    assert log.recovery_point == 3
    assert everything(open_log(disk.crash())) == expected(3)


def test_a_log_cut_while_it_is_flushed_keeps_its_recovery_point() -> None:
    """A flush that began before a truncation proves nothing of what was written after it."""

    async def main() -> None:
        disk = sim_disk(faults=Faults(sync_seconds=(1.0, 1.0)))
        log = open_log(disk)
        fill(log, [5, 5])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.flush)
            await trio.sleep(0.5)
            log.truncate_to(5, NOW_MS)
            fill(log, [5])
        assert log.recovery_point == 0

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_disk_that_fails_a_sync_is_not_trusted_again() -> None:
    """After EIO the log refuses to append and cannot be closed cleanly."""
    faults = Faults()
    disk = sim_disk(faults=faults)
    log = open_log(disk)
    fill(log, [1])
    faults.fail_sync = lambda path: True
    with pytest.raises(LogStorageError, match="not trusted"):
        trio.run(log.flush)
    faults.fail_sync = lambda path: False
    with pytest.raises(LogStorageError, match="not trusted"):
        fill(log, [1])
    with pytest.raises(LogStorageError, match="not trusted"):
        log.append_replicated(stamped(1), NOW_MS)
    log.close()
    assert log.recovery_point == 0


def test_a_roll_that_fails_refuses_the_append() -> None:
    """When no new segment can begin, the producer hears it and the log is whole."""
    disk = sim_disk()
    log = open_log(disk, {"segment.bytes": "200"})
    fill(log, [1], size=100)

    def refuse(path: str) -> None:
        raise OSError(errno.EIO, "no", path)

    disk.sync_dir = refuse  # type: ignore[method-assign]
    with pytest.raises(LogStorageError, match="no new segment"):
        fill(log, [1], size=100)
    assert everything(log) == expected(1, size=100)


def test_jitter_shortens_the_age_of_a_segment() -> None:
    """segment.jitter.ms keeps partitions that were made together from rolling together."""
    disk = sim_disk()
    log = open_log(disk, {"segment.ms": "1000", "segment.jitter.ms": "1000"})
    jitter = Random(1).randrange(1000)
    fill(log, [1], now_ms=NOW_MS)
    fill(log, [1], now_ms=NOW_MS + 1000 - jitter)
    assert len(log.segments) == 1
    fill(log, [1], now_ms=NOW_MS + 1001 - jitter)
    assert len(log.segments) == 2
