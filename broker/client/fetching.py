"""What a consumer has read and will read next, without I/O: fetch requests out of positions, records out of answers.

A position is the next offset to fetch, or EARLIEST or LATEST until that is known. With isolation level 1 records of
aborted transactions are left out: the answer lists them by producer id and first offset, and the control batch that
ends each lies in the log itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from broker.wire.batches import BatchError, batches, crc_of
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Records
from broker.wire.messages import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
)
from broker.wire.records import ControlType, Record, read_control, unpack_records

from .cluster import TopicPartition

__all__ = ["FetchOptions", "Fetched", "Outcome", "Positions", "fetch_request"]

EARLIEST = -2
LATEST = -1


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Sizes in bytes."""

    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 16 * 1024 * 1024
    partition_max_bytes: int = 1024 * 1024
    isolation_level: int = 0
    check_crcs: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition in order, and the position behind them (which skips what is not shown)."""

    partition: TopicPartition
    records: list[Record]
    next_offset: int
    append_time: bool = False
    """Whether the timestamps are those of the append."""
    assignment: int = 0
    """Which assignment it was fetched under."""


@dataclass(slots=True)
class Outcome:
    """What an answer says: records, and partitions that cannot be read at present, with the reason."""

    fetched: list[Fetched] = field(default_factory=list)
    errors: dict[TopicPartition, KafkaError] = field(default_factory=dict)


def fetch_request(positions: Mapping[TopicPartition, int], options: FetchOptions) -> FetchRequest:
    """Asks for all partitions from their (known) positions, without a fetch session."""
    topics: dict[str, list[FetchRequestPartition]] = defaultdict(list)
    for (topic, partition), offset in positions.items():
        row = FetchRequestPartition(partition, fetch_offset=offset, partition_max_bytes=options.partition_max_bytes)
        topics[topic].append(row)
    return FetchRequest(
        max_wait_ms=options.max_wait_ms,
        min_bytes=options.min_bytes,
        max_bytes=options.max_bytes,
        isolation_level=options.isolation_level,
        session_epoch=-1,
        topics=[FetchRequestTopic(topic, partitions=rows) for topic, rows in topics.items()],
    )


class Positions:
    """The next offset of each partition of one assignment, which `assignment` numbers."""

    def __init__(self, options: FetchOptions, assignment: int = 0) -> None:
        self.assignment = assignment
        self._options = options
        self._next: dict[TopicPartition, int] = {}

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Replaces all partitions: offsets, EARLIEST or LATEST."""
        self._next = dict(positions)

    def topics(self) -> set[str]:
        """The topics of all partitions."""
        return {topic for topic, _ in self._next}

    def unknown(self) -> dict[TopicPartition, int]:
        """Partitions whose position is EARLIEST or LATEST still."""
        return {partition: offset for partition, offset in self._next.items() if offset < 0}

    def known(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Partitions that can be fetched, with their offsets."""
        chosen = self._next if partitions is None else partitions
        return {partition: self._next[partition] for partition in chosen if self._next.get(partition, -1) >= 0}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Moves an assigned partition; others are left alone."""
        if partition in self._next:
            self._next[partition] = offset

    def take(self, answer: FetchResponse) -> Outcome:
        """Moves on by what an answer brings. Damaged records are an error of their partition."""
        outcome = Outcome()
        for topic in answer.responses:
            for row in topic.partitions:
                partition = (topic.topic, row.partition_index)
                if partition not in self._next:
                    continue  # was taken away meanwhile
                if row.error_code:
                    outcome.errors[partition] = KafkaError(
                        row.error_code, f"{partition[0]}-{partition[1]}: {ErrorCode(row.error_code).message}"
                    )
                    continue
                try:
                    found = self._unpack(partition, row)
                except BatchError as error:
                    outcome.errors[partition] = error
                    continue
                if found is not None:
                    self._next[partition] = found.next_offset
                    outcome.fetched.append(found)
        return outcome

    def _unpack(self, partition: TopicPartition, row: FetchResponsePartition) -> Fetched | None:
        data: Records = row.records or b""
        if not len(data):
            return None
        position = self._next[partition]
        records: list[Record] = []
        next_offset = position
        append_time = False
        aborted = _Aborted(row) if self._options.isolation_level else None
        for at, header in batches(data, partial=True):
            if self._options.check_crcs and crc_of(data, at, header.size) != header.crc:
                raise BatchError(
                    ErrorCode.CORRUPT_MESSAGE,
                    f"{partition[0]}-{partition[1]}: the checksum of the batch at offset {header.base_offset} is wrong",
                )
            next_offset = max(next_offset, header.next_offset)
            append_time = header.is_append_time
            if header.is_control:
                if aborted is not None:
                    aborted.end(header.producer_id, unpack_records(data, at, header))
            elif aborted is None or not aborted.hides(header.producer_id, header.base_offset):
                found = unpack_records(data, at, header)
                if header.base_offset < position:  # a batch is whole: skip what was read before
                    found = [record for record in found if record.offset >= position]
                records += found
        if next_offset == position:
            return None
        return Fetched(partition, records, next_offset, append_time, self.assignment)


class _Aborted:
    """Which producers' transactions are aborted at this place of the log."""

    def __init__(self, row: FetchResponsePartition) -> None:
        rows = row.aborted_transactions or []
        self._starts = sorted((r.first_offset, r.producer_id) for r in rows)
        self._open: set[int] = set()

    def hides(self, producer_id: int, base_offset: int) -> bool:
        while self._starts and self._starts[0][0] <= base_offset:
            self._open.add(self._starts.pop(0)[1])
        return producer_id in self._open

    def end(self, producer_id: int, markers: list[Record]) -> None:
        if any(read_control(marker)[0] == ControlType.ABORT for marker in markers):
            self._open.discard(producer_id)
