"""The log keeps what it synced through every crash, and what it lost it says."""

from __future__ import annotations

import logging
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coord.store.errors import DamagedFileError, StoreError
from coord.store.logfile import HEADER, HEADER_SIZE, encode_records
from coord.store.txnlog import PADDING_STEP, TxnLog
from tests.coord.store.samples import FOLDER, opaque, put_file, sim_disk, started, synced
from tests.sim.disk import Faults, SimDisk


def batch_of(start: int, count: int, random: Random | None = None) -> list[tuple[int, bytes]]:
    random = random or Random(start)
    return [opaque(zxid, random.randbytes(random.choice((0, 20, 900, 5000)))) for zxid in range(start, start + count)]


def sync(log: TxnLog) -> None:
    trio.run(synced, log, clock=MockClock(autojump_threshold=0))


def test_what_is_appended_is_read_after_a_restart() -> None:
    """Over several files, with reads that begin anywhere."""
    disk = sim_disk()
    log, found = started(disk)
    assert found == []
    batches = [batch_of(1, 3), batch_of(4, 1), batch_of(5, 10)]
    for batch in batches:
        log.append(batch)
        log.roll()
    log.close()
    assert disk.names(FOLDER) == ["log.1", "log.4", "log.5"]
    everything = [txn for batch in batches for txn in batch]
    for after in range(16):
        log, found = started(disk, after)
        assert found == everything[after:]
        assert log.last_zxid == max(14, after)
        assert list(log.read_from(after)) == everything[max(0, after - 1) :]


def test_a_batch_is_one_write_and_ends_where_the_last_one_ended() -> None:
    """The bytes on disk are Apache's, whatever the batches were."""
    disk = sim_disk()
    log, _ = started(disk)
    batch = batch_of(1, 9)
    log.append(batch[:2])
    log.append([])
    log.append(batch[2:])
    log.close()
    assert disk.read(f"{FOLDER}/log.1") == HEADER + encode_records(batch)


def test_the_file_is_zero_filled_ahead_and_trimmed_at_its_end() -> None:
    """So that a sync need not record a new size, and a small ensemble wastes little."""
    disk = sim_disk()
    log, _ = started(disk)
    log.append([opaque(1)])
    assert disk.size(f"{FOLDER}/log.1") == PADDING_STEP
    log.append([opaque(2, bytes(PADDING_STEP))])
    assert disk.size(f"{FOLDER}/log.1") == 2 * PADDING_STEP
    assert log.size == HEADER_SIZE + 45 + 45 + PADDING_STEP
    log.roll()
    assert log.size == 0
    assert disk.size(f"{FOLDER}/log.1") == HEADER_SIZE + 45 + 45 + PADDING_STEP


@given(st.integers(0, 2**32), st.lists(st.sampled_from(["append", "append", "sync", "roll", "kill", "crash"]), max_size=25))
def test_a_crash_loses_nothing_that_was_synced(seed: int, steps: list[str]) -> None:
    """After any history of writes, syncs, rolls, kills and power cuts the log is a prefix with all that was synced in it.

    What a start has read counts as synced: the server votes and answers with it.
    """
    random = Random(seed)
    disk = sim_disk(seed)
    log, _ = started(disk)
    written: list[tuple[int, bytes]] = []
    synced = 0
    for step in [*steps, "crash"]:
        if step == "append":
            batch = batch_of(log.last_zxid + 1, random.randrange(1, 6), random)
            log.append(batch)
            written += batch
        elif step == "sync":
            sync(log)
            synced = len(written)
        elif step == "roll":
            log.roll()
            synced = len(written)
        elif step == "kill":  # the process died, the page cache did not
            log, found = started(disk)
            assert found == written
            synced = len(written)
        else:
            disk = disk.crash()
            log, found = started(disk)
            assert found == written[: len(found)]
            assert len(found) >= synced
            written, synced = found, len(found)


def test_a_torn_tail_is_cut_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """One line names the file and the offset; the rest of the file is gone for good."""
    disk = sim_disk()
    kept = HEADER + encode_records(batch_of(1, 2))
    put_file(disk, f"{FOLDER}/log.1", kept + encode_records([opaque(3, b"x" * 50)])[:-20] + bytes(5000))
    with caplog.at_level(logging.WARNING):
        log, found = started(disk)
    assert [zxid for zxid, _ in found] == [1, 2]
    assert f"{FOLDER}/log.1 is cut at offset {len(kept)}" in caplog.text
    assert disk.read(f"{FOLDER}/log.1") == kept
    log.append([opaque(3)])
    log.close()
    assert [zxid for zxid, _ in started(disk)[1]] == [1, 2, 3]


def test_a_file_that_was_only_begun_is_removed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """It holds no transaction, and its name may be needed again."""
    for content in (b"", HEADER[:9], HEADER, HEADER + bytes(1000), HEADER + encode_records([opaque(3)])[:-1], bytes(4096)):
        caplog.clear()
        disk = sim_disk()
        put_file(disk, f"{FOLDER}/log.1", HEADER + encode_records(batch_of(1, 2)))
        put_file(disk, f"{FOLDER}/log.3", content)
        log, found = started(disk, 2)
        assert found == []
        assert f"{FOLDER}/log.3 is removed" in caplog.text
        log.append([opaque(3)])
        log.truncate(1)
        assert log.last_zxid == 1
        assert [zxid for zxid, _ in started(disk)[1]] == [1]


def test_damage_before_the_tail_is_an_error_that_names_file_and_offset() -> None:
    """Nothing that was promised is dropped in silence."""
    batch = batch_of(1, 6)
    for place in range(5):
        disk = sim_disk()
        log, _ = started(disk)
        log.append(batch)
        log.close()
        offset = HEADER_SIZE + len(encode_records(batch[:place]))
        disk.corrupt(f"{FOLDER}/log.1", offset + 20)
        with pytest.raises(DamagedFileError, match=f"{FOLDER}/log.1 is damaged at offset {offset}") as caught:
            started(disk)
        assert (caught.value.path, caught.value.offset) == (f"{FOLDER}/log.1", offset)
        if place:
            with pytest.raises(DamagedFileError):
                list(TxnLog(disk, FOLDER).read_from(1))


def test_a_file_that_is_no_log_is_an_error() -> None:
    """Neither the newest nor an older one is skipped."""
    for newer in (False, True):
        disk = sim_disk()
        put_file(disk, f"{FOLDER}/log.1", b"this is something else")
        if newer:
            put_file(disk, f"{FOLDER}/log.5", HEADER + encode_records([opaque(5)]))
        with pytest.raises(DamagedFileError, match=f"{FOLDER}/log.1 is damaged at offset 0"):
            started(disk)


def test_an_older_file_may_end_as_apaches_server_leaves_it(caplog: pytest.LogCaptureFixture) -> None:
    """It begins another file after a crash and cuts nothing. The next transaction proves that none is missing."""
    unfinished = HEADER + encode_records(batch_of(1, 2)) + encode_records([opaque(3, b"x" * 90)])[:-40] + bytes(9000)
    for following, accepted in ((3, True), ((1 << 32) + 1, True), (4, False)):
        caplog.clear()
        disk = sim_disk()
        put_file(disk, f"{FOLDER}/log.1", unfinished)
        put_file(disk, f"{FOLDER}/log.{following:x}", HEADER + encode_records([opaque(following)]))
        if accepted:
            assert [zxid for zxid, _ in started(disk)[1]] == [1, 2, following]
            assert "log.1 ends at offset" in caplog.text
        else:
            with pytest.raises(DamagedFileError):
                started(disk)


def test_a_hole_is_damage_unless_a_snapshot_covers_it() -> None:
    """Within a file, between two, and between the snapshot and what is behind it."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/log.1", HEADER + encode_records([opaque(1), opaque(2)]))
    put_file(disk, f"{FOLDER}/log.7", HEADER + encode_records([opaque(7), opaque(8)]))
    put_file(disk, f"{FOLDER}/log.100000001", HEADER + encode_records([opaque(1 << 32 | 1), opaque(1 << 32 | 2)]))
    for after in (6, 7, 8, 1 << 32):
        assert started(disk, after)[0].last_zxid == 1 << 32 | 2
    for after in (0, 1, 3, 5):
        with pytest.raises(DamagedFileError, match=rf"log\.7 is damaged at offset 16: transaction 0x7 follows 0x{max(after, 2)}: what was"):
            started(disk, after)
    put_file(disk, f"{FOLDER}/log.200000001", HEADER + encode_records([opaque(2 << 32 | 1), opaque(2 << 32 | 3)]))
    with pytest.raises(DamagedFileError, match="0x200000003 follows 0x200000001"):
        started(disk, 8)


def test_a_transaction_must_follow_the_last() -> None:
    """A mistake of the caller is refused before it reaches the disk."""
    log, _ = started(sim_disk(), after=4)
    with pytest.raises(StoreError, match="0x4 cannot follow 0x4"):
        log.append([opaque(4)])
    log.append([opaque(5)])
    with pytest.raises(StoreError, match="0x5 cannot follow 0x5"):
        log.append([opaque(5)])


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_truncate_takes_back_what_is_behind_it(seed: int, counts: list[int], data: st.DataObject) -> None:
    """Durably, whether it was synced or not, in whichever file it is; then the log goes on from there."""
    disk = sim_disk(seed)
    log, _ = started(disk)
    written: list[tuple[int, bytes]] = []
    for count in counts:
        batch = batch_of(log.last_zxid + 1, count)
        written += batch
        log.append(batch)
        if data.draw(st.booleans()):
            log.roll()
    zxid = data.draw(st.integers(0, len(written) + 1))
    log.truncate(zxid)
    assert log.last_zxid == min(zxid, len(written))
    assert list(log.read_from(0)) == written[:zxid]
    assert started(disk.crash())[1] == written[:zxid]
    other = opaque(log.last_zxid + 1, b"another history")
    log.append([other])
    sync(log)
    assert started(disk.crash())[1] == [*written[:zxid], other]


def test_forget_and_purge() -> None:
    """All files go when a snapshot takes their place; those before a snapshot go when it is the oldest kept."""
    disk = sim_disk()
    log, _ = started(disk)
    for start in (1, 4, 7):
        log.append(batch_of(start, 3))
        log.roll()
    assert log.purge(2) == []
    assert log.purge(3) == [f"{FOLDER}/log.1"]
    assert log.purge(5) == []
    log.append(batch_of(10, 3))
    assert [zxid for zxid, _ in log.read_from(5)] == list(range(5, 13))
    assert log.purge(12) == [f"{FOLDER}/log.4", f"{FOLDER}/log.7"]
    log.forget(20)
    assert disk.crash().names(FOLDER) == []
    log.append([opaque(21)])
    assert disk.names(FOLDER) == ["log.15"]


def test_reads_begin_near_what_is_wanted() -> None:
    """A learner that lags a little does not cost a scan of the whole file, before and after a restart."""
    disk = sim_disk()
    log, _ = started(disk)
    batch = [opaque(zxid, bytes([zxid % 251]) * 10_000) for zxid in range(1, 1001)]
    for start in range(0, 1000, 10):
        log.append(batch[start : start + 10])
    again = started(disk)[0]
    for reader in (log, again):
        assert list(reader.read_from(990)) == batch[989:]
        assert reader.size_from(990) < 2.2 * PADDING_STEP
        assert reader.size_from(1) > 10_000_000
        assert reader.size_from(5000) < 2.2 * PADDING_STEP


def test_append_roll_and_truncate_while_a_sync_runs() -> None:
    """The sync thread holds the old file; nothing that these do may look like a failed disk."""

    async def main(verb: str) -> None:
        disk = sim_disk(faults=Faults(sync_seconds=(1.0, 1.0)))
        log, _ = started(disk)
        log.append([opaque(1), opaque(2)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(synced, log)
            await trio.sleep(0.5)
            log.append([opaque(3)])
            if verb == "roll":
                log.roll()
                assert disk.names(FOLDER) == ["log.1"]
                log.append([opaque(4)])
            elif verb == "truncate":
                log.truncate(1)
                log.append([opaque(2, b"another")])
        log.append([opaque(log.last_zxid + 1)])
        await synced(log)
        names, last = {"roll": (["log.1", "log.5"], 5), "truncate": (["log.1", "log.2"], 3), "": (["log.1"], 4)}[verb]
        assert disk.names(FOLDER) == names
        assert [zxid for zxid, _ in started(disk.crash())[1]] == list(range(1, last + 1))

    for verb in ("roll", "truncate", ""):
        trio.run(main, verb, clock=MockClock(autojump_threshold=0))


def test_a_failed_sync_is_said_to_the_caller() -> None:
    """And again by the next one: nothing may be acknowledged any more."""
    disk = sim_disk()
    log, _ = started(disk)
    log.append([opaque(1)])
    disk.faults.fail_sync = lambda path: True
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            sync(log)
        disk.faults.fail_sync = lambda path: False


def test_a_roll_that_fails_keeps_failing() -> None:
    """The next sync must not call durable what the roll could not make so."""
    disk = sim_disk()
    log, _ = started(disk)
    log.append([opaque(1)])
    disk.faults.fail_sync = lambda path: True
    with pytest.raises(OSError, match="Input/output error"):
        log.roll()
    disk.faults.fail_sync = lambda path: False
    with pytest.raises(OSError, match="Input/output error"):
        sync(log)


def test_a_read_goes_on_while_the_log_is_replaced() -> None:
    """A learner may still be reading when another leader's snapshot arrives."""
    disk = sim_disk()
    log, _ = started(disk)
    log.append(batch_of(1, 3))
    log.roll()
    log.append(batch_of(4, 3))
    reading = log.read_from(1)
    assert next(reading)[0] == 1
    log.forget(50)
    with pytest.raises(OSError, match=r"log\.4"):
        list(reading)


def test_a_full_disk_is_an_error_and_costs_only_the_end() -> None:
    """What was synced before is there when the disk has room again."""
    disk: SimDisk = sim_disk()
    log, _ = started(disk)
    log.append([opaque(1)])
    sync(log)
    disk.faults.capacity_bytes = PADDING_STEP + 10
    with pytest.raises(OSError, match="No space left"):
        log.append([opaque(2, bytes(PADDING_STEP))])
    disk.faults.capacity_bytes = None
    assert [zxid for zxid, _ in started(disk.crash())[1]][:1] == [1]
