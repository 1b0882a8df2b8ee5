"""How a leader brings a learner to its own history: nothing, what is missing (DIFF), a cut back first (TRUNC), or all (SNAP).

The learner's last zxid is compared with the leader's committed transactions, of which the newest are in memory and some
more on disk. A learner whose last zxid is among them has a prefix of the history, for one zxid names one transaction
everywhere. A learner whose last zxid is not among them logged something that was never committed: it cuts that off, as
long as the place where it parted lies in the same epoch. Where the comparison finds no ground, the whole state is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coord.wire.zxid import counter_of, epoch_of

from .application import Transaction
from .ledger import Ledger
from .storage import History

__all__ = ["DIFF_BYTES_MAX", "CatchUp", "Diff", "Snap", "Trunc", "choose"]

DIFF_BYTES_MAX = 4 * 1024 * 1024
"""More than this from the disk's log is sent as a snapshot: a DIFF is read and encoded at once, and nobody is served meanwhile."""


@dataclass(frozen=True, slots=True)
class Diff:
    """Send the entries. `zxid` is what the packet carries: the newest committed, or the learner's own when it has all."""

    zxid: int
    entries: list[Transaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trunc:
    """The learner cuts its log behind `zxid`; then send the entries."""

    zxid: int
    entries: list[Transaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Snap:
    """Send the whole state."""


CatchUp = Diff | Trunc | Snap


def choose(peer_zxid: int, ledger: Ledger, history: History) -> CatchUp:
    """The way from a learner's last zxid to this leader's committed history."""
    committed = list(ledger.recent)
    newest = committed[-1][0] if committed else ledger.delivered
    oldest = committed[0][0] if committed else ledger.delivered
    if peer_zxid in (ledger.delivered, newest):
        return Diff(peer_zxid)
    begins_epoch = counter_of(peer_zxid) == 0
    if peer_zxid > newest:
        # the beginning of an epoch in which nothing was committed is no transaction: there is nothing to cut off
        return Diff(peer_zxid) if begins_epoch else Trunc(newest)
    if peer_zxid >= oldest:
        return _walk(peer_zxid, committed, newest, begins_epoch)
    return _from_disk(peer_zxid, committed, oldest, newest, history)


def _walk(peer_zxid: int, committed: Sequence[Transaction], newest: int, begins_epoch: bool) -> CatchUp:
    """The learner's last zxid lies between the oldest and the newest in memory, but is not the newest."""
    following = next(i for i, (zxid, _) in enumerate(committed) if zxid > peer_zxid)
    previous = committed[following - 1][0]
    entries = list(committed[following:])
    if previous == peer_zxid or begins_epoch:
        return Diff(newest, entries)
    if epoch_of(entries[0][0]) != epoch_of(peer_zxid):
        return Snap()
    return Trunc(previous, entries)


def _from_disk(
    peer_zxid: int, committed: Sequence[Transaction], oldest: int, newest: int, history: History
) -> CatchUp:
    """The learner is behind what memory holds: the log on disk leads up to it, or a snapshot does."""
    entries: list[Transaction] = []
    size = 0
    try:
        lines = history.after(peer_zxid)
        if lines is None:
            return Snap()
        for zxid, data in lines:
            if zxid > oldest:
                break
            entries.append((zxid, data))
            size += len(data)
            if size > DIFF_BYTES_MAX:
                return Snap()
    except OSError:
        return Snap()  # a log that cannot be read leads nowhere; the state in memory is whole
    if not entries or entries[-1][0] != oldest:
        return Snap()  # the log begins too late, or has lost its way to what memory holds
    return Diff(newest, entries + list(committed[1:]))
