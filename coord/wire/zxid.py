"""Transaction ids: the epoch in the high 32 bits, a counter within it in the low 32.

A zxid orders everything that the ensemble ever decided. epoch<<32 itself names no transaction but the beginning of the
epoch. An epoch ends before its counter would wrap: the leader steps down and the next one starts a new epoch.
"""

from __future__ import annotations

__all__ = ["COUNTER_MAX", "EPOCH_MAX", "counter_of", "epoch_of", "first_of", "follows", "show"]

COUNTER_MAX = 0xFFFFFFFF
EPOCH_MAX = 0x7FFFFFFF
"""A zxid is a signed long."""


def epoch_of(zxid: int) -> int:
    """The epoch that a transaction was proposed in."""
    return zxid >> 32


def counter_of(zxid: int) -> int:
    """A transaction's number within its epoch; 0 is the epoch's beginning."""
    return zxid & COUNTER_MAX


def first_of(epoch: int) -> int:
    """The beginning of an epoch: greater than all zxids of earlier epochs, less than its own transactions'."""
    return epoch << 32


def follows(zxid: int, last: int) -> bool:
    """Whether a transaction may come right behind `last`, a transaction or the beginning of an epoch: the next of the
    same epoch, or the first of a later one. That nothing is missing at the end of the earlier one it cannot tell."""
    if zxid >> 32 == last >> 32:
        return zxid == last + 1
    return zxid > last and zxid & COUNTER_MAX == 1


def show(zxid: int) -> str:
    """As ZooKeeper prints it: 0x and hexadecimal digits."""
    return hex(zxid)
