"""Snapshot files: Apache's are read, ours are Apache's, and one that is not whole is told from one that is damaged."""

from __future__ import annotations

import gzip
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coord.store.compression import METHODS, packer, unpacked
from coord.store.errors import DamagedFileError
from coord.store.snapshot import (
    UnfinishedSnapshotError,
    is_finished,
    read_snapshot,
    write_snapshot,
    write_snapshot_now,
)
from coord.tree.tree import FUZZY, Tree
from tests.coord.store.samples import FOLDER, GOLDEN, Author, put_file, sim_disk, state
from tests.sim.disk import Faults, SimDisk

GOLDEN_BYTES = (GOLDEN / "zookeeper_snapshot.0").read_bytes()


def written(disk: SimDisk, tree: Tree) -> str:
    frozen = tree.freeze()
    try:
        return write_snapshot_now(disk, FOLDER, frozen)
    finally:
        frozen.close()


def busy_tree(seed: int = 1) -> Tree:
    author = Author()
    author.session()
    author.some(Random(seed), 40)
    return author.tree


def test_apaches_snapshot_is_read_and_written_byte_for_byte() -> None:
    """The golden snapshot of a real server: the same tree, and from it the same file."""
    disk = sim_disk()
    path = f"{FOLDER}/snapshot.0"
    put_file(disk, path, GOLDEN_BYTES)
    found = read_snapshot(disk, path, 0)
    assert (found.digest, found.tree.last_zxid) == (None, 0)
    assert found.tree.nodes["/zookeeper/config"].data.endswith(b"version=0")
    disk.remove(path)
    assert disk.read(written(disk, found.tree)) == GOLDEN_BYTES


@given(st.integers(0, 2**32))
def test_what_is_written_is_read(seed: int) -> None:
    """The tree, with its digest and its zxid, plain and compressed."""
    disk = sim_disk()
    tree = busy_tree(seed)
    path = written(disk, tree)
    assert path == f"{FOLDER}/snapshot.{tree.last_zxid:x}"
    found = read_snapshot(disk, path, tree.last_zxid)
    assert state(found.tree) == state(tree)
    assert (found.digest, found.digest_zxid) == (tree.digest, tree.last_zxid)
    put_file(disk, path + ".gz", gzip.compress(disk.read(path)))
    assert is_finished(disk, path + ".gz")
    assert state(read_snapshot(disk, path + ".gz", tree.last_zxid).tree) == state(tree)


def test_the_tail_may_be_missing_or_longer() -> None:
    """Without digests Apache writes none; 3.9 writes the zxid and one more seal behind it."""
    disk = sim_disk()
    path = f"{FOLDER}/snapshot.5"
    put_file(disk, path, GOLDEN_BYTES[: -(20 + 13)])
    assert read_snapshot(disk, path, 5).tree.last_zxid == 5
    put_file(disk, path, GOLDEN_BYTES + (5).to_bytes(8, "big") + bytes(8) + b"\0\0\0\1/")
    assert read_snapshot(disk, path, 5).digest_zxid == FUZZY  # it says 0: nobody knows how far ahead it is


def test_other_tasks_run_while_a_snapshot_is_written() -> None:
    """A big tree is written in slices, and the node goes on serving."""
    author = Author()
    for number in range(5000):
        author.create(f"/n{number}", b"x" * 100)
    tree = author.tree
    turns = []

    async def main() -> None:
        disk = sim_disk(faults=Faults(sync_seconds=(0.05, 0.05)))
        before = state(tree)

        async def others() -> None:
            while True:
                turns.append(trio.current_time())
                author.set_data("/n0", b"later")
                await trio.sleep(0)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            frozen = tree.freeze()
            path = await write_snapshot(disk, FOLDER, frozen)
            frozen.close()
            nursery.cancel_scope.cancel()
        assert state(read_snapshot(disk.crash(), path, frozen.last_zxid).tree) == before

    trio.run(main)
    assert len(turns) > 10


def test_a_cut_of_any_length_is_unfinished_or_damaged() -> None:
    """No part of a snapshot passes for a whole one; nearly every part is known by its last five bytes."""
    disk = sim_disk()
    tree = busy_tree()
    content = disk.read(written(disk, tree))
    path = f"{FOLDER}/snapshot.1"
    whole = set()
    for cut in range(len(content)):
        put_file(disk, path, content[:cut])
        expected = DamagedFileError if is_finished(disk, path) else UnfinishedSnapshotError
        try:
            read_snapshot(disk, path, 1)
        except expected:
            continue
        whole.add(len(content) - cut)
    assert whole == {20 + 13}  # up to the first seal it is an older version's snapshot


@given(st.data())
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    """The seals cover every byte, and each other."""
    disk = sim_disk()
    path = written(disk, busy_tree())
    content = disk.read(path)
    place = data.draw(st.integers(0, len(content) - 1))
    disk.corrupt(path, place, data.draw(st.integers(1, 255)))
    with pytest.raises(DamagedFileError, match=path):
        read_snapshot(disk, path, 1)


def test_compressed_snapshots_that_cannot_be_read() -> None:
    """Cut ones are unfinished, changed ones damaged."""
    disk = sim_disk()
    packed = gzip.compress(GOLDEN_BYTES)
    put_file(disk, f"{FOLDER}/snapshot.1.gz", packed[:-30])
    with pytest.raises(UnfinishedSnapshotError):
        read_snapshot(disk, f"{FOLDER}/snapshot.1.gz", 1)
    put_file(disk, f"{FOLDER}/snapshot.2.gz", packed[:40] + bytes(9) + packed[49:])
    with pytest.raises(DamagedFileError):
        read_snapshot(disk, f"{FOLDER}/snapshot.2.gz", 2)
    put_file(disk, f"{FOLDER}/snapshot.3.snappy", b"anything")
    assert not is_finished(disk, f"{FOLDER}/snapshot.3.snappy")
    with pytest.raises(DamagedFileError, match="at offset 0: it does not begin as a snappy stream"):
        read_snapshot(disk, f"{FOLDER}/snapshot.3.snappy", 3)


@given(st.integers(0, 2**32), st.sampled_from(METHODS))
def test_what_is_written_compressed_is_read(seed: int, method: str) -> None:
    """Under Apache's names, and the same tree."""
    disk = sim_disk()
    tree = busy_tree(seed)
    frozen = tree.freeze()
    path = write_snapshot_now(disk, FOLDER, frozen, compression=method)
    frozen.close()
    assert path == f"{FOLDER}/snapshot.{tree.last_zxid:x}.{method}"
    assert is_finished(disk, path)
    found = read_snapshot(disk, path, tree.last_zxid)
    assert state(found.tree) == state(tree)
    assert (found.digest, found.digest_zxid) == (tree.digest, tree.last_zxid)


@pytest.mark.parametrize("method", METHODS)
def test_a_compressed_snapshot_cut_anywhere_is_never_taken_for_whole(method: str) -> None:
    """Nor one with a changed byte: what is inside has a checksum."""
    disk = sim_disk()
    tree = busy_tree(3)
    frozen = tree.freeze()
    content = disk.read(write_snapshot_now(disk, FOLDER, frozen, compression=method))
    frozen.close()
    path = f"{FOLDER}/snapshot.99.{method}"
    for at in range(0, len(content), 7):
        put_file(disk, path, content[:at])
        with pytest.raises(DamagedFileError):
            read_snapshot(disk, path, 0x99)
    for at in range(16, len(content) - 8, 11):
        put_file(disk, path, content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            found = read_snapshot(disk, path, 0x99)
        except DamagedFileError:
            continue
        assert found.digest == tree.digest  # a reference to other zeros unpacks to the same


def test_a_large_snappy_stream_has_many_blocks_and_may_be_several_in_a_row() -> None:
    """As snappy-java writes it; a block too large for us is damage, not memory."""
    disk = sim_disk()
    content = bytes(range(256)) * 1000
    packing = packer("snappy")
    stream = packing.pack(content[:100_000]) + packing.pack(content[100_000:]) + packing.finish()
    assert stream.startswith(b"\x82SNAPPY\0\0\0\0\1\0\0\0\1")
    put_file(disk, f"{FOLDER}/snapshot.1.snappy", stream + stream)
    assert b"".join(unpacked(disk, f"{FOLDER}/snapshot.1.snappy")) == content * 2
    put_file(disk, f"{FOLDER}/snapshot.2.snappy", stream[:16] + b"\0\0\0\x05\xff\xff\xff\xff\x0f")
    with pytest.raises(DamagedFileError, match="at offset 16"):
        list(unpacked(disk, f"{FOLDER}/snapshot.2.snappy"))


@given(st.integers(0, 2**32))
def test_a_crash_leaves_the_whole_snapshot_or_none(seed: int) -> None:
    """Under its own name there is never a part of one."""
    disk = sim_disk(seed)
    tree = busy_tree()

    async def main() -> None:
        frozen = tree.freeze()
        with trio.move_on_after(Random(seed).uniform(0, 3)):
            await write_snapshot(disk, FOLDER, frozen)
        frozen.close()

    disk.faults.sync_seconds = (1.0, 2.5)
    trio.run(main, clock=MockClock(autojump_threshold=0))
    survivor = disk.crash()
    for name in survivor.names(FOLDER):
        if name.startswith("snapshot."):
            assert state(read_snapshot(survivor, f"{FOLDER}/{name}", tree.last_zxid).tree) == state(tree)
