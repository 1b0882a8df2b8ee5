"""What a start finds in a partition's folder, and what it makes of it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.log.errors import LogDirError
from broker.log.log import Log
from broker.log.segment import INDEX, LOG, SUFFIXES, TIME_INDEX, TXN_INDEX, file_name
from broker.log.snapshots import snapshot_name
from broker.wire.records import ControlType, control_batch
from coord.kit.disk import Disk
from tests.broker.log.samples import FOLDER, NOW_MS, batch, everything, expected, fill, open_log, sim_disk
from tests.sim.disk import SimDisk

PATH = f"{FOLDER}/t-0"
SMALL = {"segment.bytes": "700", "index.interval.bytes": "150"}


def cut(disk: Disk, name: str, size: int) -> None:
    file = disk.open(f"{PATH}/{name}")
    file.truncate(size)
    file.close()


def log_files(disk: Disk) -> list[str]:
    return [name for name in disk.names(PATH) if name.endswith(LOG)]


def same_files(disk: Disk, other: Disk) -> None:
    """Segments and indexes are equal byte for byte."""
    for name in disk.names(PATH):
        if name.endswith(SUFFIXES):
            assert disk.read(f"{PATH}/{name}") == other.read(f"{PATH}/{name}"), name


@given(counts=st.lists(st.integers(1, 5), max_size=30), kill=st.booleans())
def test_a_killed_process_loses_nothing(counts: list[int], kill: bool) -> None:
    """What was appended is there after a kill and after a clean shutdown, with the same offsets, and goes on."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, counts)
    if not kill:
        log.close()
    again = open_log(disk, SMALL, clean=not kill)
    assert (again.start_offset, again.end_offset) == (0, sum(counts))
    assert again.recovery_point == (0 if kill else sum(counts))
    fill(again, [2])
    assert everything(again) == expected(sum(counts) + 2)


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=25), data=st.data())
def test_a_log_cut_at_any_byte_recovers_to_a_prefix(counts: list[int], data: st.DataObject) -> None:
    """A crash at any byte of any unsynced segment leaves the whole batches before it, and all of those."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, counts)
    names = log_files(disk)
    segment = data.draw(st.integers(0, len(names) - 1))
    size = data.draw(st.integers(0, disk.size(f"{PATH}/{names[segment]}")))
    ends = batch_ends(log, segment)
    untouched = size == disk.size(f"{PATH}/{names[segment]}")
    cut(disk, names[segment], size)

    again = open_log(disk, SMALL)
    kept = max(offset for position, offset in ends if position <= size)
    assert again.end_offset == (log.end_offset if untouched else kept)
    assert everything(again) == expected(again.end_offset)
    fill(again, [3])
    assert everything(again) == expected(again.end_offset)


def batch_ends(log: Log, segment: int) -> list[tuple[int, int]]:
    """Position and offset after each batch of a segment, and of its start."""
    found = log.segments[segment]
    return [(0, found.base_offset), *((at + header.size, header.next_offset) for at, header in found.headers(0))]


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=25), data=st.data())
def test_a_flipped_bit_ends_the_log_before_its_batch(counts: list[int], data: st.DataObject) -> None:
    """Every byte behind the leader epoch is under the CRC; a batch that fails it goes, with all that follows."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, counts)
    names = log_files(disk)
    segment = data.draw(st.integers(0, len(names) - 1))
    ends = batch_ends(log, segment)
    number = data.draw(st.integers(0, len(ends) - 2))
    position = data.draw(st.integers(ends[number][0] + 16, ends[number + 1][0] - 1))
    disk.corrupt(f"{PATH}/{names[segment]}", position, 1 << data.draw(st.integers(0, 7)))
    again = open_log(disk, SMALL)
    assert again.end_offset == ends[number][1]
    assert everything(again) == expected(again.end_offset)


Step = tuple[str, int]


@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(st.tuples(st.sampled_from(["append", "append", "flush", "rest", "crash"]), st.integers(1, 6)), max_size=40),
)
def test_power_loss_leaves_a_prefix_with_everything_synced(seed: int, steps: list[Step]) -> None:
    """After any power loss the log is a prefix of what was appended, and holds all below the recovery point."""
    disk = sim_disk(seed)
    log = open_log(disk, SMALL)
    for step, number in steps:
        if step == "append":
            fill(log, [number] * 3, size=40)
        elif step == "flush":
            log.flush_now()
        elif step == "rest":
            for segment in log.segments:
                segment.close()
        else:
            synced = log.recovery_point
            before = everything(log)
            disk.cut_off()
            disk = disk.crash()
            log = open_log(disk, SMALL, recovery_point=synced)
            assert log.end_offset >= synced
            assert everything(log) == before[: log.end_offset]
    assert everything(log) == expected(log.end_offset, size=40)


def test_power_loss_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One line tells the file, the bytes that are cut and what was wrong with them."""
    disk = sim_disk()
    fill(open_log(disk), [1, 1])
    size = disk.size(f"{PATH}/{file_name(0, LOG)}")
    cut(disk, file_name(0, LOG), size - 1)
    with caplog.at_level(logging.WARNING):
        open_log(disk)
    assert f"{file_name(0, LOG)}: {size // 2 - 1} bytes behind offset 0 are cut: the last batch is cut off" in caplog.text


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=25), size=st.integers(1, 100))
def test_rebuilt_indexes_are_those_that_were_written(counts: list[int], size: int) -> None:
    """Recovery, and a reader that misses an index, build byte for byte what appending built."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, counts, size)
    log.close()
    copy = disk.crash()  # everything was synced: an equal disk
    for name in copy.names(PATH):
        if name.endswith((INDEX, TIME_INDEX)):
            copy.remove(f"{PATH}/{name}")
    recovered = open_log(copy, SMALL)
    same_files(disk, copy)
    for name in copy.names(PATH):
        if name.endswith((INDEX, TIME_INDEX)) and copy.size(f"{PATH}/{name}"):
            copy.corrupt(f"{PATH}/{name}", 0)
    recovered.abandon()
    again = open_log(copy, SMALL, clean=True)
    assert everything(again) == expected(sum(counts), size=size)
    again.close()
    same_files(disk, copy)


def test_only_unsynced_segments_are_read() -> None:
    """Below the recovery point the files are believed; damage there is found when it is read."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, [1] * 30)
    log.flush_now()
    names = log_files(disk)
    disk.corrupt(f"{PATH}/{names[0]}", 100)
    assert open_log(disk, SMALL, recovery_point=30).end_offset == 30
    assert open_log(disk, SMALL, recovery_point=0).end_offset == 1


def test_a_hole_between_segments_ends_the_log() -> None:
    """A segment whose records do not follow was left behind by a power loss; offsets are never passed over."""
    disk = sim_disk()
    log = open_log(disk, SMALL)
    fill(log, [1] * 30)
    names = log_files(disk)
    disk.remove(f"{PATH}/{names[1]}")
    again = open_log(disk, SMALL)
    assert again.end_offset == log.segments[1].base_offset
    assert log_files(disk) == names[:1]
    assert everything(again) == expected(again.end_offset)


def test_a_compacted_log_may_have_holes() -> None:
    """Compaction leaves gaps between segments that are no damage."""
    disk = sim_disk()
    config = {**SMALL, "cleanup.policy": "compact"}
    log = open_log(disk, config)
    fill(log, [1] * 30)
    disk.remove(f"{PATH}/{log_files(disk)[1]}")
    assert open_log(disk, config).end_offset == 30


def test_a_cleanly_closed_log_that_is_torn_is_an_error() -> None:
    """Damage where none can be is not repaired in silence: the file is named."""
    disk = sim_disk()
    log = open_log(disk)
    fill(log, [1, 1])
    log.close()
    cut(disk, file_name(0, LOG), disk.size(f"{PATH}/{file_name(0, LOG)}") - 1)
    with pytest.raises(LogDirError, match=rf"{file_name(0, LOG)} was shut down cleanly"):
        open_log(disk, clean=True)


def test_a_log_below_its_start_begins_anew() -> None:
    """When the records above the checkpointed start are gone, the offsets are not given out again."""
    disk = sim_disk()
    fill(open_log(disk), [1] * 5)
    again = open_log(disk, start_offset=9)
    assert (again.start_offset, again.end_offset) == (9, 9)
    fill(again, [1])
    assert open_log(disk, start_offset=9).end_offset == 10


def test_an_empty_folder_becomes_a_log() -> None:
    """A new replica starts at the checkpointed start, 0 without one."""
    assert open_log(sim_disk()).end_offset == 0
    disk = sim_disk()
    assert open_log(disk, start_offset=7).start_offset == 7
    assert log_files(disk) == [file_name(7, LOG)]


def test_a_start_inside_of_a_segment_is_kept() -> None:
    """DeleteRecords within a segment holds after a restart, by the checkpoint."""
    disk = sim_disk()
    log = open_log(disk)
    fill(log, [1] * 5)
    log.raise_start(3)
    log.close()
    again = open_log(disk, clean=True, start_offset=3)
    assert everything(again) == expected(5, start=3)


def test_producers_are_replayed_behind_the_snapshot() -> None:
    """After a kill a retried batch is still known, and the sequence goes on."""
    disk = sim_disk()
    log = open_log(disk, {"segment.bytes": "1000"})
    for sequence in range(30):
        log.append(batch(1, producer=(5, 1, sequence)), 0, NOW_MS)
    again = open_log(disk, {"segment.bytes": "1000"})
    for sequence in range(25, 30):
        assert again.append(batch(1, producer=(5, 1, sequence)), 0, NOW_MS) == (sequence, sequence, -1, True)
    assert again.append(batch(1, producer=(5, 1, 30)), 0, NOW_MS) == (30, 30, -1, False)


@pytest.mark.parametrize("damage", ["flip", "cut", "version", "absent"])
def test_a_damaged_snapshot_is_replaced_by_the_log(damage: str) -> None:
    """A snapshot that fails its CRC is removed; an older one, or all batches, take its place."""
    disk = sim_disk()
    log = open_log(disk)
    for sequence in range(5):
        log.append(batch(1, producer=(5, 1, sequence)), 0, NOW_MS)
    log.close()
    path = f"{PATH}/{snapshot_name(5)}"
    if damage == "flip":
        disk.corrupt(path, 20)
    elif damage == "cut":
        cut(disk, snapshot_name(5), 4)
    elif damage == "version":
        disk.corrupt(path, 1)
    else:
        disk.remove(path)
    again = open_log(disk, clean=True)
    assert not disk.exists(path)
    assert again.append(batch(1, producer=(5, 1, 4)), 0, NOW_MS).duplicate
    assert not again.append(batch(1, producer=(5, 1, 5)), 0, NOW_MS).duplicate


def test_old_producers_are_forgotten_at_the_start() -> None:
    """A producer that has been silent for a day may begin anywhere."""
    disk = sim_disk()
    log = open_log(disk)
    log.append(batch(1, producer=(5, 1, 0)), 0, NOW_MS)
    log.close()
    assert len(open_log(disk, clean=True, now_ms=NOW_MS + 86_400_000).producers) == 1
    assert len(open_log(disk, clean=True, now_ms=NOW_MS + 86_400_001).producers) == 0


def test_aborted_transactions_are_found_again() -> None:
    """The index of transactions is filled again from the markers, once each."""
    disk = sim_disk()
    log = open_log(disk)
    log.append(batch(2, producer=(5, 0, 0), transactional=True), 0, NOW_MS)
    marker = control_batch(ControlType.ABORT, now_ms=NOW_MS, producer_id=5, producer_epoch=0, coordinator_epoch=1, base_offset=2)
    log.append_replicated(marker, NOW_MS)
    log.append(batch(1, producer=(5, 0, 2), transactional=True), 0, NOW_MS)
    for _ in range(2):
        again = open_log(disk)
        assert again.aborted(0, 4) == [(5, 0, 2, 3)]
        assert again.stable_offset(4) == 3
    disk.remove(f"{PATH}/{file_name(0, TXN_INDEX)}")
    assert open_log(disk).aborted(0, 4) == [(5, 0, 2, 3)]


def test_leader_epochs_are_found_again() -> None:
    """Epochs that the file lost are read from the batches, and those of lost batches go."""
    disk = sim_disk()
    log = open_log(disk)
    fill(log, [1, 1], epoch=3)
    fill(log, [1], epoch=5)
    path = f"{PATH}/leader-epoch-checkpoint"
    disk.remove(path)
    assert open_log(disk).epochs.rows() == [(3, 0), (5, 2)]
    disk.corrupt(path, 0)
    assert open_log(disk).epochs.rows() == [(3, 0), (5, 2)]
    size = disk.size(f"{PATH}/{file_name(0, LOG)}")
    cut(disk, file_name(0, LOG), size - 1)
    assert open_log(disk).epochs.rows() == [(3, 0)]


def test_leftovers_of_deletion_and_compaction_go() -> None:
    """`.deleted` and `.cleaned` files, and indexes without a log, are removed."""
    disk = sim_disk()
    fill(open_log(disk), [1])
    for name in (file_name(9, LOG) + ".deleted", file_name(0, LOG) + ".cleaned", file_name(3, INDEX), "note.txt"):
        disk.open(f"{PATH}/{name}", create=True).close()
    assert everything(open_log(disk)) == expected(1)
    left = set(disk.names(PATH))
    assert "note.txt" in left
    assert not any(name.startswith(("0" * 19 + "9", "0" * 19 + "3")) or "cleaned" in name for name in left)


def compacted(cleaned: bool) -> SimDisk:
    """A folder in which a compaction of the first two segments was interrupted while it put its result into place."""
    disk = sim_disk()
    config = {"cleanup.policy": "compact", "segment.bytes": "300"}
    log = open_log(disk, config)
    fill(log, [1] * 10)
    names = log_files(disk)
    result = b"".join(disk.read(f"{PATH}/{name}") for name in names[:2])
    file = disk.open(f"{PATH}/{names[0]}.swap", create=True)
    file.append(result)
    file.close()
    if cleaned:
        disk.open(f"{PATH}/{names[0]}.cleaned", create=True).close()
    log.abandon()
    return disk


def test_an_interrupted_compaction_is_finished() -> None:
    """`.swap` files replace the segments whose offsets they cover."""
    disk = compacted(cleaned=False)
    before = log_files(disk)
    log = open_log(disk, {"cleanup.policy": "compact"})
    assert log_files(disk) == [before[0], *before[2:]]
    assert everything(log) == expected(10)


def test_a_compaction_that_had_not_ended_is_undone() -> None:
    """While a `.cleaned` file is there, `.swap` files do not count."""
    disk = compacted(cleaned=True)
    before = log_files(disk)
    log = open_log(disk, {"cleanup.policy": "compact"})
    assert log_files(disk) == before
    assert not any("." in name[21:] for name in disk.names(PATH))
    assert everything(log) == expected(10)
