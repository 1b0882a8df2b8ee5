"""Zxids: epoch above, counter below."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coord.wire.zxid import COUNTER_MAX, counter_of, epoch_of, first_of, follows, show


@given(st.integers(0, 2**31 - 1), st.integers(0, COUNTER_MAX))
def test_a_zxid_is_its_epoch_and_its_counter(epoch: int, counter: int) -> None:
    """The parts make the whole, and the beginning of an epoch lies between the epochs."""
    zxid = first_of(epoch) + counter

    assert (epoch_of(zxid), counter_of(zxid)) == (epoch, counter)
    assert first_of(epoch) <= zxid < first_of(epoch + 1)
    assert int(show(zxid), 16) == zxid


def test_what_follows_what() -> None:
    """The next of an epoch, or the first of a later one; the beginning of an epoch is no transaction."""
    assert follows(first_of(1) + 1, 0)
    assert follows(first_of(1) + 1, first_of(1))
    assert follows(first_of(1) + 8, first_of(1) + 7)
    assert follows(first_of(4) + 1, first_of(1) + 7)
    for zxid in (first_of(1) + 7, first_of(1) + 6, first_of(1) + 9, first_of(2), first_of(2) + 2, 1):
        assert not follows(zxid, first_of(1) + 7)
