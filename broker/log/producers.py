"""What a partition remembers of its producers, so that a retried batch is written once and a missing one is noticed.

For each producer id: its epoch, its last five batches (sequence range and offsets), and where its open transaction
began. The rules (reference: Kafka, idempotence):

- a batch whose sequence range is among the last five is a duplicate: the answer is the old offset, nothing is written;
- otherwise its first sequence must follow the last one (2^31 - 1 is followed by 0), else OUT_OF_ORDER_SEQUENCE_NUMBER;
- a newer epoch begins at sequence 0 and forgets the batches of the older one; an older epoch is fenced;
- a producer that is not known, or no longer, may begin anywhere.

Five, because a producer has at most five requests in flight (max.in.flight.requests.per.connection).

State only: the log reads and writes the snapshot files (`snapshots`) and replays batches after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from broker.wire.batches import NO_PRODUCER_EPOCH, NO_SEQUENCE, BatchError
from broker.wire.errors import ErrorCode

__all__ = [
    "NO_OFFSET",
    "SEQUENCE_MAX",
    "CompletedTxn",
    "ProducerEntry",
    "Producers",
    "Written",
]

NO_OFFSET = -1
SEQUENCE_MAX = 2**31 - 1
BATCHES_KEPT = 5
PRODUCERS_MAX = 100_000
"""Producers remembered for one partition; beyond it those that wrote longest ago are forgotten, a tenth at a time."""


class Written(NamedTuple):
    """One batch that was written."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    timestamp_ms: int


class CompletedTxn(NamedTuple):
    """A transaction that a marker ended. `last_offset` is the marker's; `stable_offset` the last stable offset then."""

    producer_id: int
    first_offset: int
    last_offset: int
    stable_offset: int
    aborted: bool


class ProducerEntry:
    """One producer."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_timestamp_ms",
        "producer_id",
        "txn_first_offset",
    )

    def __init__(self, producer_id: int, epoch: int) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.coordinator_epoch = -1
        self.last_timestamp_ms = -1
        self.txn_first_offset = NO_OFFSET
        self.batches: list[Written] = []
        """The newest last, at most BATCHES_KEPT; all of `epoch`."""

    def move_to(self, epoch: int) -> None:
        """Begins `epoch`."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.batches.clear()


class Producers:
    """The producers of one partition."""

    __slots__ = ("_entries", "_name", "_open")

    def __init__(self, name: str) -> None:
        """`name` is the partition's, for messages."""
        self._name = name
        self._entries: dict[int, ProducerEntry] = {}
        self._open: dict[int, int] = {}  # producer id -> where its open transaction began

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ProducerEntry]:
        return iter(self._entries.values())

    def get(self, producer_id: int) -> ProducerEntry | None:
        """What is known of a producer."""
        return self._entries.get(producer_id)

    def check(
        self, producer_id: int, epoch: int, first_sequence: int, last_sequence: int, transactional: bool
    ) -> Written | None:
        """Whether a client's batch may be written; a batch that was written before is returned.

        Raises BatchError with OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH or INVALID_TXN_STATE.
        """
        entry = self._entries.get(producer_id)
        if entry is None:
            return None
        if epoch == entry.epoch:
            last = entry.batches[-1].last_sequence if entry.batches else NO_SEQUENCE
            if first_sequence != last + 1 and not (first_sequence == 0 and last == SEQUENCE_MAX):
                for batch in entry.batches:
                    if batch.first_sequence == first_sequence and batch.last_sequence == last_sequence:
                        return batch
                raise BatchError(
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"{self._name}: producer {producer_id} sent sequence {first_sequence} after {last}",
                )
        elif epoch < entry.epoch:
            raise BatchError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"{self._name}: producer {producer_id} wrote in epoch {epoch}, but epoch {entry.epoch} has begun",
            )
        elif first_sequence != 0 and entry.epoch != NO_PRODUCER_EPOCH:
            raise BatchError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"{self._name}: producer {producer_id} began epoch {epoch} with sequence {first_sequence} instead of 0",
            )
        if entry.txn_first_offset != NO_OFFSET and not transactional:
            raise BatchError(
                ErrorCode.INVALID_TXN_STATE,
                f"{self._name}: producer {producer_id} sent a batch without a transaction, but has one open",
            )
        return None

    def wrote(self, producer_id: int, epoch: int, batch: Written, transactional: bool) -> None:
        """Enters a batch that was written: after `check`, or as it was replicated or recovered."""
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._add(ProducerEntry(producer_id, epoch))
        entry.move_to(epoch)
        if batch.first_sequence != NO_SEQUENCE:
            entry.batches.append(batch)
            if len(entry.batches) > BATCHES_KEPT:
                del entry.batches[0]
        entry.last_timestamp_ms = batch.timestamp_ms
        if transactional and entry.txn_first_offset == NO_OFFSET:
            entry.txn_first_offset = batch.base_offset
            self._open[producer_id] = batch.base_offset

    def ended(
        self,
        producer_id: int,
        epoch: int,
        coordinator_epoch: int,
        offset: int,
        timestamp_ms: int,
        aborted: bool,
    ) -> CompletedTxn | None:
        """Enters a marker that was written at `offset`; returns the transaction that it ended, if one was open."""
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._add(ProducerEntry(producer_id, epoch))
        entry.move_to(epoch)
        entry.coordinator_epoch = coordinator_epoch
        entry.last_timestamp_ms = timestamp_ms
        first = entry.txn_first_offset
        if first == NO_OFFSET:
            return None
        entry.txn_first_offset = NO_OFFSET
        self._open.pop(producer_id, None)
        stable = self.first_open_offset()
        return CompletedTxn(producer_id, first, offset, offset + 1 if stable is None else stable, aborted)

    def first_open_offset(self) -> int | None:
        """Where the oldest open transaction began; what lies from there on is not stable."""
        return min(self._open.values()) if self._open else None

    def expire(self, before_ms: int) -> int:
        """Forgets producers that wrote last before `before_ms` and have no transaction open; returns how many."""
        old = [
            entry.producer_id
            for entry in self._entries.values()
            if entry.last_timestamp_ms < before_ms and entry.txn_first_offset == NO_OFFSET
        ]
        for producer_id in old:
            del self._entries[producer_id]
        return len(old)

    def clear(self) -> None:
        """Forgets everything, before a reload."""
        self._entries.clear()
        self._open.clear()

    def load(self, entries: Iterable[ProducerEntry]) -> None:
        """Enters what a snapshot held."""
        for entry in entries:
            self._add(entry)
            if entry.txn_first_offset != NO_OFFSET:
                self._open[entry.producer_id] = entry.txn_first_offset

    def _add(self, entry: ProducerEntry) -> ProducerEntry:
        if len(self._entries) >= PRODUCERS_MAX:
            self._make_room()
        self._entries[entry.producer_id] = entry
        return entry

    def _make_room(self) -> None:
        """By rank, not by time: all producers may have written in the same millisecond."""
        idle = [known for known in self._entries.values() if known.txn_first_offset == NO_OFFSET]
        idle.sort(key=lambda known: known.last_timestamp_ms)
        for known in idle[: max(1, PRODUCERS_MAX // 10)]:
            del self._entries[known.producer_id]
