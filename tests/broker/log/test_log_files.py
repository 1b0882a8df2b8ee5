"""The small parts: handles, scanning, the index of transactions, trash, and a partition's metadata."""

from __future__ import annotations

import pytest

from broker.log.errors import DamagedError
from broker.log.folders import is_deleted, is_passed_over, partition_of, read_topic_id, write_topic_id
from broker.log.handles import Awake
from broker.log.producers import CompletedTxn
from broker.log.scan import CHUNK_SIZE, headers, whole_batches
from broker.log.trash import Trash, remove_folder
from broker.log.txnindex import aborted_between, add_aborted, cut_aborted
from tests.broker.log.samples import FOLDER, sim_disk, stamped

PATH = f"{FOLDER}/file"


class Sleepy:
    def __init__(self) -> None:
        self.rested = False

    def rest(self) -> None:
        self.rested = True


def test_the_one_used_longest_ago_rests() -> None:
    """Use keeps awake; dropping makes room."""
    awake = Awake(2)
    one, two, three, four = Sleepy(), Sleepy(), Sleepy(), Sleepy()
    awake.add(one)
    awake.add(two)
    awake.used(one)
    awake.add(three)
    assert (one.rested, two.rested, three.rested) == (False, True, False)
    awake.drop(one)
    awake.drop(one)
    awake.add(four)
    assert not three.rested
    assert len(awake) == 2


def test_batches_larger_than_a_read_are_found() -> None:
    """A header is enough to go on, and the bytes come whole when they are wanted; a torn end is left out."""
    disk = sim_disk()
    large = stamped(1, count=3, size=CHUNK_SIZE // 2)
    data = stamped(0) + large + stamped(4)
    file = disk.open(PATH, create=True)
    file.append(data)
    found = [(0, 0), (len(stamped(0)), 1), (len(stamped(0)) + len(large), 4)]
    assert [(at, header.base_offset) for at, header in headers(file, 0, len(data))] == found
    assert [(at, header.base_offset) for at, header in headers(file, 0, len(data), 61)] == found
    assert b"".join(bytes(whole) for _, _, whole in whole_batches(file, 0, len(data))) == data
    for end in (len(data) - 1, len(data) - len(stamped(4)) + 20):
        assert len(list(headers(file, 0, end, 61))) == 2
        assert len(list(whole_batches(file, 0, end))) == 2
    assert len(list(whole_batches(file, 0, len(data) - len(stamped(4)) - 1))) == 1


@pytest.mark.parametrize("large", [False, True])
def test_what_is_no_batch_names_its_place(large: bool) -> None:
    """Both scans tell the file and the position, whether the batch fits a read or not."""
    disk = sim_disk()
    data = stamped(0, size=CHUNK_SIZE + 10 if large else 10)
    file = disk.open(PATH, create=True)
    file.append(data * 2)
    disk.corrupt(PATH, len(data) + 16)
    for scan in (headers, whole_batches):
        with pytest.raises(DamagedError, match=f"{PATH} is damaged at position {len(data)}"):
            list(scan(file, 0, 2 * len(data)))


def test_aborted_transactions() -> None:
    """Entries by their overlap; a cut drops markers behind it, and a torn entry."""
    disk = sim_disk()
    assert aborted_between(disk, PATH, 0, 100) == []
    cut_aborted(disk, PATH, 0)
    assert not disk.exists(PATH)
    for first, last in ((0, 5), (10, 15), (2, 20)):
        add_aborted(disk, PATH, CompletedTxn(7, first, last, last + 1, True))
    assert disk.size(PATH) == 3 * 34
    assert [txn.first_offset for txn in aborted_between(disk, PATH, 6, 11)] == [10, 2]
    assert aborted_between(disk, PATH, 21, 30) == []
    disk.open(PATH).append(b"torn")
    assert len(aborted_between(disk, PATH, 0, 100)) == 3
    cut_aborted(disk, PATH, 20)
    assert [txn.last_offset for txn in aborted_between(disk, PATH, 0, 100)] == [5, 15]
    assert disk.size(PATH) == 2 * 34


def test_apaches_index_of_transactions_is_read() -> None:
    """Bytes of a real broker."""
    disk = sim_disk()
    data = bytes.fromhex("0000 00000000000003e8 0000000000000006 0000000000000007 0000000000000008")
    disk.open(PATH, create=True).append(data)
    assert aborted_between(disk, PATH, 7, 8) == [(1000, 6, 7, 8)]


def test_trash_that_cannot_be_removed_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """The next start tries again."""
    disk = sim_disk()
    disk.make_dirs(f"{FOLDER}/a/b")
    trash = Trash(disk)
    trash.add_folder(f"{FOLDER}/a", 5)
    trash.sweep(4)
    assert len(trash) == 1
    trash.sweep(5)
    trash.sweep(6)
    assert caplog.text.count(f"{FOLDER}/a cannot be removed") == 1
    remove_folder(disk, f"{FOLDER}/none")


def test_names_of_folders() -> None:
    """A topic may hold dashes and dots; what is going away or in the way is told apart."""
    assert partition_of("a-b.c_d-12") == ("a-b.c_d", 12)
    assert partition_of("a-0-1") == ("a-0", 1)
    for name in ("a", "a-", "-1", "a-x", "a b-0", "a-0.x", "a" * 250 + "-0"):
        assert partition_of(name) is None
    assert is_deleted(f"a-0.{'a' * 32}-delete")
    assert not is_deleted("a-0.xyz-delete")
    assert is_passed_over(f"a-0.{'a' * 32}-future")
    assert is_passed_over(f"a-0.{'a' * 32}-stray")


def test_topic_ids_are_apaches_text() -> None:
    """Bytes of a real broker, both ways; a torn file is no id."""
    disk = sim_disk()
    text = b"version: 0\ntopic_id: vVMdj5SFTeOKrxbqNmE7bQ"
    topic_id = bytes.fromhex("bd531d8f94854de38aaf16ea36613b6d")
    assert read_topic_id(disk, FOLDER) is None
    write_topic_id(disk, FOLDER, topic_id)
    assert disk.read(f"{FOLDER}/partition.metadata") == text
    assert len(text) == 43
    assert read_topic_id(disk, FOLDER) == topic_id
    file = disk.open(f"{FOLDER}/partition.metadata")
    file.truncate(30)
    assert read_topic_id(disk, FOLDER) is None
