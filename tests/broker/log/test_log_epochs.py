"""Leader epochs: what began where."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.log.epochs import EPOCH_FILE, EpochCache
from tests.broker.log.samples import FOLDER, sim_disk
from tests.sim.disk import Faults


def cache(*rows: tuple[int, int]) -> EpochCache:
    """A cache with these (epoch, start) rows."""
    epochs = EpochCache(sim_disk(), FOLDER)
    for epoch, start in rows:
        epochs.assign(epoch, start)
    return epochs


def test_the_end_of_an_epoch() -> None:
    """The largest known epoch up to the one asked for, and where the next one began."""
    epochs = cache((2, 10), (4, 20), (5, 30))
    assert epochs.end_offset(5, 40) == (5, 40)
    assert epochs.end_offset(4, 40) == (4, 30)
    assert epochs.end_offset(3, 40) == (2, 20)
    assert epochs.end_offset(1, 40) == (1, 10)
    assert epochs.end_offset(6, 40) == (-1, -1)
    assert epochs.end_offset(-1, 40) == (-1, -1)
    assert cache().end_offset(0, 40) == (-1, -1)
    assert cache().end_offset(-1, 40) == (-1, -1)


def test_the_epoch_of_an_offset() -> None:
    """Below the first start nothing is known."""
    epochs = cache((2, 10), (4, 20))
    assert [epochs.epoch_at(offset) for offset in (9, 10, 19, 20, 99)] == [-1, 2, 2, 4, 4]


def test_starts_grow_strictly() -> None:
    """An epoch that wrote nothing gives way to the next; an older one is passed over."""
    epochs = cache((2, 10), (3, 10))
    assert epochs.rows() == [(3, 10)]
    epochs.assign(3, 50)
    epochs.assign(1, 60)
    assert epochs.rows() == [(3, 10)]
    epochs.assign(5, 5)
    assert epochs.rows() == [(5, 5)]
    assert epochs.latest == 5


def test_cutting() -> None:
    """Epochs go with the records they wrote; the first one left begins where the log does."""
    epochs = cache((2, 10), (4, 20), (5, 30))
    epochs.cut_start(9)
    assert epochs.rows()[0] == (2, 10)
    epochs.cut_start(25)
    assert epochs.rows() == [(4, 25), (5, 30)]
    epochs.cut_end(30)
    assert (epochs.rows(), epochs.latest) == ([(4, 25)], 4)
    epochs.cut_end(30)
    epochs.cut_end(0)
    assert (epochs.rows(), epochs.latest) == ([], -1)


@given(st.lists(st.tuples(st.sampled_from(["assign", "cut_end", "cut_start"]), st.integers(0, 9), st.integers(0, 50)), max_size=25))
def test_the_file_follows_every_change(steps: list[tuple[str, int, int]]) -> None:
    """A restart reads what is in memory; both columns grow strictly, whatever happened."""
    disk = sim_disk()
    epochs = EpochCache(disk, FOLDER)
    for step, epoch, offset in steps:
        if step == "assign":
            epochs.assign(epoch, offset)
        else:
            getattr(epochs, step)(offset)
        rows = epochs.rows()
        assert all(one[0] < two[0] and one[1] < two[1] for one, two in itertools.pairwise(rows))
        assert EpochCache(disk, FOLDER).rows() == rows
        assert epochs.latest == (rows[-1][0] if rows else -1)


def test_a_full_disk_does_not_stop_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """The records carry the epoch, so a file that cannot be written is said and no more."""
    faults = Faults(capacity_bytes=0)
    epochs = EpochCache(sim_disk(faults=faults), FOLDER)
    epochs.assign(3, 0)
    assert epochs.latest == 3
    assert f"{EPOCH_FILE} cannot be written" in caplog.text
