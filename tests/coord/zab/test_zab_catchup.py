"""The way to a leader's history, for each place where a learner may have stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.zxid import counter_of, epoch_of, first_of
from coord.zab.application import Transaction
from coord.zab.catchup import CatchUp, Diff, Snap, Trunc, choose
from coord.zab.effects import Effects
from coord.zab.learner import NOBODYS_ZXID
from coord.zab.ledger import Ledger


def z(epoch: int, counter: int) -> int:
    """A zxid."""
    return first_of(epoch) + counter


HISTORY: list[Transaction] = [(z(e, c), b"%d.%d" % (e, c)) for e, cs in ((1, 5), (2, 3), (4, 4)) for c in range(1, cs + 1)]


class Disk:
    """`History` over a list; `lost` transactions at the beginning are not there any more."""

    def __init__(self, entries: list[Transaction], lost: int = 0, error: bool = False) -> None:
        self.entries = entries[lost:]
        self.error = error

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        if not any(entry[0] == zxid for entry in self.entries):
            return None
        return self._lines(zxid)

    def can_rewind(self, zxid: int) -> bool:
        raise NotImplementedError("a leader does not go back")

    def _lines(self, zxid: int) -> Iterator[Transaction]:
        for entry in self.entries:
            if entry[0] > zxid:
                yield entry
                if self.error:
                    raise OSError("the disk is broken")


def ledger_of(entries: list[Transaction], recent_max: int) -> Ledger:
    """A leader that has delivered these."""
    ledger = Ledger(9, 9, 0, recent_max=recent_max)
    for entry in entries:
        ledger.append([entry], Effects())
    ledger.deliver_to(ledger.logged, Effects())
    return ledger


def followed(log: list[Transaction], way: CatchUp) -> list[Transaction] | None:
    """What a learner with this log has afterwards; None: the leader's state."""
    match way:
        case Diff(entries=entries):
            return log + entries
        case Trunc(zxid, entries):
            return [entry for entry in log if entry[0] <= zxid] + entries
        case Snap():
            return None


@given(st.integers(0, len(HISTORY)), st.integers(0, 3), st.sampled_from([1, 3, 50]), st.integers(0, 12))
def test_every_way_ends_at_the_leaders_history(common: int, own: int, recent_max: int, lost: int) -> None:
    """A learner shares some beginning and has logged a few transactions of its own behind it, in the epoch of its last one
    (or in epoch 3, of which the leader never heard): afterwards it has the leader's history and nothing else."""
    log = HISTORY[:common]
    last = log[-1][0] if log else 0
    if common == len(HISTORY) or epoch_of(HISTORY[common][0]) != epoch_of(last):
        own_first = last + 1 if common == len(HISTORY) or not log else z(epoch_of(last), counter_of(last) + 1)
    else:
        own_first, own = z(3, 1), min(own, 1) if epoch_of(last) < 3 and common == 8 else 0
    log = log + [(own_first + i, b"own") for i in range(own)]

    way = choose(log[-1][0] if log else 0, ledger_of(HISTORY, recent_max), Disk(HISTORY, lost))

    assert followed(log, way) in (HISTORY, None)


@pytest.mark.parametrize(
    ("peer", "way"),
    [
        (z(4, 4), Diff(z(4, 4))),
        (z(4, 2), Diff(z(4, 4), HISTORY[-2:])),
        (z(2, 3), Diff(z(4, 4), HISTORY[-4:])),
        (z(4, 9), Trunc(z(4, 4))),
        (z(5, 1), Trunc(z(4, 4))),
        (z(2, 9), Snap()),
        (z(3, 0), Diff(z(4, 4), HISTORY[-4:])),
        (z(9, 0), Diff(z(9, 0))),
        (z(1, 2), Diff(z(4, 4), HISTORY[2:])),
        (z(1, 9), Snap()),
        (0, Snap()),
        (NOBODYS_ZXID, Snap()),
    ],
    ids=[
        "has all", "in memory", "across epochs", "ahead in the same epoch", "ahead by an epoch", "parted in a lost epoch",
        "began an empty epoch", "began this epoch", "on disk", "parted on disk", "empty",
        "asks for a snapshot",
    ],
)  # fmt: skip
def test_where_a_learner_stopped(peer: int, way: CatchUp) -> None:
    """Six transactions in memory, all on disk."""
    assert choose(peer, ledger_of(HISTORY, 6), Disk(HISTORY)) == way


def test_a_learner_that_parted_within_an_epoch_is_cut_back() -> None:
    """It logged what was never committed, while others went on in the same epoch."""
    history = [entry for entry in HISTORY if entry[0] != z(4, 2)]

    assert choose(z(4, 2), ledger_of(history, 50), Disk(history)) == Trunc(z(4, 1), history[-2:])


def test_a_leader_without_transactions() -> None:
    """A fresh ensemble: nothing to send, and a learner that logged something takes it back."""
    assert choose(0, ledger_of([], 5), Disk([])) == Diff(0)
    assert choose(z(1, 1), ledger_of([], 5), Disk([])) == Trunc(0)


class Broken(Disk):
    """`History` whose files are gone."""

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        raise FileNotFoundError("log.1")


@pytest.mark.parametrize(
    "disk", [Disk([]), Disk(HISTORY, lost=3), Disk(HISTORY, error=True), Disk(HISTORY[:-8]), Broken(HISTORY)]
)
def test_a_log_that_does_not_lead_there_means_a_snapshot(disk: Disk) -> None:
    """ZOOKEEPER-2418: gone, begun too late, unreadable, ended too early, or taken away."""
    assert choose(z(1, 2), ledger_of(HISTORY, 2), disk) == Snap()
