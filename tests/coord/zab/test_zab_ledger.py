"""The ledger: what is logged, what is delivered, and what lies between, whatever is done to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.zab.effects import Effects
from coord.zab.ledger import Ledger


def entries(first: int, count: int) -> list[tuple[int, bytes]]:
    """Consecutive transactions."""
    return [(zxid, b"t%d" % zxid) for zxid in range(first, first + count)]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 4)),
            st.tuples(st.just("deliver"), st.integers(0, 30)),
            st.tuples(st.just("rewind"), st.integers(0, 30)),
        ),
        max_size=20,
    )
)
def test_pending_is_what_lies_between_delivered_and_logged(steps: list[tuple[str, int]]) -> None:
    """Beside two plain lists: the log on disk and the state."""
    ledger, log, state = Ledger(0, 0, 0, recent_max=5), [], []
    for step, number in steps:
        out = Effects()
        if step == "append":
            ledger.append(entries(ledger.logged + 1, number), out)
        elif step == "deliver":
            ledger.deliver_to(number, out)
        elif number <= ledger.logged:
            ledger.rewind(number, out)
        if out.rewind is not None:
            log = [entry for entry in log if entry[0] <= out.rewind]
            state = [entry for entry in state if entry[0] <= out.rewind]
        log += out.persist
        state += out.deliver

        assert state + list(ledger.pending) == log
        assert ledger.logged == (log[-1][0] if log else 0)
        assert ledger.delivered == (state[-1][0] if state else 0)
        assert list(ledger.recent) == state[max(0, len(state) - len(ledger.recent)) :]


def test_the_log_never_goes_back_by_itself() -> None:
    """Appending what is there already is a mistake of ours."""
    ledger = Ledger(0, 0, 5)

    with pytest.raises(AssertionError, match="0x5 is logged behind 0x5"):
        ledger.append(entries(5, 1), Effects())
    with pytest.raises(AssertionError, match="beyond the log's end"):
        ledger.rewind(6, Effects())


def test_a_replaced_state_is_durable_when_it_is_saved() -> None:
    """A snapshot from a leader makes the old log worthless, and counts for nothing before it is on disk."""
    ledger = Ledger(1, 1, (1 << 32) + 5)
    ledger.append(entries((1 << 32) + 6, 2), Effects())

    ledger.replaced((2 << 32) + 9)
    assert (ledger.logged, ledger.synced, list(ledger.pending)) == ((2 << 32) + 9, 0, [])
    ledger.saved()
    assert ledger.synced == (2 << 32) + 9


def test_epochs_never_lag_behind_the_log() -> None:
    """A crash between a leader's transactions and currentEpoch: the log holds the epoch's beginning nevertheless."""
    ledger = Ledger(3, 3, (4 << 32) + 1)

    assert (ledger.accepted_epoch, ledger.current_epoch) == (4, 4)
