"""The aborted transactions of a segment, in its `.txnindex`: what a read_committed consumer must pass over.

34-byte entries (i16 version 0, i64 producer, i64 first offset, i64 last offset, i64 last stable offset when the marker
was written), appended as abort markers are written, so `last offset` grows. The file exists only where there was one.
Entries are few, so they are read from the file when asked for (reference: Kafka, on disk).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from coord.kit.disk import Disk

from .producers import CompletedTxn

__all__ = ["AbortedTxn", "aborted_between", "add_aborted", "cut_aborted"]

VERSION = 0
ENTRY = Struct(">hqqqq")


class AbortedTxn(NamedTuple):
    """One aborted transaction; offsets are inclusive."""

    producer_id: int
    first_offset: int
    last_offset: int
    stable_offset: int


def add_aborted(disk: Disk, path: str, txn: CompletedTxn) -> None:
    """Enters a transaction whose abort marker has been written."""
    file = disk.open(path, create=True)
    try:
        file.append(ENTRY.pack(VERSION, txn.producer_id, txn.first_offset, txn.last_offset, txn.stable_offset))
    finally:
        file.close()


def aborted_between(disk: Disk, path: str, first_offset: int, end_offset: int) -> list[AbortedTxn]:
    """The aborted transactions with records in [first_offset, end_offset)."""
    return [txn for txn in _read(disk, path) if txn.last_offset >= first_offset and txn.first_offset < end_offset]


def cut_aborted(disk: Disk, path: str, end_offset: int) -> None:
    """The log was cut to `end_offset`: drops the entries of markers from there on, and a torn one."""
    if not disk.exists(path):
        return
    keep = sum(txn.last_offset < end_offset for txn in _read(disk, path))
    file = disk.open(path)
    try:
        file.truncate(keep * ENTRY.size)
    finally:
        file.close()


def _read(disk: Disk, path: str) -> list[AbortedTxn]:
    if not disk.exists(path):
        return []
    data = disk.read(path)
    whole = len(data) - len(data) % ENTRY.size
    return [AbortedTxn(*fields) for _, *fields in ENTRY.iter_unpack(memoryview(data)[:whole])]
