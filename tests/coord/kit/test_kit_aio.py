"""Syncs by the kernel: told in the network's wake-up, final when they fail, and in a thread where the kernel offers none."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from coord.kit import aio
from coord.kit.aio import RUNNING_MAX, KernelSyncs
from coord.kit.posix import PosixDisk, PosixFile
from coord.kit.system import system_host
from coord.kit.tcp import TcpNetwork, open_network
from tests.sim.check_disk import check_disk


class Told:
    """What syncs told, and when all that are expected have."""

    def __init__(self, expected: int = 1) -> None:
        self.errors: list[OSError | None] = []
        self._expected = expected
        self._ended = trio.Event()

    def __call__(self, error: OSError | None) -> None:
        self.errors.append(error)
        if len(self.errors) == self._expected:
            self._ended.set()

    async def wait(self) -> list[OSError | None]:
        with trio.fail_after(30):
            await self._ended.wait()
        return self.errors


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many syncs were done by threads."""
    calls: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append(fd), real(fd))[1])
    return lambda: len(calls)


def opened(network: TcpNetwork, folder: Path) -> PosixFile:
    file = PosixDisk(kernel=KernelSyncs(network.watch)).open(str(folder / "file"), create=True)
    file.append(b"content")
    return file


def needs_the_kernel() -> None:
    try:
        aio._Calls().close()
    except OSError as error:
        pytest.skip(f"{error}")


def test_the_disk_of_a_machine_keeps_the_promises_of_a_disk(tmp_path: Path) -> None:
    """As a server has it: with its network."""

    async def main() -> None:
        async with open_network() as network:
            await check_disk(system_host(network).disk, str(tmp_path))

    trio.run(main)


def test_the_kernel_tells_within_a_wake_up(tmp_path: Path, in_threads: Callable[[], int]) -> None:
    """So what follows from it leaves with everything else that the wake-up causes. No thread is involved."""
    needs_the_kernel()

    async def main() -> None:
        events: list[str] = []
        async with open_network() as network:
            network.on_wakeup(lambda: events.append("end of wake-up"))
            file = opened(network, tmp_path)
            for _ in range(3):
                told = Told()
                events.clear()
                file.start_sync(lambda error, told=told: (events.append("told"), told(error))[1])  # type: ignore[misc]
                assert await told.wait() == [None]
                assert events[events.index("told") + 1] == "end of wake-up"
            file.close()
        assert in_threads() == 0

    trio.run(main)


def test_more_than_the_kernel_takes_are_done_in_threads(tmp_path: Path) -> None:
    """Everyone is told in the end."""

    async def main() -> None:
        async with open_network() as network:
            disk = PosixDisk(kernel=KernelSyncs(network.watch))
            told = Told(RUNNING_MAX + 30)
            files = [disk.open(str(tmp_path / str(number)), create=True) for number in range(RUNNING_MAX + 30)]
            for file in files:
                file.append(b"content")
                file.start_sync(told)
            assert set(await told.wait()) == {None}
            for file in files:
                file.close()

    trio.run(main)


def test_a_file_may_be_closed_under_its_sync(tmp_path: Path) -> None:
    """The kernel keeps what it needs; its end is told, be the number another file's by then."""

    async def main() -> None:
        async with open_network() as network:
            for _ in range(20):
                told = Told()
                file = opened(network, tmp_path)
                file.start_sync(told)
                file.close()
                other = os.open(tmp_path, os.O_RDONLY)
                assert len(await told.wait()) == 1
                os.close(other)

    trio.run(main)


def test_a_failed_sync_of_the_kernel_is_final(tmp_path: Path) -> None:
    """Its error names the file, and is that of every later sync, of whatever kind."""
    needs_the_kernel()

    async def main() -> None:
        async with open_network() as network:
            reader, writer = os.pipe()  # has no fdatasync
            file = PosixFile("/pipe", writer, KernelSyncs(network.watch))
            for _ in range(2):
                told = Told()
                file.start_sync(told)
                (error,) = await told.wait()
                assert error is not None
                assert (error.errno, error.filename) == (errno.EINVAL, "/pipe")
            with pytest.raises(OSError, match="/pipe"):
                await file.sync()
            file.close()
            os.close(reader)

    trio.run(main)


def test_a_thread_syncs_where_the_kernel_offers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_threads: Callable[[], int]
) -> None:
    """On another kind of machine, and in a sandbox that refuses the calls."""
    monkeypatch.setattr(aio.platform, "machine", lambda: "abacus")

    async def main() -> None:
        async with open_network() as network:
            file = opened(network, tmp_path)
            told = Told()
            file.start_sync(told)
            assert await told.wait() == [None]
            assert in_threads() == 1
            file.close()
            told = Told()
            file.start_sync(told)
            (error,) = await told.wait()
            assert error is not None
            assert error.errno == errno.EBADF

    trio.run(main)


def test_behind_the_end_of_the_network_a_thread_syncs(tmp_path: Path, in_threads: Callable[[], int]) -> None:
    """A server that stops may still have something to keep."""

    async def main() -> None:
        async with open_network() as network:
            file = opened(network, tmp_path)
            told = Told()
            file.start_sync(told)
            await told.wait()
        before = in_threads()
        told = Told()
        file.start_sync(told)
        assert await told.wait() == [None]
        assert in_threads() == before + 1
        file.close()

    trio.run(main)
