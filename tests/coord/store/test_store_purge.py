"""Purging keeps enough to start from each snapshot that it keeps."""

from __future__ import annotations

from coord.store.purge import purge
from coord.store.snapshot import write_snapshot_now
from coord.store.txnlog import TxnLog
from tests.coord.store.samples import FOLDER, Author, put_file, sim_disk, started
from tests.sim.disk import SimDisk


def busy_folder(snapshots: int) -> tuple[SimDisk, TxnLog]:
    """snapshot.N after each ten transactions, one log file from each to the next."""
    disk = sim_disk()
    log, _ = started(disk)
    author = Author(epoch=0)
    for number in range(snapshots):
        log.append([author.create(f"/n{number}-{index}") for index in range(10)])
        log.roll()
        frozen = author.tree.freeze()
        write_snapshot_now(disk, FOLDER, frozen)
        frozen.close()
    return disk, log


def test_the_newest_snapshots_and_their_logs_stay() -> None:
    """The log behind the oldest snapshot kept is needed if the newer ones turn out damaged."""
    disk, log = busy_folder(6)
    assert purge(disk, FOLDER, log, 4) == [
        f"{FOLDER}/snapshot.a", f"{FOLDER}/snapshot.14", f"{FOLDER}/log.1", f"{FOLDER}/log.b", f"{FOLDER}/log.15",
    ]  # fmt: skip
    assert disk.names(FOLDER) == [
        "log.1f", "log.29", "log.33", "snapshot.1e", "snapshot.28", "snapshot.32", "snapshot.3c",
    ]  # fmt: skip
    assert purge(disk, FOLDER, log, 4) == []
    assert [zxid for zxid, _ in started(disk, 0x1E)[1]] == list(range(0x1F, 0x3D))


def test_fewer_than_three_are_never_kept() -> None:
    """Apache's lower limit, for safety."""
    disk, log = busy_folder(5)
    purge(disk, FOLDER, log, 1)
    assert [name for name in disk.names(FOLDER) if name.startswith("snapshot")] == ["snapshot.1e", "snapshot.28", "snapshot.32"]


def test_only_whole_snapshots_count() -> None:
    """ZOOKEEPER-3231: unfinished ones cannot push out the last good one."""
    disk, log = busy_folder(2)
    for zxid in range(0x20, 0x28):
        put_file(disk, f"{FOLDER}/snapshot.{zxid:x}", b"unfinished")
    put_file(disk, f"{FOLDER}/snapshot.5", b"")
    assert purge(disk, FOLDER, log, 3) == [f"{FOLDER}/snapshot.5", f"{FOLDER}/log.1"]
    assert {"snapshot.a", "snapshot.14", "log.b"} <= set(disk.names(FOLDER))


def test_without_a_whole_snapshot_nothing_goes() -> None:
    """Somebody has to look at it first."""
    disk, log = busy_folder(0)
    put_file(disk, f"{FOLDER}/snapshot.5", b"")
    assert purge(disk, FOLDER, log, 3) == []
