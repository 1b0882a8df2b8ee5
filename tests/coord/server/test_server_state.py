"""Snapshots of a running server, and going back."""

from __future__ import annotations

from random import Random

import trio
import trio.testing

from coord.server.state import State
from coord.store.storage import Storage, StorageOptions
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.txns import CreateTxn, TxnHeader, encode_txn
from coord.zab.application import Transaction
from tests.coord.store.samples import synced
from tests.sim.disk import SimDisk

FIRST = 1 << 32


class Kept:
    """A state with its storage, on a disk that can crash."""

    def __init__(self, snap_count: int = 20) -> None:
        self.disk = SimDisk(Random(1))
        self.options = StorageOptions(snap_count=snap_count)
        self.storage = Storage(self.disk, "/data", None, Random(1), self.options)
        self.state = State(self.storage, extended_types=False)
        self.state.serve(True)

    def write(self, first: int, count: int) -> None:
        """Logs and applies creates, as the driver and the pipeline do."""
        batch: list[Transaction] = []
        for zxid in range(FIRST + first, FIRST + first + count):
            header = TxnHeader(0, 0, zxid, 0, OpCode.CREATE)
            body = CreateTxn(f"/n{zxid - FIRST}", b"", OPEN_ACL_UNSAFE, False, -1)
            batch.append((zxid, encode_txn(header, body, None)))
            self.state.tree.apply(header, body)
        self.storage.append(batch)
        self.state.delivered()

    def snapshots(self) -> list[str]:
        return [name for name in self.disk.names("/data/version-2") if name.startswith("snapshot.")]


def on_jumping_clock(body: object) -> None:
    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))  # type: ignore[arg-type]


def test_a_snapshot_is_written_when_it_is_due() -> None:
    """As of the moment it was due, while transactions go on; the next start builds on it."""

    async def main() -> None:
        kept = Kept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.state.write_snapshots)
            await trio.testing.wait_all_tasks_blocked()
            kept.write(1, 20)
            for _ in range(3):  # it has begun, and is not done
                await trio.sleep(0)
            kept.write(21, 5)
            await trio.sleep(1)
            assert kept.snapshots() == ["snapshot.0", f"snapshot.{FIRST + 20:x}"]
            assert kept.state.snapshots == 1
            await synced(kept.storage)
            nursery.cancel_scope.cancel()
        again = Storage(kept.disk.crash(), "/data", None, Random(1), kept.options)
        assert again.tree.digest == kept.state.tree.digest
        assert again.last_zxid == FIRST + 25

    on_jumping_clock(main)


def test_a_snapshot_waits_while_a_learner_reads_a_cut() -> None:
    """One cut at a time; the snapshot comes with the next transactions."""

    async def main() -> None:
        kept = Kept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.state.write_snapshots)
            cut = kept.state.freeze()
            assert cut is not None
            kept.write(1, 20)
            await trio.sleep(1)
            assert kept.snapshots() == ["snapshot.0"]
            cut.close()
            kept.write(21, 1)
            await trio.sleep(1)
            assert kept.snapshots() == ["snapshot.0", f"snapshot.{FIRST + 21:x}"]
            nursery.cancel_scope.cancel()

    on_jumping_clock(main)


def test_a_snapshot_is_given_up_when_the_server_stops_serving() -> None:
    """Its leader may take back what it holds; it is written when the server serves again."""

    async def main() -> None:
        kept = Kept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.state.write_snapshots)
            await trio.testing.wait_all_tasks_blocked()
            kept.write(1, 20)
            await trio.sleep(0)
            kept.state.serve(False)
            await trio.sleep(1)
            kept.write(21, 20)
            await trio.sleep(1)
            assert kept.snapshots() == ["snapshot.0"]
            kept.state.serve(True)
            kept.write(41, 20)
            await trio.sleep(1)
            assert kept.snapshots() == ["snapshot.0", f"snapshot.{FIRST + 60:x}"]
            nursery.cancel_scope.cancel()

    on_jumping_clock(main)


def test_going_back_rebuilds_the_tree_from_disk() -> None:
    """What was applied beyond the point is gone from tree and disk; what was only logged is cut off."""

    async def main() -> None:
        kept = Kept()
        replaced: list[int] = []
        kept.state.on_replaced = lambda tree: replaced.append(tree.last_zxid)
        kept.write(1, 9)
        kept.state.rewind(FIRST + 6)
        assert replaced == [FIRST + 6]
        assert "/n6" in kept.state.tree.nodes
        assert "/n7" not in kept.state.tree.nodes
        kept.storage.append([(FIRST + 7, b"\0" * 32)])
        kept.state.rewind(FIRST + 6)
        assert replaced == [FIRST + 6]
        assert kept.storage.last_zxid == FIRST + 6
        kept.write(7, 1)

    on_jumping_clock(main)


def test_a_received_tree_becomes_the_only_one() -> None:
    """After `save` a start finds the leader's state and nothing else."""

    async def main() -> None:
        leader, follower = Kept(), Kept()
        leader.write(1, 12)
        follower.write(1, 3)
        cut, restoration = leader.state.freeze(), follower.state.restore()
        assert cut is not None
        body = memoryview(b"".join(cut.chunks()))
        while body:
            body = body[restoration.feed(body) :]
        restoration.install(cut.zxid)
        await follower.state.save()
        again = Storage(follower.disk.crash(), "/data", None, Random(1), follower.options)
        assert again.tree.digest == leader.state.tree.digest
        assert follower.snapshots() == [f"snapshot.{FIRST + 12:x}"]

    on_jumping_clock(main)


def test_old_files_are_purged_at_the_start_and_then_every_so_often() -> None:
    """purgeInterval hours; 0 is never."""

    async def main() -> None:
        kept = Kept(snap_count=4)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.state.write_snapshots)
            nursery.start_soon(kept.state.purge, 0, 3)
            for round_ in range(8):
                kept.write(1 + 4 * round_, 4)
                await trio.sleep(1)
            assert len(kept.snapshots()) == 9
            nursery.start_soon(kept.state.purge, 2, 3)
            await trio.sleep(1)
            assert len(kept.snapshots()) == 3
            kept.write(33, 4)
            await trio.sleep(3600)
            assert len(kept.snapshots()) == 4
            await trio.sleep(3600)
            assert len(kept.snapshots()) == 3
            nursery.cancel_scope.cancel()

    on_jumping_clock(main)
