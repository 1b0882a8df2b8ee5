"""All logs of a broker: start, creation, deletion, checkpoints, shutdown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from random import Random

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from broker.log.errors import LogDirError, LogStorageError
from broker.log.manager import LogManager
from coord.kit.disk import Disk
from tests.broker.log.samples import FOLDER, NOW_MS, everything, expected, fill, sim_disk
from tests.sim.disk import Faults

TOPIC_ID = bytes(range(16))
SECOND = "/other"


def manager(disk: Disk, *folders: str, defaults: Mapping[str, str] | None = None, awake: int = 512) -> LogManager:
    """A manager that has not started."""
    return LogManager(disk, folders or (FOLDER,), Random(1), defaults, open_segments_max=awake)


def started(disk: Disk, *folders: str, overrides: Mapping[str, Mapping[str, str]] | None = None, now_ms: int = NOW_MS) -> LogManager:
    """A manager after its start."""
    logs = manager(disk, *folders)
    logs.open()
    logs.load(1, "cluster", lambda topic: (overrides or {}).get(topic, {}), now_ms)
    return logs


def ends(logs: LogManager) -> dict[tuple[str, int], int]:
    return {(log.topic, log.partition): log.end_offset for log in logs}


def test_a_first_start_makes_the_folder_its_own() -> None:
    """meta.properties names broker and cluster, as Apache writes it."""
    disk = sim_disk()
    logs = started(disk)
    assert len(logs) == 0
    assert disk.read(f"{FOLDER}/meta.properties") == b"#\nbroker.id=1\nversion=0\ncluster.id=cluster\n"


@pytest.mark.parametrize("clean", [True, False])
def test_logs_come_back(clean: bool) -> None:
    """Partitions, offsets, topic ids and high watermarks, after a shutdown and after a kill."""

    async def main() -> None:
        disk = sim_disk()
        logs = started(disk)
        fill(logs.create("a", 0, NOW_MS, topic_id=TOPIC_ID), [1, 2])
        fill(logs.create("b-c.d_e", 12, NOW_MS), [5])
        await logs.checkpoint()
        await logs.checkpoint({("b-c.d_e", 12): 5, ("gone", 0): 1})
        await logs.checkpoint({("a", 0): 2})
        if clean:
            logs.close({("a", 0): 2}, broker_epoch=77)
            assert disk.read(f"{FOLDER}/.kafka_cleanshutdown") == b'{"version": 0, "brokerEpoch": 77}'
        again = started(disk)
        assert not disk.exists(f"{FOLDER}/.kafka_cleanshutdown")
        assert ends(again) == {("a", 0): 3, ("b-c.d_e", 12): 5}
        log = again.get("a", 0)
        assert log is not None
        assert log.topic_id == TOPIC_ID
        assert log.recovery_point == (3 if clean else 0)
        assert (again.high_watermark("a", 0), again.high_watermark("b-c.d_e", 12)) == (2, 5)
        assert again.high_watermark("gone", 0) == 0
        assert again.get("a", 1) is None

    trio.run(main)


def test_an_unclean_start_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One line tells that partitions are checked."""
    disk = sim_disk()
    started(disk).create("a", 0, NOW_MS)
    with caplog.at_level(logging.WARNING):
        started(disk)
    assert f"{FOLDER} was not shut down cleanly: 1 partitions are checked" in caplog.text


def test_a_start_that_fails_stays_a_clean_one() -> None:
    """The mark of a clean shutdown goes only when everything is loaded."""
    disk = sim_disk()
    started(disk).close({})
    disk.make_dirs(f"{FOLDER}/lost+found")
    with pytest.raises(LogDirError):
        started(disk)
    assert disk.exists(f"{FOLDER}/.kafka_cleanshutdown")


def test_foreign_folders_are_named_in_one_error() -> None:
    """Everything that is no partition is in the message; files and Apache's own leftovers are not."""
    disk = sim_disk()
    for name in ("lost+found", "photos", f"a-0.{'0' * 32}-future", "remote-log-index-cache", "ok-3"):
        disk.make_dirs(f"{FOLDER}/{name}")
    disk.open(f"{FOLDER}/.lock", create=True).close()
    with pytest.raises(LogDirError, match=r"^/data holds lost\+found, photos, which is no partition's folder"):
        started(disk)
    for name in ("lost+found", "photos"):
        disk.remove_dir(f"{FOLDER}/{name}")
    assert list(ends(started(disk))) == [("ok", 3)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"broker.id=2\ncluster.id=cluster\n", "belongs to broker 2, but broker.id=1"),
        (b"version=1\nnode.id=7\n", "belongs to broker 7, but broker.id=1"),
        (b"#\n", "belongs to broker nobody"),
        (b"broker.id=1\ncluster.id=else\n", "belongs to cluster else, but /cluster/id is cluster"),
    ],
)
def test_anothers_folder_is_refused(text: bytes, why: str) -> None:
    """The message names the file and what does not fit."""
    disk = sim_disk()
    disk.open(f"{FOLDER}/meta.properties", create=True).append(text)
    with pytest.raises(LogDirError, match=why):
        started(disk)


def test_apaches_own_folder_is_taken() -> None:
    """A meta.properties of a Kafka broker, comments and all."""
    disk = sim_disk()
    disk.open(f"{FOLDER}/meta.properties", create=True).append(
        b"#\n#Sat Nov 21 07:06:58 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=cluster\n"
    )
    assert len(started(disk)) == 0


def test_an_unusable_folder_is_an_error_of_log_dirs() -> None:
    """A file where the folder should be, or a disk that refuses."""
    disk = sim_disk()
    disk.open(f"{FOLDER}/file", create=True).close()
    with pytest.raises(LogDirError, match=r"^/data/file cannot be used: it is a file$"):
        started(disk, f"{FOLDER}/file")
    with pytest.raises(LogDirError, match=r"^/data cannot be used: /data/.*: No space left on device$"):
        started(sim_disk(faults=Faults(capacity_bytes=0)))


def test_folders_are_taken_before_anything_is_read() -> None:
    """What is wrong with the second one is said while only the locks of the first are held; those are let go."""
    disk = sim_disk()
    disk.make_dirs(FOLDER)
    disk.open(f"{FOLDER}/file", create=True).close()
    logs = manager(disk, SECOND, f"{FOLDER}/file")
    with pytest.raises(LogDirError, match=r"^/data/file cannot be used: "):
        logs.open()
    logs.abandon()
    assert disk.exists(SECOND)
    assert not disk.exists(f"{SECOND}/meta.properties")


def test_a_damaged_checkpoint_is_an_error() -> None:
    """Offsets are not guessed."""
    disk = sim_disk()
    disk.open(f"{FOLDER}/log-start-offset-checkpoint", create=True).append(b"0\nx\n")
    with pytest.raises(LogDirError, match="log-start-offset-checkpoint: line 2"):
        started(disk)


def test_new_replicas_are_spread_over_the_folders() -> None:
    """The folder with the fewest gets the next one; each comes back from where it is."""
    disk = sim_disk()
    logs = started(disk, FOLDER, SECOND)
    for partition in range(5):
        fill(logs.create("a", partition, NOW_MS), [partition + 1])
    held = [log.folder.rpartition("/")[0] for log in logs]
    assert sorted((held.count(FOLDER), held.count(SECOND))) == [2, 3]
    logs.close({})
    assert ends(started(disk, FOLDER, SECOND)) == {("a", n): n + 1 for n in range(5)}


def test_a_partition_in_two_folders_is_an_error() -> None:
    """Neither can be right."""
    disk = sim_disk()
    disk.make_dirs(f"{FOLDER}/a-0")
    disk.make_dirs(f"{SECOND}/a-0")
    with pytest.raises(LogDirError, match="/data/a-0 and /other/a-0 hold the same partition"):
        started(disk, FOLDER, SECOND)


def test_creating_twice_is_the_same_log() -> None:
    """An order that is repeated does no harm."""
    logs = started(sim_disk())
    assert logs.create("a", 0, NOW_MS) is logs.create("a", 0, NOW_MS)


def test_a_deleted_replica_goes_in_two_steps() -> None:
    """Its folder gets Apache's name at once and is removed later, or at the next start."""
    disk = sim_disk()
    logs = started(disk)
    fill(logs.create("a", 0, NOW_MS, {"file.delete.delay.ms": "1000"}), [1])
    fill(logs.create("b", 0, NOW_MS), [1])
    logs.delete("a", 0, NOW_MS)
    logs.delete("b", 0, NOW_MS)
    logs.delete("c", 0, NOW_MS)
    assert len(logs) == 0
    names = [name for name in disk.names(FOLDER) if name.endswith("-delete")]
    assert [name[:4] for name in names] == ["a-0.", "b-0."]
    logs.sweep(NOW_MS + 999)
    assert set(names) <= set(disk.names(FOLDER))
    logs.sweep(NOW_MS + 1000)
    assert not disk.exists(f"{FOLDER}/{names[0]}")
    again = started(disk)
    again.sweep(NOW_MS)
    assert not disk.exists(f"{FOLDER}/{names[1]}")


def test_a_new_topic_of_an_old_name_starts_at_zero() -> None:
    """What checkpoints say of the deleted one does not cut the new one at the next start."""

    async def main() -> None:
        disk = sim_disk()
        logs = started(disk)
        log = logs.create("a", 0, NOW_MS)
        fill(log, [1] * 9)
        log.raise_start(7)
        log.flush_now()
        await logs.checkpoint()
        await logs.checkpoint({("a", 0): 9})
        logs.delete("a", 0, NOW_MS)
        fill(logs.create("a", 0, NOW_MS), [3])
        assert logs.high_watermark("a", 0) == 0
        again = started(disk)
        log = again.get("a", 0) or pytest.fail("no log")
        assert everything(log) == expected(3)

    trio.run(main)


def test_a_long_topic_name_can_be_deleted() -> None:
    """The new name stays within what a file system allows."""
    disk = sim_disk()
    logs = started(disk)
    logs.create("t" * 249, 0, NOW_MS)
    logs.delete("t" * 249, 0, NOW_MS)
    (name,) = [name for name in disk.names(FOLDER) if name.endswith("-delete")]
    assert len(name) == 255


def test_configuration_reaches_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Defaults of the server, a topic's own values at the start and when they change; a bad value loses no partition."""
    disk = sim_disk()
    started(disk).create("a", 0, NOW_MS)
    logs = manager(disk, defaults={"segment.bytes": "5000", "retention.ms": "7"})
    logs.open()
    logs.load(1, "cluster", lambda topic: {"retention.ms": "9"}, NOW_MS)
    log = logs.get("a", 0) or pytest.fail("no log")
    assert (log.config.segment_bytes, log.config.retention_ms) == (5000, 9)
    logs.configure("a", {"segment.bytes": "6000"})
    assert (log.config.segment_bytes, log.config.retention_ms) == (6000, 7)
    logs.configure("a", {"segment.bytes": "none"})
    assert log.config.segment_bytes == 5000
    assert "topic a: Invalid value none for configuration segment.bytes" in caplog.text


def test_flush_syncs_what_was_rolled() -> None:
    """A rolled segment is synced at the next flush, and the checkpoint says how far."""

    async def main() -> None:
        disk = sim_disk()
        logs = started(disk)
        log = logs.create("a", 0, NOW_MS, {"segment.bytes": "300"})
        fill(log, [1] * 10)
        rolled = log.segments[-1].base_offset
        await logs.flush(NOW_MS)
        assert log.recovery_point == rolled
        await logs.checkpoint()
        for _ in range(5):
            again = started(disk.crash())
            log = again.get("a", 0) or pytest.fail("no log")
            assert log.end_offset >= rolled

    trio.run(main)


def test_a_log_deleted_while_it_is_flushed_is_no_failure() -> None:
    """The folder is gone under the flush; nothing is said of the disk."""

    async def main() -> None:
        disk = sim_disk(faults=Faults(sync_seconds=(1.0, 1.0)))
        logs = started(disk)
        log = logs.create("a", 0, NOW_MS, {"segment.bytes": "300"})
        fill(log, [1] * 10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(logs.flush, NOW_MS)
            await trio.sleep(0.5)
            logs.delete("a", 0, NOW_MS)
        assert log.failure == ""

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_failed_sync_is_raised_and_the_shutdown_is_not_clean() -> None:
    """The other partitions are closed whole; the folder is checked at the next start."""
    faults = Faults()
    disk = sim_disk(faults=faults)
    logs = started(disk)
    fill(logs.create("a", 0, NOW_MS), [1])
    fill(logs.create("b", 0, NOW_MS), [2])
    faults.fail_sync = lambda path: "/a-0/" in path
    with pytest.raises(LogStorageError, match="a-0 could not be synced"):
        logs.close({})
    assert not disk.exists(f"{FOLDER}/.kafka_cleanshutdown")
    assert ends(started(disk)) == {("a", 0): 1, ("b", 0): 2}


def test_retention_goes_over_all_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Segments and silent producers go; a log that cannot be pruned does not keep the others."""
    disk = sim_disk()
    logs = started(disk)
    for topic in ("a", "b"):
        fill(logs.create(topic, 0, NOW_MS, {"retention.ms": "1000"}), [1])
    rename = disk.rename

    def refuse(source: str, target: str) -> None:
        if "/a-0/" in source:
            raise OSError(5, "no", source)
        rename(source, target)

    disk.rename = refuse  # type: ignore[method-assign]
    logs.retain(lambda log: log.end_offset, NOW_MS + 2000)
    assert [log.start_offset for log in logs][1] == 1
    assert "retention of a-0: /data/a-0" in caplog.text


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=40), st.integers(1, 3))
def test_few_files_are_open_at_once(steps: list[tuple[int, int]], awake: int) -> None:
    """However many partitions are written and read, no more segments than allowed are awake."""
    disk = sim_disk()
    logs = manager(disk, awake=awake)
    logs.open()
    logs.load(1, "cluster", lambda topic: {}, NOW_MS)
    written = dict.fromkeys(range(6), 0)
    for partition in range(6):
        logs.create("a", partition, NOW_MS, {"segment.bytes": "300"})
    for partition, count in steps:
        log = logs.get("a", partition)
        assert log is not None
        fill(log, [count])
        written[partition] += count
        assert everything(log) == expected(written[partition])
        assert len(logs._place.awake) <= awake
    logs.close({})
    assert len(logs._place.awake) == 0
    assert ends(started(disk)) == {("a", partition): count for partition, count in written.items()}
