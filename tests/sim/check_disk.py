"""What every `coord.kit.disk.Disk` must do: one list, run on the real disk and on the simulated one alike."""

from __future__ import annotations

import pytest
import trio

from coord.kit.disk import Disk, File, replace_file

__all__ = ["check_disk"]


async def check_disk(disk: Disk, folder: str) -> None:
    """Runs every check below `folder`, which must exist and be empty."""
    _check_files(disk, folder)
    _check_folders(disk, folder)
    _check_errors(disk, folder)
    await _check_sync(disk, folder)
    replace_file(disk, f"{folder}/whole", b"first, longer")
    replace_file(disk, f"{folder}/whole", b"second")
    assert disk.read(f"{folder}/whole") == b"second"
    assert not disk.exists(f"{folder}/whole.tmp")


def _check_files(disk: Disk, folder: str) -> None:
    path = f"{folder}/file"
    file = disk.open(path, create=True)
    assert file.path == path
    assert file.size() == 0
    assert file.read_at(0, 10) == b""
    assert file.append(b"hello") == 0
    assert file.append(memoryview(b" world")) == 5
    assert file.append(bytearray()) == 11
    assert file.size() == 11
    assert file.read_at(0, 100) == b"hello world"
    assert file.read_at(6, 3) == b"wor"
    assert (len(file.extent(6, 3)), bytes(file.extent(6, 3))) == (3, b"wor")
    assert file.read_at(11, 3) == b""
    file.write_at(0, b"J")
    file.write_at(13, b"!")  # a hole reads as zeros
    assert file.size() == 14
    assert file.append(b"?") == 14
    assert disk.read(path) == b"Jello world\0\0!?"
    file.truncate(5)
    assert (file.size(), disk.size(path)) == (5, 5)
    file.truncate(7)
    assert file.read_at(0, 100) == b"Jello\0\0"
    assert file.append(b"x") == 7

    again = disk.open(path)
    assert again.size() == 8
    assert again.read_at(0, 8) == b"Jello\0\0x"
    again.close()
    again.close()  # closing twice is no error
    file.close()
    with pytest.raises(OSError):
        file.append(b"late")

    large = disk.open(f"{folder}/large", create=True)
    block = bytes(range(256)) * 4096
    large.append(block)
    large.append(block)
    assert large.read_at(1 << 20, 3 << 20) == block
    large.close()


def _check_folders(disk: Disk, folder: str) -> None:
    disk.make_dirs(f"{folder}/a/b")
    disk.make_dirs(f"{folder}/a/b")
    disk.open(f"{folder}/a/y", create=True).close()
    disk.open(f"{folder}/a/x", create=True).close()
    disk.sync_dir(f"{folder}/a")
    assert disk.names(f"{folder}/a") == ["b", "x", "y"]
    assert disk.exists(f"{folder}/a")
    assert disk.exists(f"{folder}/a/x")
    assert not disk.exists(f"{folder}/a/z")

    replaced = disk.open(f"{folder}/a/y")
    replaced.append(b"y")
    disk.rename(f"{folder}/a/y", f"{folder}/a/x")
    replaced.append(b"z")  # an open file keeps its content under its new name
    assert disk.names(f"{folder}/a") == ["b", "x"]
    assert disk.read(f"{folder}/a/x") == b"yz"
    disk.remove(f"{folder}/a/x")
    assert replaced.read_at(0, 2) == b"yz"  # and outlives its name
    replaced.close()
    disk.remove_dir(f"{folder}/a/b")
    disk.remove_dir(f"{folder}/a")
    assert not disk.exists(f"{folder}/a")


def _check_errors(disk: Disk, folder: str) -> None:
    missing = f"{folder}/missing"
    for call in (disk.open, disk.read, disk.names, disk.size, disk.remove, disk.remove_dir, disk.sync_dir):
        with pytest.raises(FileNotFoundError):
            call(missing)
    with pytest.raises(FileNotFoundError):
        disk.rename(missing, f"{folder}/other")
    with pytest.raises(FileNotFoundError):
        disk.open(f"{missing}/file", create=True)
    disk.make_dirs(f"{folder}/full")
    disk.open(f"{folder}/full/file", create=True).close()
    with pytest.raises(OSError):
        disk.remove_dir(f"{folder}/full")
    with pytest.raises(OSError):
        disk.open(f"{folder}/full")  # a folder is not a file


async def _check_sync(disk: Disk, folder: str) -> None:
    file = disk.open(f"{folder}/synced", create=True)
    file.append(b"one")
    await file.sync()
    file.append(b"two")
    file.sync_now()
    for _ in range(20):
        file.append(b".")
        await file.sync()
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.sync()
    assert scope.cancelled_caught
    await file.sync()  # a cancelled sync leaves the file in order
    await _check_start_sync(file)
    assert disk.read(f"{folder}/synced") == b"onetwo" + b"." * 20
    file.close()
    with pytest.raises(OSError):
        await file.sync()
    with pytest.raises(OSError):
        file.sync_now()


async def _check_start_sync(file: File) -> None:
    told: list[OSError | None] = []
    ended = trio.Event()

    def done(error: OSError | None) -> None:
        told.append(error)
        ended.set()

    file.start_sync(done)
    assert not told, "it was told before the call returned"
    await ended.wait()
    assert told == [None]
