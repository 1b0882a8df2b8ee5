"""The real disk keeps the seam's promises, and its sync thread survives cancellation, failure and close."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from coord.kit.posix import PosixDisk, PosixFile
from coord.kit.system import SystemWall
from tests.sim.check_disk import check_disk


class SlowDevice:
    """Stands in for `os.fdatasync`: counts calls, holds each until released, fails on demand."""

    def __init__(self) -> None:
        self.release = threading.Semaphore(0)
        self.calls = 0
        self.failing = False

    def __call__(self, fd: int) -> None:
        self.calls += 1
        self.release.acquire()
        os.fstat(fd)  # the descriptor is still ours
        if self.failing:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> SlowDevice:
    device = SlowDevice()
    monkeypatch.setattr(os, "fdatasync", device)
    return device


def opened(tmp_path: Path) -> PosixFile:
    return PosixDisk().open(str(tmp_path / "file"), create=True)


def sync_threads(folder: Path) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"sync {folder}/")]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.002)


async def begun(device: SlowDevice, calls: int) -> None:
    """Waits until the file's thread is in its device call of this number."""
    with trio.fail_after(30):
        while device.calls < calls:
            await trio.sleep(0.002)


def test_the_real_disk_keeps_the_promises_of_a_disk(tmp_path: Path) -> None:
    """The conformance list of every disk."""
    trio.run(check_disk, PosixDisk(), str(tmp_path))
    eventually(lambda: not sync_threads(tmp_path))


def test_a_file_without_syncs_has_no_thread(tmp_path: Path) -> None:
    """The thread starts with the first sync, is one for the file, and ends with close."""
    file = opened(tmp_path)
    file.sync_now()
    assert sync_threads(tmp_path) == []

    async def twice() -> None:
        await file.sync()
        await file.sync()

    trio.run(twice)
    assert len(sync_threads(tmp_path)) == 1
    file.close()
    eventually(lambda: not sync_threads(tmp_path))


def test_a_sync_after_a_cancelled_one_waits_for_its_own(tmp_path: Path, device: SlowDevice) -> None:
    """The device call left behind by a cancelled caller began before the new caller's write, so it proves nothing."""
    file = opened(tmp_path)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.sync)
            await begun(device, 1)
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            done = trio.Event()

            async def again() -> None:
                await file.sync()
                done.set()

            nursery.start_soon(again)
            await trio.testing.wait_all_tasks_blocked()
            device.release.release()  # ends the abandoned call
            await begun(device, 2)
            await trio.sleep(0.05)
            assert not done.is_set()
            device.release.release()
            with trio.fail_after(30):
                await done.wait()

    trio.run(main)
    file.close()
    eventually(lambda: not sync_threads(tmp_path))


def test_close_under_a_running_sync(tmp_path: Path, device: SlowDevice) -> None:
    """The waiting task gets OSError at once; the descriptor lives until the device call has ended."""
    file = opened(tmp_path)

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def waiting() -> None:
                with pytest.raises(OSError, match="closed while it was synced"):
                    await file.sync()

            nursery.start_soon(waiting)
            await begun(device, 1)
            with trio.fail_after(30):
                file.close()

    trio.run(main)
    device.release.release()
    eventually(lambda: not sync_threads(tmp_path))


def test_two_tasks_may_not_sync_one_file(tmp_path: Path, device: SlowDevice) -> None:
    """It is a programming error, and said at once."""
    file = opened(tmp_path)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.sync)
            await begun(device, 1)
            with pytest.raises(trio.BusyResourceError):
                await file.sync()
            device.release.release()

    trio.run(main)
    file.close()


def test_a_failed_sync_is_final(tmp_path: Path, device: SlowDevice) -> None:
    """After EIO the kernel may call lost pages clean: no later sync of this file succeeds."""
    file = opened(tmp_path)
    device.failing = True
    device.release.release(3)

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output error") as caught:
                await file.sync()
            assert caught.value.errno == errno.EIO
            device.failing = False
        with pytest.raises(OSError):
            file.sync_now()
        assert device.calls == 1

    trio.run(main)
    file.close()


def test_a_failed_sync_of_a_folder_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is all that the operator gets to see."""

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        PosixDisk().sync_dir(str(tmp_path))
    assert caught.value.filename == str(tmp_path)


def test_a_write_to_a_full_disk_names_the_file() -> None:
    """So does a write."""
    file = PosixDisk().open("/dev/full")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        file.write_at(0, b"x")
    file.close()


def test_a_file_left_by_one_run_serves_the_next(tmp_path: Path) -> None:
    """Nothing in a file belongs to one event loop."""
    file = opened(tmp_path)
    trio.run(file.sync)
    trio.run(file.sync)
    file.close()


def test_a_disk_for_looking_only(tmp_path: Path) -> None:
    """It reads, and writes nothing."""
    (tmp_path / "file").write_bytes(b"content")
    file = PosixDisk(read_only=True).open(str(tmp_path / "file"))
    assert file.read_at(0, 100) == b"content"
    with pytest.raises(OSError):
        file.append(b"more")
    file.close()


def test_wall_time_is_milliseconds_since_the_epoch() -> None:
    """The real wall clock agrees with the operating system's."""
    before = time.time() * 1000
    now = SystemWall().now_ms()
    assert before - 1 <= now <= time.time() * 1000 + 1
