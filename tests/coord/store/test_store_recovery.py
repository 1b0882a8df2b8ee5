"""A start finds the tree that was promised, or says which file stands in its way."""

from __future__ import annotations

import logging
from random import Random

import pytest

from coord.store.errors import StoreError
from coord.store.logfile import HEADER, encode_records
from coord.store.recovery import Recovered, recover
from coord.store.snapshot import write_snapshot_now
from coord.store.txnlog import TxnLog
from tests.coord.store.samples import FOLDER, GOLDEN, Author, opaque, put_file, sim_disk, started, state
from tests.sim.disk import SimDisk


def recovered(disk: SimDisk, *, trust_empty: bool = False, extended_types: bool = False) -> Recovered:
    return recover(disk, FOLDER, TxnLog(disk, FOLDER), trust_empty=trust_empty, extended_types=extended_types)


def snap(disk: SimDisk, author: Author) -> str:
    frozen = author.tree.freeze()
    try:
        return write_snapshot_now(disk, FOLDER, frozen)
    finally:
        frozen.close()


def story(snapshots: int = 3) -> tuple[SimDisk, Author]:
    """snapshot.0, then ten transactions before each further snapshot, and ten behind the last, in one log each."""
    disk, author, random = sim_disk(), Author(epoch=0), Random(4)
    log, _ = started(disk)
    snap(disk, author)
    for number in range(snapshots):
        log.append(author.some(random, 10))
        log.roll()
        if number < snapshots - 1:
            snap(disk, author)
    return disk, author


def test_apaches_data_folder_is_recovered() -> None:
    """The golden files of a real server: every digest in its log is our tree's."""
    disk = sim_disk()
    for name in ("log.100000001", "snapshot.0"):
        put_file(disk, f"{FOLDER}/{name}", (GOLDEN / f"zookeeper_{name}").read_bytes())
    tree, from_snapshot = recovered(disk, extended_types=True)
    assert from_snapshot
    assert (tree.last_zxid, tree.digest_mismatches) == (0x100000013, 0)
    assert sorted(path for path in tree.nodes if path.count("/") == 1 and path != "/") == [
        "/c1", "/c2", "/m2", "/nd", "/probe", "/t1", "/t1-0000000005", "/zookeeper",
    ]  # fmt: skip
    assert tree.nodes["/probe"].data == b"v"
    assert list(tree.sessions) == [0x6300000000003039]
    assert tree.digest == 0x4_242E_ED11


def test_the_newest_snapshot_and_the_log_behind_it() -> None:
    """Every older snapshot leads to the same tree when the newer ones are gone."""
    disk, author = story()
    for name in ("snapshot.14", "snapshot.a", None):
        assert state(recovered(disk).tree) == state(author.tree)
        if name:
            disk.remove(f"{FOLDER}/{name}")


def test_an_empty_folder_is_an_empty_tree() -> None:
    """And has no snapshot yet, which the caller must know."""
    tree, from_snapshot = recovered(sim_disk())
    assert (tree.last_zxid, from_snapshot) == (0, False)
    assert sorted(tree.nodes) == ["", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]


def test_an_unfinished_snapshot_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Apache writes under the final name; when it died in the middle nobody had relied on the file yet."""
    disk, author = story()
    for content in (b"", b"ZKSN", disk.read(f"{FOLDER}/snapshot.14")[:-9]):
        caplog.clear()
        put_file(disk, f"{FOLDER}/snapshot.{author.zxid + 100:x}", content)
        assert state(recovered(disk).tree) == state(author.tree)
        assert "passed over" in caplog.text


def test_a_damaged_snapshot_falls_back_where_the_log_leads_on(caplog: pytest.LogCaptureFixture) -> None:
    """The older snapshot and the log reach the same tree; without that log the start is refused, naming the file."""
    disk, author = story()
    disk.corrupt(f"{FOLDER}/snapshot.14", 100)
    with caplog.at_level(logging.ERROR):
        assert state(recovered(disk).tree) == state(author.tree)
    assert f"{FOLDER}/snapshot.14 is damaged at offset" in caplog.text
    for name in ("log.15", "log.b"):
        disk.remove(f"{FOLDER}/{name}")
    with pytest.raises(StoreError, match=rf"{FOLDER}/snapshot.14 is damaged .* only leads to 0xa"):
        recovered(disk)


def test_an_older_snapshot_is_no_way_around_a_hole() -> None:
    """A leader's snapshot had taken the place of what is missing between the epochs, and the snapshot is damaged."""
    disk, author = story()
    author.some(Random(5), 10)  # never in this log
    author.zxid = 1 << 32
    log, _ = started(disk, 0x14)
    newer = author.some(Random(6), 5)
    snap(disk, author)
    log.append(newer)
    log.close()
    assert state(recovered(disk).tree) == state(author.tree)
    disk.corrupt(f"{FOLDER}/snapshot.100000005", 100)
    with pytest.raises(StoreError, match=r"snapshot\.100000005 is damaged .* does not lead there from an older snapshot"):
        recovered(disk)


def test_a_snapshot_that_cannot_be_unpacked_is_no_reason_to_go_back() -> None:
    """An older state without the log that followed would be a loss."""
    disk, _ = story()
    put_file(disk, f"{FOLDER}/snapshot.50.snappy", b"snappy")
    with pytest.raises(StoreError, match=r"snapshot\.50\.snappy is damaged at offset 0"):
        recovered(disk)


def test_a_log_without_a_snapshot_is_a_loss_unless_it_is_trusted() -> None:
    """ZOOKEEPER-2325, ZOOKEEPER-3644: Apache's rule, and its way out for folders from before 3.5."""
    disk, author = story()
    for name in ("snapshot.0", "snapshot.a", "snapshot.14"):
        disk.remove(f"{FOLDER}/{name}")
    with pytest.raises(StoreError, match=r"no snapshot that they follow.*snapshot\.trust\.empty"):
        recovered(disk)
    tree, from_snapshot = recovered(disk, trust_empty=True)
    assert state(tree) == state(author.tree)
    assert not from_snapshot


def test_a_transaction_that_cannot_be_read_is_named() -> None:
    """ZOOKEEPER-2623: a type that no version knows, which a client could get into the log."""
    disk, _ = story()
    put_file(disk, f"{FOLDER}/log.1f", HEADER + encode_records([opaque(0x1F)]))
    with pytest.raises(StoreError, match=f"transaction 0x1f in the log in {FOLDER} cannot be read: .*unknown type 4"):
        recovered(disk)


def test_digests_that_differ_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """In a transaction or beside a snapshot; as in Apache that is a line in the log and no refusal."""
    disk, author = story()
    zxid, txn = author.create("/one-more")
    put_file(disk, f"{FOLDER}/log.{zxid:x}", HEADER + encode_records([(zxid, txn[:-1] + bytes([txn[-1] ^ 1]))]))
    recovered(disk)
    assert "the digest of 1 replayed transactions is not the tree's" in caplog.text
    caplog.clear()
    author.tree.digest ^= 1
    author.tree.last_zxid = 0x1E
    snap(disk, author)
    recovered(disk)
    assert "the tree's digest at 0x1e is" in caplog.text


def test_ephemerals_of_sessions_that_are_gone_do_not_come_back() -> None:
    """A fuzzy snapshot may hold a node whose owner's session is not in it any more."""
    disk, author = story()
    batch = [author.session(99), author.create("/orphan", ephemeral=True)]
    del author.tree.sessions[99]
    snap(disk, author)
    put_file(disk, f"{FOLDER}/log.{batch[0][0]:x}", HEADER + encode_records(batch))
    assert "/orphan" in author.tree.nodes
    assert "/orphan" not in recovered(disk).tree.nodes


def test_a_fuzzy_snapshot_and_the_log_it_ran_ahead_of() -> None:
    """Apache's snapshot.N holds effects of transactions behind N; replaying them again changes nothing."""
    disk, author = sim_disk(), Author(epoch=0)
    log, _ = started(disk)
    random = Random(9)
    log.append([author.session(), *author.some(random, 30)])
    name_zxid = author.zxid
    log.append(author.some(random, 30))
    log.close()
    path = snap(disk, author)  # as if all thirty had been applied while it was written
    disk.rename(path, f"{FOLDER}/snapshot.{name_zxid:x}")
    disk.sync_dir(FOLDER)
    tree = recovered(disk).tree
    assert tree.digest_mismatches == 0
    assert tree.last_zxid == author.zxid
    assert {path: node.data for path, node in tree.nodes.items()} == {
        path: node.data for path, node in author.tree.nodes.items()
    }
