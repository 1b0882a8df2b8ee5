"""The data folder as the server holds it: whatever happens, a start finds what was promised."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coord.kit.posix import PosixDisk
from coord.store.errors import StoreError
from coord.store.snapshot import write_snapshot_now
from coord.store.storage import Storage, StorageOptions
from coord.tree.tree import Tree
from tests.coord.store.samples import FOLDER, Author, put_file, sim_disk, state, synced
from tests.sim.disk import Faults, SimDisk

Txn = tuple[int, bytes]


def opened(disk: SimDisk, log_dir: str | None = None, **options: object) -> Storage:
    return Storage(disk, "/data", log_dir, Random(1), StorageOptions(**options))  # type: ignore[arg-type]


def run(verb: Callable[..., Awaitable[object]], *args: object, seconds: float = float("inf")) -> bool:
    """Runs an asynchronous verb on a virtual clock; False when `seconds` ended it."""

    async def main() -> bool:
        with trio.move_on_after(seconds) as scope:
            await verb(*args)
        return not scope.cancelled_caught

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def apply(tree: Tree, batch: list[Txn]) -> None:
    for zxid, txn in batch:
        if zxid > tree.last_zxid:
            tree.apply_bytes(txn)


class World:
    """A storage under test beside a list of all that it was told, and how much of that it has to keep."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = sim_disk(seed, Faults(sync_seconds=(0.1, 1.0)))
        self.storage = opened(self.disk)
        self.author = Author(epoch=0)
        self.base = Author(epoch=0).tree
        self.written: list[Txn] = []
        self.kept = 0

    def append(self) -> None:
        batch = self.author.some(self.random, self.random.randrange(1, 6))
        self.storage.append(batch)
        self.written += batch

    def sync(self) -> None:
        run(synced, self.storage)
        self.kept = len(self.written)
        apply(self.storage.tree, self.written)

    def snapshot(self) -> None:
        run(self.storage.snapshot, self.storage.tree.freeze())

    def half_snapshot(self) -> None:
        run(self.storage.snapshot, self.storage.tree.freeze(), seconds=self.random.random())
        self.crash()

    def purge(self) -> None:
        self.storage.purge(3)

    def kill(self) -> None:
        """The process dies and starts again; the page cache has all that it wrote."""
        self.storage = opened(self.disk)
        self.kept = len(self.written)
        self.check()

    def crash(self) -> None:
        """The power goes; the start finds the promised, and maybe some more."""
        self.disk = self.disk.crash()
        self.storage = opened(self.disk)
        found = sum(zxid <= self.storage.last_zxid for zxid, _ in self.written)
        assert found >= self.kept
        del self.written[found:]
        self.kept = found
        self.check()
        self.follow(self.expected())

    def rewind(self) -> None:
        """A leader takes back a part of what is not settled."""
        self.sync()
        oldest = min(int(name[9:], 16) for name in self.disk.names(FOLDER) if name.startswith("snapshot."))
        self.storage.append(self.author.some(self.random, 3))
        choices = [zxid for zxid, _ in self.written if zxid >= oldest] or [oldest]
        target = self.random.choice(choices)
        tree = self.storage.rewind(target)
        self.written = [txn for txn in self.written if txn[0] <= target]
        self.kept = len(self.written)
        assert state(tree) == state(self.expected())
        self.follow(tree)

    def install(self, seconds: float = float("inf")) -> None:
        """A leader sends its whole tree: of a later epoch, or of a history that left ours some transactions ago."""
        leader = Author(epoch=(self.author.zxid >> 32) + 1)
        parted = self.random.random() < 0.5
        if parted:
            leader.zxid = max(0, self.author.zxid - self.random.randrange(15))
        leader.session()
        leader.some(self.random, 10)
        self.storage.received(leader.zxid)
        if run(self.storage.install, leader.tree.freeze(), seconds=seconds):
            self.storage.tree = copied(leader.tree)
            self.base, self.written = leader.tree, []
        else:
            self.disk = self.disk.crash()
            self.storage = opened(self.disk)
            if state(self.storage.tree) == state(leader.tree):
                self.base, self.written = leader.tree, []
            found = sum(zxid <= self.storage.last_zxid for zxid, _ in self.written)
            assert parted or found >= self.kept
            del self.written[found:]
            self.check()
        self.kept = len(self.written)
        self.follow(self.expected())

    def half_install(self) -> None:
        self.install(seconds=self.random.random())

    def expected(self) -> Tree:
        """What was told, applied from the beginning."""
        tree = copied(self.base)
        apply(tree, self.written)
        return tree

    def check(self) -> None:
        assert state(self.storage.tree) == state(self.expected())
        assert self.storage.last_zxid == self.storage.tree.last_zxid

    def follow(self, tree: Tree) -> None:
        """The next leader goes on from `tree`."""
        self.author = Author()
        self.author.tree = copied(tree)
        self.author.zxid = tree.last_zxid


def copied(tree: Tree) -> Tree:
    copy = Tree()
    copy.clear()
    frozen = tree.freeze()
    for nodes in frozen.chunks():
        for node in nodes:
            copy.put(*node)
    copy.sessions.update(tree.sessions)
    copy.loaded(tree.last_zxid)
    frozen.close()
    return copy


STEPS = ["append", "append", "append", "sync", "sync", "snapshot", "half_snapshot", "purge", "kill", "crash", "rewind",
         "install", "half_install"]  # fmt: skip


@given(st.integers(0, 2**32), st.lists(st.sampled_from(STEPS), max_size=30))
def test_a_start_finds_what_was_promised(seed: int, steps: list[str]) -> None:
    """Any history of writes, syncs, snapshots, purges, truncations and installs, ended by a power cut anywhere."""
    world = World(seed)
    for step in [*steps, "crash"]:
        getattr(world, step)()


def test_a_first_start_makes_the_folders_and_the_first_snapshot() -> None:
    """So that a log without a snapshot is always a loss. Logs may have a disk of their own."""
    disk = SimDisk(Random(1))
    storage = opened(disk, "/logs")
    author = Author()
    storage.append([author.session()])
    run(synced, storage)
    survivor = disk.crash()
    assert survivor.names("/data/version-2") == ["snapshot.0"]
    assert survivor.names("/logs/version-2") == ["log.100000001"]
    assert state(opened(survivor, "/logs").tree) == state(author.tree)


def test_folders_that_were_swapped_are_said() -> None:
    """Apache's check of dataDir against dataLogDir, in either direction."""
    disk = SimDisk(Random(1))
    storage = opened(disk, "/logs")
    storage.append([Author().session()])
    storage.close()
    with pytest.raises(StoreError, match="/logs/version-2 has logs, but dataLogDir says"):
        Storage(disk, "/logs", "/data", Random(1))
    with pytest.raises(StoreError, match="/logs/version-2 has transactions, but /other/version-2 has no snapshot"):
        Storage(disk, "/other", "/logs", Random(1))
    put_file(disk, "/data/version-2/log.1", b"")
    with pytest.raises(StoreError, match="/data/version-2 has logs, but dataLogDir says"):
        opened(disk, "/logs")


def test_what_a_crash_left_half_written_is_cleared() -> None:
    """A snapshot that never got its name."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/writing-snapshot.5", b"half")
    opened(disk)
    assert disk.names(FOLDER) == ["snapshot.0"]


def test_the_epochs_must_go_with_the_log() -> None:
    """Checked at the start, with the end of the recovered log."""
    disk = sim_disk()
    storage = opened(disk)
    storage.epochs.accepted = 1
    storage.epochs.current = 1
    storage.append([Author(epoch=2).session()])
    storage.close()
    with pytest.raises(StoreError, match="acceptedEpoch says epoch 1, but the log goes on to 0x200000001"):
        opened(disk)


def test_a_snapshot_is_due_after_half_to_all_of_the_count() -> None:
    """Or of the size; then the log rolls, and counting begins anew."""
    for seed in range(10):
        disk = sim_disk()
        storage = Storage(disk, "/data", None, Random(seed), StorageOptions(snap_count=40))
        author = Author()
        count = 0
        while not storage.snapshot_due:
            storage.append(author.some(Random(count), 1))
            count += 1
        assert 20 <= count <= 41
        run(synced, storage)
        run(storage.snapshot, author.tree.freeze())
        assert not storage.snapshot_due
        storage.append([author.session()])
        assert len([name for name in disk.names(FOLDER) if name.startswith("log.")]) == 2
    storage = opened(sim_disk(), snap_size_bytes=20_000)
    author = Author()
    storage.append([author.create("/big", bytes(20_000))])
    assert storage.snapshot_due


def test_history_is_given_while_it_is_shorter_than_a_snapshot() -> None:
    """From a zxid that is on disk, and not beyond a third of a snapshot's size."""
    disk = sim_disk()
    storage, author = opened(disk, commit_log_count=0), Author()
    batch = [author.create(f"/n{number}", bytes(2000)) for number in range(1000)]
    storage.append(batch)
    assert storage.after(batch[900][0]) is None  # the only snapshot is tiny
    run(synced, storage)
    run(storage.snapshot, author.tree.freeze())
    more = [author.set_data("/n1", b"x" * 1000) for _ in range(20)]
    storage.append(more)
    found = storage.after(more[0][0])
    assert found is not None
    assert list(found) == more[1:]
    assert storage.after(more[0][0] - 1) is None  # it would be read from the big file before
    assert storage.after(more[-1][0] + 1) is None
    assert storage.after(more[3][0] | 1 << 40) is None
    last = storage.after(more[-1][0])
    assert last is not None
    assert list(last) == []


def test_a_learner_that_lacks_little_gets_the_log_also_after_a_restart() -> None:
    """However large that is beside the snapshot; the window moves with what is appended, and goes with a state received."""
    disk = sim_disk()
    storage, author = opened(disk, commit_log_count=20), Author()
    batch = [author.create(f"/n{number}", bytes(2000)) for number in range(100)]
    storage.append(batch[:90])
    assert storage.after(batch[69][0]) is None
    assert list(storage.after(batch[70][0]) or ()) == batch[71:90]
    run(synced, storage)
    storage.close()
    again = opened(disk, commit_log_count=20)
    assert again.after(batch[69][0]) is None
    assert list(again.after(batch[70][0]) or ()) == batch[71:90]
    again.append(batch[90:])
    assert again.after(batch[79][0]) is None
    assert list(again.after(batch[80][0]) or ()) == batch[81:]
    again.rewind(batch[94][0])
    assert again.after(batch[74][0]) is None
    assert list(again.after(batch[75][0]) or ()) == batch[76:95]
    assert again.after(batch[95][0]) is None
    again.received(batch[94][0])
    assert again.after(batch[75][0]) is None


def test_damaged_history_is_not_offered_twice(caplog: pytest.LogCaptureFixture) -> None:
    """The learner that met it comes back and must get a snapshot."""
    disk = sim_disk()
    storage, author = opened(disk, history_ratio=1e9), Author()
    batch = author.some(Random(1), 50)
    storage.append(batch)
    storage.log.roll()
    disk.corrupt(f"{FOLDER}/log.{batch[0][0]:x}", disk.size(f"{FOLDER}/log.{batch[0][0]:x}") // 2)
    found = storage.after(batch[0][0])
    assert found is not None
    with pytest.raises(OSError, match="is damaged at offset"):
        list(found)
    assert storage.after(batch[0][0]) is None
    assert "snapshots from now on" in caplog.text
    storage._history_trusted = True  # the same when it is met before the first transaction is found
    assert storage.after(batch[-1][0]) is None


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_learner_from_before_a_hole_gets_no_log(epoch: int) -> None:
    """ZOOKEEPER-2846: a crash came between a leader's snapshot and the removal of the log before it; the new log begins
    behind the snapshot."""
    disk = sim_disk()
    storage, leader = opened(disk, history_ratio=1e9), Author(epoch=1)
    before = leader.some(Random(1), 20)
    storage.append(before)
    run(synced, storage)
    leader.some(Random(2), 7)
    write_snapshot_now(disk, FOLDER, leader.tree.freeze())
    again = opened(disk.crash(), history_ratio=1e9)
    assert state(again.tree) == state(leader.tree)
    leader.zxid = max(leader.zxid, epoch - 1 << 32)
    behind = leader.some(Random(3), 5)
    again.append(behind)
    found = again.after(before[-3][0])
    assert found is not None
    assert [next(found), next(found)] == before[-2:]
    with pytest.raises(StoreError, match=f"does not lead from 0x{before[-1][0]:x} to 0x{behind[0][0]:x}"):
        next(found)
    assert list(again.after(behind[0][0]) or ()) == behind[1:]


def test_files_may_go_without_us() -> None:
    """Apache's PurgeTxnLog ran beside this server: what is gone is no history any more, and nothing to purge."""
    disk = sim_disk()
    storage, author = opened(disk, history_ratio=1e9), Author(epoch=1)
    batches = []
    for number in range(5):
        batches.append(author.some(Random(number), 5))
        storage.append(batches[-1])
        run(storage.snapshot, author.tree.freeze())
    for name in ("log.100000001", "snapshot.0"):
        disk.remove(f"{FOLDER}/{name}")
    assert storage.after(batches[0][2][0]) is None
    assert list(storage.after(batches[1][2][0]) or ())[-1] == batches[4][-1]
    for name in ("log.100000006", "snapshot.100000005"):
        disk.remove(f"{FOLDER}/{name}")
    storage.purge(3)
    assert disk.names(FOLDER) == ["log.100000010", "log.100000015", "snapshot.10000000f", "snapshot.100000014", "snapshot.100000019"]


def test_nothing_is_appended_before_a_received_snapshot_is_durable() -> None:
    """A crash would find the old tree and the new transactions."""
    storage, leader = opened(sim_disk()), Author(epoch=3)
    leader.session()
    storage.received(leader.zxid)
    following = leader.session(8)
    with pytest.raises(StoreError, match="has to be durable"):
        storage.append([following])
    frozen = leader.tree.freeze()
    run(storage.install, frozen)
    assert frozen.closed
    storage.append([leader.session(9)])


def test_an_install_leaves_one_history() -> None:
    """Neither the log nor the snapshots of another history are found again, newer ones included."""
    disk = sim_disk()
    storage, author = opened(disk), Author(epoch=1)
    storage.append(author.some(Random(1), 5))
    run(storage.snapshot, author.tree.freeze())
    author.zxid += 100
    storage.append(author.some(Random(2), 5))
    leader = Author(epoch=1)
    leader.some(Random(3), 7)
    run(storage.install, leader.tree.freeze())
    assert disk.names(FOLDER) == [f"snapshot.{leader.zxid:x}"]
    assert state(opened(disk.crash()).tree) == state(leader.tree)


def test_a_crash_in_the_middle_of_an_install_mixes_no_histories() -> None:
    """Once the leader's snapshot has its name, nothing that we logged behind it may be replayed over it."""
    disk = sim_disk()
    storage, author = opened(disk), Author(epoch=1)
    storage.append(author.some(Random(1), 20))
    run(synced, storage)
    leader = Author(epoch=1)
    leader.some(Random(3), 7)
    storage.received(leader.zxid)
    frozen = leader.tree.freeze()
    write_snapshot_now(disk, FOLDER, frozen)
    frozen.close()
    assert state(opened(disk.crash()).tree) == state(leader.tree)


def test_a_rewind_takes_back_snapshots_too() -> None:
    """ZOOKEEPER-4837: one that is newer than the cut would bring back what was cut off."""
    disk = sim_disk()
    storage, author = opened(disk), Author(epoch=1)
    batch = author.some(Random(1), 20)
    storage.append(batch)
    run(storage.snapshot, author.tree.freeze())
    expected = Tree()
    apply(expected, batch[:6])
    assert state(storage.rewind(batch[5][0])) == state(expected)
    assert disk.names(FOLDER) == ["log.100000001", "snapshot.0"]
    assert state(opened(disk.crash()).tree) == state(expected)


def test_a_snapshot_of_a_history_that_was_left_gets_no_name() -> None:
    """Its task may wake up after the tree was taken back or replaced, when a cancellation comes too late."""

    async def main(verb: Callable[[Storage], object]) -> list[str]:
        disk = sim_disk(faults=Faults(sync_seconds=(1.0, 1.0)))
        storage, author = opened(disk), Author()
        storage.append(author.some(Random(1), 9))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.snapshot, author.tree.freeze())
            await trio.sleep(0.5)
            verb(storage)
        return [name for name in disk.names(FOLDER) if "snapshot" in name]

    for verb, names in (
        (lambda storage: None, ["snapshot.0", "snapshot.100000009"]),
        (lambda storage: storage.rewind(0x100000004), ["snapshot.0"]),
        (lambda storage: storage.received(0x200000001), ["snapshot.0"]),
    ):
        assert trio.run(main, verb, clock=MockClock(autojump_threshold=0)) == names


def test_a_rewind_that_is_not_possible_says_so() -> None:
    """Without a snapshot that is old enough, or without the transaction itself."""
    disk = sim_disk()
    storage, author = opened(disk), Author(epoch=1)
    storage.append(author.some(Random(1), 5))
    with pytest.raises(StoreError, match="does not hold 0x100000009"):
        storage.rewind(0x100000009)
    run(storage.install, author.tree.freeze())
    with pytest.raises(StoreError, match="no snapshot from before 0x100000003"):
        storage.rewind(0x100000003)


def test_a_rewind_below_a_snapshot_of_an_epochs_beginning_keeps_it() -> None:
    """A learner got it from a leader whose proposals were never committed (core seed 1003772, with 3 nodes)."""
    disk = sim_disk()
    storage, leader = opened(disk), Author(epoch=1)
    leader.some(Random(1), 5)
    leader.tree.last_zxid = 0x200000000
    expected = state(leader.tree)
    run(storage.install, leader.tree.freeze())
    storage.append(Author(epoch=2).some(Random(2), 3))
    assert state(storage.rewind(0x100000005)) == expected
    assert disk.names(FOLDER) == ["snapshot.200000000"]
    assert opened(disk.crash()).last_zxid == 0x200000000


def test_a_rewind_to_nothing_needs_no_snapshot() -> None:
    """The leader has no transaction at all, and this server's only snapshot holds one; a crash leaves either."""
    disk = sim_disk()
    storage, author = opened(disk), Author(epoch=1)
    storage.append(author.some(Random(1), 5))
    run(storage.install, author.tree.freeze())
    storage.append(author.some(Random(2), 3))
    assert not storage.can_rewind(0x100000003)
    assert state(storage.rewind(0)) == state(Tree())
    assert disk.names(FOLDER) == ["snapshot.0"]
    assert opened(disk.crash()).last_zxid == 0


def test_a_slow_disk_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One line for each sync above the limit."""
    disk = sim_disk(faults=Faults(sync_seconds=(1.5, 1.5)))
    storage = opened(disk)
    storage.append([Author().session()])
    with caplog.at_level(logging.WARNING):
        run(synced, storage)
    assert re.search(rf"syncing the log in {FOLDER} took 1\.5 s", caplog.text)
    assert storage.sync_seconds == pytest.approx(1.5)


def test_on_the_real_disk(tmp_path: object) -> None:
    """The same on files of this machine."""
    author = Author()

    async def main() -> None:
        storage = Storage(PosixDisk(), str(tmp_path), None, Random(1))
        for number in range(5):
            storage.append(author.some(Random(number), 20))
            await synced(storage)
        await storage.snapshot(author.tree.freeze())
        storage.append([author.session()])
        await synced(storage)
        storage.close()

    trio.run(main)
    assert state(Storage(PosixDisk(), str(tmp_path), None, Random(1)).tree) == state(author.tree)
