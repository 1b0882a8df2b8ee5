"""The simulated disk keeps the seam's promises, loses only what was not synced, and repeats by its seed."""

from __future__ import annotations

import errno
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coord.kit.disk import replace_file
from tests.sim.check_disk import check_disk
from tests.sim.disk import Faults, PowerCutError, SimDisk


def disk_with_folder(seed: int = 1, faults: Faults | None = None) -> SimDisk:
    disk = SimDisk(Random(seed), faults)
    disk.make_dirs("/d")
    disk.sync_dir("/")
    return disk


def test_the_simulated_disk_keeps_the_promises_of_a_disk() -> None:
    """The conformance list of every disk."""
    trio.run(check_disk, disk_with_folder(), "/d")


def test_a_name_survives_only_if_its_folder_was_synced() -> None:
    """Content without a durable name may be gone, a durable name never is."""
    fates = set()
    for seed in range(40):
        disk = disk_with_folder(seed)
        file = disk.open("/d/file", create=True)
        file.append(b"content")
        file.sync_now()
        fates.add(disk.crash().exists("/d/file"))
        disk.sync_dir("/d")
        assert disk.crash().read("/d/file") == b"content"
    assert fates == {True, False}


def test_a_rename_is_whole_or_not_at_all() -> None:
    """The target names the old content or the new, never neither."""
    found = set()
    for seed in range(40):
        disk = disk_with_folder(seed)
        for name in ("old", "new"):
            file = disk.open(f"/d/{name}", create=True)
            file.append(name.encode())
            file.sync_now()
        disk.sync_dir("/d")
        disk.rename("/d/new", "/d/old")
        after = disk.crash()
        assert after.exists("/d/new") == (after.read("/d/old") == b"old")
        found.add(after.read("/d/old"))
    assert found == {b"old", b"new"}


def test_the_power_goes_in_the_middle_of_an_operation() -> None:
    """What the operation changed may be lost, what it was to make durable too, and nothing comes after it."""
    operations = ["create /d/new", "write /d/new", "sync /d/new", "rename /d/file", "sync folder /d"]
    for number, operation in enumerate(operations, 1):
        found = set()
        for seed in range(40):
            disk = disk_with_folder(seed)
            replace_file(disk, "/d/file", b"old")
            cut: list[tuple[str, SimDisk]] = []
            disk.cut_power_in(number + 1, lambda name, disk=disk, cut=cut: cut.append((name, disk.crash())))
            with pytest.raises(PowerCutError):
                _replace(disk, b"new")
            with pytest.raises(OSError, match="gone"):
                disk.read("/d/file")
            assert [name for name, _ in cut] == [operation]
            found.add(cut[0][1].read("/d/file"))
        assert found == ({b"old"} if number < 4 else {b"old", b"new"})


def _replace(disk: SimDisk, content: bytes) -> None:
    disk.sync_dir("/d")
    file = disk.open("/d/new", create=True)
    file.append(content)
    file.sync_now()
    disk.rename("/d/new", "/d/file")
    disk.sync_dir("/d")


@given(
    seed=st.integers(0, 2**32),
    writes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 9_000), st.booleans()), min_size=1, max_size=8),
)
def test_each_sector_after_a_crash_is_the_synced_or_a_later_one(seed: int, writes: list[tuple[int, int, bool]]) -> None:
    """Synced bytes survive; a byte written since is old, new, or beyond the end."""
    disk = disk_with_folder(seed)
    file = disk.open("/d/file", create=True)
    disk.sync_dir("/d")
    synced, possible = b"", [b""]
    for number, (offset, size, sync) in enumerate(writes):
        file.write_at(offset, bytes([number + 1]) * size)
        possible.append(disk.read("/d/file"))
        if sync:
            file.sync_now()
            synced = possible[-1]
            possible = [synced]
    content = disk.crash().read("/d/file")
    assert len(synced) <= len(content) <= len(possible[-1])
    for at in range(0, len(content), 512):
        sectors = {version[at : at + 512].ljust(512, b"\0") for version in possible}
        assert content[at : at + 512] in {sector[: len(content) - at] for sector in sectors}
    if len(possible) == 1:
        assert content == synced


def test_one_seed_repeats_one_crash() -> None:
    """The same seed and the same calls leave the same disk."""

    def run(seed: int) -> bytes:
        disk = disk_with_folder(seed)
        file = disk.open("/d/file", create=True)
        disk.sync_dir("/d")
        file.append(bytes(50_000))
        file.sync_now()
        file.write_at(0, b"x" * 50_000)
        return disk.crash().read("/d/file")

    assert run(7) == run(7)
    assert len({run(seed) for seed in range(10)}) > 1


def test_what_is_written_while_a_sync_runs_is_not_covered_by_it() -> None:
    """A sync keeps what was written before the call."""
    outcomes = set()

    async def main(seed: int) -> None:
        disk = disk_with_folder(seed, Faults(sync_seconds=(1.0, 2.0)))
        file = disk.open("/d/file", create=True)
        disk.sync_dir("/d")
        file.append(b"before")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.sync)
            await trio.sleep(0.5)
            file.append(b"after")
        survivor = disk.crash().read("/d/file")
        assert survivor.startswith(b"before")
        outcomes.add(len(survivor))

    for seed in range(20):
        trio.run(main, seed, clock=MockClock(autojump_threshold=0))
    assert len(outcomes) > 1


def test_faults_are_errors_of_the_operating_system() -> None:
    """A failed sync keeps failing; a full disk takes what fits; a machine that is gone answers nothing."""
    disk = disk_with_folder()
    file = disk.open("/d/file", create=True)
    disk.faults.capacity_bytes = 10
    file.append(b"12345678")
    with pytest.raises(OSError) as full:
        file.append(b"abcd")
    assert full.value.errno == errno.ENOSPC
    assert disk.read("/d/file") == b"12345678ab"
    disk.faults.capacity_bytes = None

    disk.faults.fail_sync = lambda path: path == "/d/file"
    for _ in range(2):
        with pytest.raises(OSError) as failed:
            file.sync_now()
        assert failed.value.errno == errno.EIO
        disk.faults.fail_sync = lambda path: False

    survivor = disk.crash()
    disk.cut_off()
    with pytest.raises(OSError):
        file.append(b"late")
    with pytest.raises(OSError):
        disk.names("/d")
    survivor.names("/d")
