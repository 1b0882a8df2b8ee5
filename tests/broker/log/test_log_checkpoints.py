"""Checkpoint files: Apache's text, and errors that name the line."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from broker.log.checkpoints import read_offsets, read_rows, rewrite_rows, save_offsets, write_offsets
from broker.log.errors import LogDirError
from tests.broker.log.samples import FOLDER, sim_disk

PATH = f"{FOLDER}/replication-offset-checkpoint"

offsets = st.dictionaries(
    st.tuples(st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True), st.integers(0, 2**31 - 1)), st.integers(0, 2**63 - 1)
)


@given(offsets)
def test_offsets_are_read_as_they_were_written(found: dict[tuple[str, int], int]) -> None:
    """Both ways of writing give the same file."""
    disk = sim_disk()
    assert read_offsets(disk, PATH) == {}
    write_offsets(disk, PATH, found)
    text = disk.read(PATH)
    assert read_offsets(disk, PATH) == found
    write_offsets(disk, PATH, {})
    trio.run(save_offsets, disk, PATH, found)
    assert disk.read(PATH) == text
    assert disk.names(FOLDER) == [PATH.rpartition("/")[2]]


def test_the_text_is_apaches() -> None:
    """Version, count, one line for each partition."""
    disk = sim_disk()
    write_offsets(disk, PATH, {("test", 1): 3, ("test", 0): 1})
    assert disk.read(PATH) == b"0\n2\ntest 1 3\ntest 0 1\n"
    rewrite_rows(disk, PATH, [(0, 1), (2, 12783)])
    assert disk.read(PATH) == b"0\n2\n0 1\n2 12783\n"
    assert read_rows(disk, PATH) == [(0, 1), (2, 12783)]


def test_an_empty_file_has_no_entries() -> None:
    """Apache's broker makes its checkpoint files empty at its first start."""
    disk = sim_disk()
    disk.open(PATH, create=True).close()
    assert read_offsets(disk, PATH) == {}


def test_a_crash_leaves_the_old_offsets_or_the_new() -> None:
    """A replaced checkpoint is never half of one."""
    for seed in range(20):
        disk = sim_disk(seed)
        write_offsets(disk, PATH, {("a", 0): 1})
        trio.run(save_offsets, disk, PATH, {("a", 0): 2, ("b", 0): 5})
        assert read_offsets(disk.crash(), PATH) in ({("a", 0): 1}, {("a", 0): 2, ("b", 0): 5})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\n", "line 1 is ''"),
        (b"1\n0\n", "line 1 is '1', expected the version 0"),
        (b"0\n", "line 2 has '' where a number belongs"),
        (b"0\n2\na 0 1\n", "line 2 announces 2 entries, but 1 follow"),
        (b"0\n1\na 0 1\nb 0 1\n", "line 2 announces 1 entries, but 2 follow"),
        (b"0\n1\na 0\n", "line 3 has 2 words, expected 3"),
        (b"0\n1\na 0 x\n", "line 3 has 'x' where a number belongs"),
        (b"0\n1\na \xff 1\n", "where a number belongs"),
    ],
)
def test_a_damaged_text_names_the_line(text: bytes, why: str) -> None:
    """An offset is never guessed."""
    disk = sim_disk()
    disk.open(PATH, create=True).append(text)
    with pytest.raises(LogDirError) as caught:
        read_offsets(disk, PATH)
    assert str(caught.value).startswith(PATH)
    assert why in str(caught.value)
