"""Logs that say some transactions twice, as Apache's learner writes them (ZOOKEEPER-4394): they count once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.kit.posix import PosixDisk
from coord.store.errors import DamagedFileError
from coord.store.logfile import HEADER, encode_records
from coord.store.snapshot import write_snapshot_now
from coord.tree.tree import Tree
from tests.coord.store.samples import FOLDER, Author, opaque, put_file, sim_disk, started
from tests.e2e.mixed import APACHE, OURS, needs_apache, serving

EPOCH = 1 << 32


@given(st.data())
def test_what_stands_there_twice_counts_once(data: st.DataObject) -> None:
    """In one file or in the next, over the end of an epoch, read from anywhere, and cut anywhere."""
    wanted = [opaque(zxid) for zxid in (*range(EPOCH + 1, EPOCH + 9), *range(2 * EPOCH + 1, 2 * EPOCH + 9))]
    end = data.draw(st.integers(1, 16))
    begin = data.draw(st.integers(0, end - 1))
    disk = sim_disk()
    name = f"{FOLDER}/log.{wanted[0][0]:x}"
    if begin > 0 and data.draw(st.booleans()):
        put_file(disk, name, HEADER + encode_records(wanted[:end]))
        put_file(disk, f"{FOLDER}/log.{wanted[begin][0]:x}", HEADER + encode_records(wanted[begin:]))
    else:
        put_file(disk, name, HEADER + encode_records(wanted[:end] + wanted[begin:]))
    log, found = started(disk)
    assert found == wanted
    for place, (zxid, _) in enumerate(wanted):
        assert list(log.read_from(zxid)) == wanted[place:]
    cut = data.draw(st.integers(0, 15))
    log.truncate(wanted[cut][0], since=0)
    log.close()
    assert started(disk)[1] == wanted[: cut + 1]


@pytest.mark.parametrize("after", [0, 2])
def test_what_goes_back_and_was_not_there_is_damage(after: int) -> None:
    """Of an earlier epoch it would be what a later one had taken back."""
    disk = sim_disk()
    history = [opaque(1), opaque(2), opaque(EPOCH + 1), opaque(3)]
    put_file(disk, f"{FOLDER}/log.1", HEADER + encode_records(history))
    with pytest.raises(DamagedFileError, match="0x3 follows 0x100000001"):
        started(disk, after)


@pytest.mark.apache
@pytest.mark.parametrize("begin_another", [False, True], ids=["same file", "next file"])
@pytest.mark.parametrize("kind", [APACHE, OURS])
def test_both_serve_such_a_folder(tmp_path: Path, kind: str, begin_another: bool) -> None:
    """The same nodes. (Apache's applies the second time too, and counts a digest that differs.)"""
    needs_apache()
    folder = tmp_path / "version-2"
    folder.mkdir()
    write_snapshot_now(PosixDisk(), str(folder), Tree().freeze())
    author = Author(epoch=1)
    txns = [author.create(f"/n{number}", b"x") for number in range(12)]
    first = folder / f"log.{txns[0][0]:x}"
    if begin_another:
        first.write_bytes(HEADER + encode_records(txns[:10]))
        (folder / f"log.{txns[8][0]:x}").write_bytes(HEADER + encode_records(txns[8:]))
    else:
        first.write_bytes(HEADER + encode_records(txns[:10] + txns[8:]))
    with serving(kind, tmp_path) as server:
        counted = server.words("mntr")
        assert int(counted["zk_znode_count"]) == len(author.tree.nodes)
        assert kind == APACHE or counted["zk_digest_mismatches_count"] == "0"
