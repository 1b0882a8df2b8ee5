"""Mistakes that ZooKeeper's servers made with their files, played against a data folder.

Each test opens with the number under which the mistake is known; docs/known-bugs.md lists them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import trio
from trio.testing import MockClock

from coord.store.epochs import ACCEPTED, CURRENT, Epochs
from coord.store.snapshot import write_snapshot_now
from coord.store.storage import Storage, StorageOptions
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.quorum import Proposals, encode_proposals, parse
from coord.wire.txns import CloseSessionTxn
from tests.coord.store.samples import FOLDER, Author, put_file, sim_disk, state, synced
from tests.sim.disk import SimDisk


def opened(disk: SimDisk, *, trust_empty: bool = False) -> Storage:
    return Storage(disk, "/data", None, Random(1), StorageOptions(trust_empty=trust_empty))


def logged(storage: Storage, batch: Sequence[tuple[int, bytes]]) -> None:
    """Appended and durable."""
    storage.append(batch)
    trio.run(synced, storage, clock=MockClock(autojump_threshold=0))


def after(batch: Sequence[tuple[int, bytes]]) -> Tree:
    """The tree of a server that applied these and nothing else."""
    tree = Tree()
    for _, txn in batch:
        tree.apply_bytes(txn)
    return tree


# epochs


@pytest.mark.parametrize("name", [ACCEPTED, CURRENT])
def test_an_epoch_that_was_not_written_was_not_promised(name: str) -> None:
    """ZOOKEEPER-2307: an epoch was taken for promised before its file was written. The write failed, the epoch after that
    became current all the same, and the next start refused acceptedEpoch less than currentEpoch."""
    disk = sim_disk()
    epochs = Epochs(disk, FOLDER, 0)
    epochs.accepted = epochs.current = 3
    disk.faults.fail_sync = lambda path: name in path
    if name == CURRENT:
        epochs.accepted = 4
    with pytest.raises(OSError, match="Input/output error"):
        setattr(epochs, "accepted" if name == ACCEPTED else "current", 4)
    assert (epochs.accepted, epochs.current) == ((3, 3) if name == ACCEPTED else (4, 3))

    again = Epochs(disk.crash(), FOLDER, 0)
    assert again.current in (3, 4)
    assert again.accepted >= max(epochs.accepted, again.current)


@pytest.mark.parametrize("name", [ACCEPTED, CURRENT])
@pytest.mark.parametrize("left", [b"", b"1", b"12", b"\0\0"])
def test_a_temporary_file_in_the_way_is_no_trouble(name: str, left: bytes) -> None:
    """ZOOKEEPER-4269: acceptedEpoch.tmp, left by a rename that failed, kept a server from starting; and without its rename
    currentEpoch went on alone."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/{ACCEPTED}", b"11")
    put_file(disk, f"{FOLDER}/{CURRENT}", b"11")
    put_file(disk, f"{FOLDER}/{name}.tmp", left)
    epochs = Epochs(disk, FOLDER, 11 << 32)
    assert (epochs.accepted, epochs.current) == (11, 11)
    epochs.accepted = 12
    epochs.current = 12
    again = Epochs(disk.crash(), FOLDER, 12 << 32)
    assert (again.accepted, again.current) == (12, 12)


# TRUNC


def test_what_is_logged_behind_a_cut_is_found_again() -> None:
    """ZOOKEEPER-1489: after a TRUNC the log went on where a start did not look for it, and what was acknowledged from then
    on was lost. Cut anywhere, over several files and twice, with a crash behind each."""
    for at in range(1, 20, 3):
        disk, author = sim_disk(at), Author()
        storage = opened(disk)
        first = [author.session(), *author.some(Random(at), 9)]
        logged(storage, first)
        storage.log.roll()
        logged(storage, author.some(Random(at + 1), 10))
        kept = list(storage.log.read_from(0))[:at]
        for epoch in (2, 3):
            tree = storage.rewind(kept[-1][0])
            author = Author(epoch)
            author.tree = tree
            new = author.some(Random(at + epoch), 5)
            logged(storage, new)
            kept += new
            disk = disk.crash()
            storage = opened(disk)
            assert [zxid for zxid, _ in storage.log.read_from(0)] == [zxid for zxid, _ in kept]
            assert state(storage.tree) == state(after(kept))
            kept = kept[:-2]


@pytest.mark.parametrize("snapshot", [False, True])
def test_an_end_of_a_session_that_is_cut_off_never_was(snapshot: bool) -> None:
    """ZOOKEEPER-1549: a start applies its whole log, and what it applied went into a snapshot. When the leader cut the log
    the snapshot stayed, with transactions in it that nobody else had."""
    disk, author = sim_disk(), Author()
    before = [author.session(), author.create("/theirs", ephemeral=True), author.create("/mine")]
    expected = state(after(before))
    never = [
        author.create("/never", ephemeral=True),
        author.write(OpCode.CLOSE_SESSION, CloseSessionTxn(["/never", "/theirs"]), 7),
        author.delete("/mine"),
    ]
    logged(opened(disk), [*before, *never])
    disk = disk.crash()
    storage = opened(disk)
    assert not {"/mine", "/theirs", "/never"} & storage.tree.nodes.keys()
    if snapshot:
        frozen = storage.tree.freeze()
        write_snapshot_now(disk, FOLDER, frozen)
        frozen.close()

    assert state(storage.rewind(before[-1][0])) == expected
    assert state(opened(disk.crash()).tree) == expected


# snapshots


def test_what_the_snapshot_saw_deleted_is_created_again_in_vain() -> None:
    """ZOOKEEPER-1813: a snapshot was written while a node came and went, and its parent after it. A start, which replayed
    the creation, found no parent and gave up."""
    disk, author = sim_disk(), Author()
    storage = opened(disk)
    before = [author.session(), author.create("/a"), author.create("/b")]
    gone = [author.create("/a/c"), author.set_data("/a/c", b"x"), author.delete("/a/c"), author.delete("/a")]
    logged(storage, [*before, *gone, author.create("/b/d")])
    frozen = author.tree.freeze()
    path = write_snapshot_now(disk, FOLDER, frozen)
    frozen.close()
    disk.rename(path, f"{FOLDER}/snapshot.{before[-1][0]:x}")  # as Apache names it: by the zxid at which it began
    disk.sync_dir(FOLDER)

    assert state(opened(disk.crash()).tree) == state(author.tree)


def test_a_log_that_was_trusted_has_a_snapshot_from_then_on() -> None:
    """ZOOKEEPER-3781: a server that was told once to do without a snapshot made none either, and could not start when it
    was not told so any more."""
    disk, author = sim_disk(), Author()
    storage = opened(disk)
    logged(storage, [author.session(), *author.some(Random(1), 9)])
    storage.close()
    disk.remove(f"{FOLDER}/snapshot.0")
    disk.sync_dir(FOLDER)
    opened(disk, trust_empty=True)

    assert state(opened(disk.crash()).tree) == state(author.tree)


def test_the_end_of_a_session_says_when_its_nodes_went() -> None:
    """ZOOKEEPER-3145: a fuzzy snapshot lacks an ephemeral that the log's closeSession deletes. Replayed, it left the parent
    with the pzxid from before, and a watch on its children was not told."""
    author = Author()
    author.session()
    author.create("/parent")
    author.create("/parent/e", ephemeral=True)
    end = author.write(OpCode.CLOSE_SESSION, CloseSessionTxn(["/parent/e"]), 7)
    replayed = Author()
    replayed.session()
    replayed.create("/parent")
    replayed.tree.apply_bytes(end[1])

    assert author.tree.nodes["/parent"].pzxid == replayed.tree.nodes["/parent"].pzxid == end[0]


def test_the_end_of_a_session_with_many_ephemerals_is_read_again() -> None:
    """ZOOKEEPER-2101, ZOOKEEPER-3496, ZOOKEEPER-4306: a transaction, as this list of a session's ephemerals, was longer than
    jute.maxbuffer. It was written to every log, and no server could read it at its next start, nor take it from a leader."""
    disk, author = sim_disk(), Author()
    storage = opened(disk)
    paths = [f"/{number:05}{'x' * 200}" for number in range(8000)]
    batch = [author.session(), *(author.create(path, ephemeral=True) for path in paths)]
    batch.append(author.write(OpCode.CLOSE_SESSION, CloseSessionTxn(paths), 7))
    assert len(batch[-1][1]) > 1 << 20
    logged(storage, batch)

    assert state(opened(disk.crash()).tree) == state(author.tree)
    assert parse(encode_proposals(batch[-1:]))[0] == [Proposals(batch[-1:])]
