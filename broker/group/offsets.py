"""Committed offsets: what a group has, and the order in which commits are written.

A commit is decided (`GroupOffsets.check`), then written by the shell, then applied (`GroupOffsets.apply`): what a reader
sees has always been written. Commits that arrive while one batch is being written go into the next batch together, in
the order of their arrival, so that a thousand consumers cost as many writes as the store can do one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from broker.wire.errors import ErrorCode

__all__ = [
    "BATCH_BYTES_MAX",
    "BATCH_OFFSETS_MAX",
    "COMMITS_MAX",
    "Commit",
    "CommitQueue",
    "GroupOffsets",
    "OffsetEntry",
]

COMMITS_MAX = 10_000
"""Commits that wait to be written; beyond, a commit gets an error that its client retries."""
BATCH_OFFSETS_MAX = 500
"""Offsets written together; a commit with more is written alone."""
BATCH_BYTES_MAX = 256 * 1024
"""Bytes of names and metadata written together, well below the coordination service's 1 MiB for a request."""

_OFFSET_BYTES = 64
"""What an offset costs in a request beside its names and metadata."""


@dataclass(frozen=True, slots=True)
class OffsetEntry:
    """The next offset a group will read of a partition, and what the consumer noted beside it."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""
    time_ms: int = 0
    """Wall time of the commit."""
    removed: bool = False
    """Nothing is committed any more: the topic is deleted, or the offset is too old."""


class GroupOffsets:
    """The committed offsets of one group."""

    __slots__ = ("_entries", "_metadata_max")

    def __init__(self, metadata_max: int, entries: Iterable[OffsetEntry] = ()) -> None:
        """`metadata_max`: offset.metadata.max.bytes."""
        self._metadata_max = metadata_max
        self._entries: dict[tuple[str, int], OffsetEntry] = {}
        self.apply(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def check(self, entry: OffsetEntry) -> ErrorCode:
        """Whether an offset may be committed."""
        if len(entry.metadata.encode("utf-8", "surrogatepass")) > self._metadata_max:
            return ErrorCode.OFFSET_METADATA_TOO_LARGE
        return ErrorCode.NONE

    def apply(self, entries: Iterable[OffsetEntry]) -> None:
        """Takes over offsets that have been written."""
        for entry in entries:
            if entry.removed:
                self._entries.pop((entry.topic, entry.partition), None)
            else:
                self._entries[entry.topic, entry.partition] = entry

    def removals(self, which: Callable[[OffsetEntry], bool]) -> list[OffsetEntry]:
        """What to commit so that the offsets for which `which` is true are gone."""
        return [
            OffsetEntry(entry.topic, entry.partition, entry.offset, removed=True)
            for entry in self._entries.values()
            if which(entry)
        ]

    def get(self, topic: str, partition: int) -> OffsetEntry | None:
        """The committed offset, or None."""
        return self._entries.get((topic, partition))

    def by_topic(self) -> dict[str, list[OffsetEntry]]:
        """All offsets, by topic and partition in order."""
        topics: dict[str, list[OffsetEntry]] = {}
        for key in sorted(self._entries):
            topics.setdefault(key[0], []).append(self._entries[key])
        return topics


@dataclass(frozen=True, slots=True)
class Commit:
    """Offsets of one group that are to be written; `token` is the caller's."""

    group_id: str
    entries: Sequence[OffsetEntry]
    token: object

    @property
    def size(self) -> int:
        """About the bytes it takes in a request."""
        return sum(
            _OFFSET_BYTES + 2 * (len(self.group_id) + len(entry.topic)) + len(entry.metadata)
            for entry in self.entries
        )


class CommitQueue:
    """Commits in the order of their arrival, taken in batches."""

    def __init__(self) -> None:
        self._waiting: deque[Commit] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, commit: Commit) -> bool:
        """Queues a commit; False when the queue is full."""
        if len(self._waiting) >= COMMITS_MAX:
            return False
        self._waiting.append(commit)
        return True

    def take(self) -> list[Commit]:
        """The next batch: at least one commit when there is any, more as long as the limits allow."""
        batch: list[Commit] = []
        count = size = 0
        while self._waiting:
            commit = self._waiting[0]
            count += len(commit.entries)
            size += commit.size
            if batch and (count > BATCH_OFFSETS_MAX or size > BATCH_BYTES_MAX):
                break
            batch.append(self._waiting.popleft())
        return batch
