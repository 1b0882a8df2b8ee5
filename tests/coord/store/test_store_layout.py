"""Names of files: which are ours to read, in which order, and folders that a crash cannot take away."""

from __future__ import annotations

import errno
import os
from random import Random

import pytest

from coord.store.layout import (
    joined,
    log_name,
    logs_in,
    make_durable_dirs,
    remove_durably,
    snapshot_name,
    snapshots_in,
)
from tests.coord.store.samples import FOLDER, put_file, sim_disk
from tests.sim.disk import PowerCutError, SimDisk


def test_files_are_ordered_by_number_and_others_are_left_alone() -> None:
    """Hexadecimal, not alphabetical; temporary and foreign names do not count."""
    disk = sim_disk()
    names = ["log.100000001", "log.ff", "log.1", "log.", "log.1.tmp", "log.xyz", "snapshot.0", "snapshot.a.gz", "snapshot.9",
             "snapshot.b.snappy", "snapshot.c.tmp", "writing-snapshot.d", "snapshot.e.lz4", "currentEpoch", "log.11112222333344445"]  # fmt: skip
    for name in names:
        put_file(disk, f"{FOLDER}/{name}", b"")
    assert [name for _, name in logs_in(disk, FOLDER)] == ["log.1", "log.ff", "log.100000001"]
    assert snapshots_in(disk, FOLDER) == [
        (0, "snapshot.0"), (9, "snapshot.9"), (10, "snapshot.a.gz"), (11, "snapshot.b.snappy"),
    ]  # fmt: skip
    assert logs_in(disk, "/nowhere") == snapshots_in(disk, "/nowhere") == []
    assert (log_name(0x1_0000_00AB), snapshot_name(0)) == ("log.1000000ab", "snapshot.0")
    assert (joined("/a/", "b"), joined("/a", "b"), joined("/", "b")) == ("/a/b", "/a/b", "/b")


def test_folders_are_durable_when_made() -> None:
    """Each one's name, all the way up."""
    for seed in range(20):
        disk = SimDisk(Random(seed))
        make_durable_dirs(disk, "/a/b/c")
        make_durable_dirs(disk, "/a/b/d")
        assert disk.crash().names("/a/b") == ["c", "d"]


def test_a_folder_that_a_killed_start_has_made_is_durable_after_the_next() -> None:
    """The first one died between making it and the sync of its parent, so it was there already, and in the cache alone."""
    for operation in range(1, 7):
        for seed in range(20):
            disk = SimDisk(Random(seed))
            disk.cut_power_in(operation, lambda what: None)
            with pytest.raises(PowerCutError):
                make_durable_dirs(disk, "/a/b/c")
            disk = disk.handed_on()
            make_durable_dirs(disk, "/a/b/c")
            assert disk.crash().names("/a/b") == ["c"]


def test_the_folder_above_may_be_closed_to_us() -> None:
    """Then others have made what is in it."""
    disk = sim_disk()
    sync_dir = disk.sync_dir

    def refused(path: str) -> None:
        if path == "/":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        sync_dir(path)

    disk.sync_dir = refused  # type: ignore[method-assign]
    make_durable_dirs(disk, "/data/other")
    assert disk.crash().exists("/data/other")


def test_files_are_removed_in_order() -> None:
    """A crash leaves the last ones of the list."""
    for seed in range(20):
        disk = sim_disk(seed)
        for name in "abc":
            put_file(disk, f"{FOLDER}/{name}", b"")
        remove_durably(disk, FOLDER, ["c", "b"])
        assert disk.crash().names(FOLDER) == ["a"]
