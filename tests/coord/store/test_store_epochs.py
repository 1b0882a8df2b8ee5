"""The two epochs: durable when set, and refused where they do not go with the log."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.store.epochs import ACCEPTED, CURRENT, Epochs
from coord.store.errors import DamagedFileError, StoreError
from coord.wire.zxid import EPOCH_MAX
from tests.coord.store.samples import FOLDER, put_file, sim_disk


def test_a_new_folder_has_the_epoch_of_its_log() -> None:
    """As Apache picks it, for data from before the files existed."""
    disk = sim_disk()
    epochs = Epochs(disk, FOLDER, 3 << 32 | 5)
    assert (epochs.accepted, epochs.current) == (3, 3)
    assert disk.names(FOLDER) == []


@given(st.integers(0, 2**32), st.integers(0, EPOCH_MAX - 5), st.integers(0, 5))
def test_what_was_set_survives_a_crash(seed: int, current: int, more: int) -> None:
    """In Apache's bytes: decimal text without a newline."""
    disk = sim_disk(seed)
    epochs = Epochs(disk, FOLDER, 0)
    epochs.accepted = current + more
    epochs.current = current
    survivor = disk.crash()
    assert survivor.read(f"{FOLDER}/{ACCEPTED}") == str(current + more).encode()
    again = Epochs(survivor, FOLDER, 0)
    assert (again.accepted, again.current) == (current + more, current)


def test_apaches_files_are_read() -> None:
    """With a newline that a person's editor added."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/{ACCEPTED}", b"12")
    put_file(disk, f"{FOLDER}/{CURRENT}", b"11\n")
    epochs = Epochs(disk, FOLDER, 0)
    assert (epochs.accepted, epochs.current) == (12, 11)


@pytest.mark.parametrize(
    ("accepted", "current", "zxid", "reason"),
    [
        (b"3", b"4", 0, "acceptedEpoch says epoch 3, less than the 4"),
        (b"4", b"4", 5 << 32, "acceptedEpoch says epoch 4, but the log goes on to 0x500000000"),
    ],
)
def test_epochs_that_do_not_go_together_refuse_the_start(accepted: bytes, current: bytes, zxid: int, reason: str) -> None:
    """A server that forgot a promise must not vote."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/{ACCEPTED}", accepted)
    put_file(disk, f"{FOLDER}/{CURRENT}", current)
    with pytest.raises(StoreError, match=reason):
        Epochs(disk, FOLDER, zxid)


def test_a_crash_between_a_leaders_transactions_and_its_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """ZOOKEEPER-1653, ZOOKEEPER-2354: the epoch was accepted and the log holds transactions of it: the log has what
    the epoch began with."""
    disk = sim_disk()
    put_file(disk, f"{FOLDER}/{ACCEPTED}", b"5")
    put_file(disk, f"{FOLDER}/{CURRENT}", b"4")
    with caplog.at_level(logging.WARNING):
        assert Epochs(disk, FOLDER, 5 << 32 | 1).current == 5
    assert "currentEpoch says epoch 4" in caplog.text
    assert disk.crash().read(f"{FOLDER}/{CURRENT}") == b"5"


def test_a_replacement_that_was_not_finished() -> None:
    """A crash may leave the new number in the temporary file, or some of it, or nothing (trio seed 5000193, with 5 nodes)."""
    for written in (b"12", b"1", b""):
        disk = sim_disk()
        put_file(disk, f"{FOLDER}/{ACCEPTED}", b"12")
        put_file(disk, f"{FOLDER}/{CURRENT}", b"11")
        put_file(disk, f"{FOLDER}/{CURRENT}.tmp", written)
        assert Epochs(disk, FOLDER, 12 << 32).current == 12
        assert disk.crash().read(f"{FOLDER}/{CURRENT}") == b"12"


def test_a_file_that_holds_no_number_is_named() -> None:
    """Empty, binary or too long."""
    for content in (b"", b"\0\0", b"epoch", b"1" * 30, b"%d" % 2**31):
        disk = sim_disk()
        put_file(disk, f"{FOLDER}/{CURRENT}", content)
        with pytest.raises(DamagedFileError, match=f"{FOLDER}/{CURRENT} is damaged at offset 0"):
            Epochs(disk, FOLDER, 0)
