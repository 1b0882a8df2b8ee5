"""Zxids: epoch above, counter below."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coord.zab.zxid import COUNTER_MAX, counter_of, epoch_of, first_of, show


@given(st.integers(0, 2**31 - 1), st.integers(0, COUNTER_MAX))
def test_a_zxid_is_its_epoch_and_its_counter(epoch: int, counter: int) -> None:
    """The parts make the whole, and the beginning of an epoch lies between the epochs."""
    zxid = first_of(epoch) + counter

    assert (epoch_of(zxid), counter_of(zxid)) == (epoch, counter)
    assert first_of(epoch) <= zxid < first_of(epoch + 1)
    assert int(show(zxid), 16) == zxid
