"""A consumer: partitions in, records out, by one fetching task for each leader.

`assign` reads given partitions; `subscribe` shares topics with the other members of a group. `next` hands out what has
arrived; `mark` says how far the caller has come, which is what is committed: never more than was dealt with.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from broker.wire.errors import KafkaError

from .admin import LATEST
from .background import background
from .cluster import Cluster, TopicPartition
from .fetchers import Fetchers
from .fetching import Fetched, FetchOptions, Positions
from .group import GroupOptions, Membership

__all__ = ["Consumer", "open_consumer"]

log = logging.getLogger(__name__)

AHEAD_MAX = 8
"""Fetched pieces that wait for the caller."""
COMMIT_INTERVAL_S = 5.0


class Consumer:
    """Made by `open_consumer`."""

    def __init__(self, cluster: Cluster, options: FetchOptions, nursery: trio.Nursery, reset: int) -> None:
        self._cluster = cluster
        self._options = options
        self._nursery = nursery
        self._reset = reset
        self._positions = Positions(options)
        self._arrived, self._out = trio.open_memory_channel[tuple[int, Fetched | KafkaError]](AHEAD_MAX)
        self._assignment = 0
        """Counts assignments: what was fetched under an earlier one is dropped."""
        self._fetchers: Fetchers | None = None
        self._membership: Membership | None = None
        self._marked: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}

    # for the caller

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Reads these partitions from these offsets (EARLIEST and LATEST are allowed), and no others."""
        if self._fetchers is not None:
            self._fetchers.scope.cancel()
        self._assignment += 1
        self._positions = Positions(self._options, self._assignment)  # of its own: a task of the last assignment may still be ending
        self._positions.assign(positions)
        self._marked.clear()
        if positions:
            number = self._assignment

            async def deliver(found: Fetched | KafkaError) -> None:
                await self._arrived.send((number, found))

            def positioned(partition: TopicPartition, offset: int) -> None:
                if number == self._assignment:
                    self._marked.setdefault(partition, offset)

            self._fetchers = Fetchers(self._cluster, self._positions, self._options, self._reset, deliver, positioned)
            self._nursery.start_soon(self._fetchers.run)

    def subscribe(self, topics: Sequence[str], group: GroupOptions) -> None:
        """Joins a group and reads what it assigns, from what it has committed or else from `reset`."""
        assert self._membership is None
        self._membership = Membership(self._cluster, group, topics, self._on_assigned, self._on_revoked)
        self._nursery.start_soon(self._stay_in_group, self._membership)

    async def next(self) -> Fetched:
        """The next records, of whichever partition has some. Raises KafkaError for what no retry cures."""
        while True:
            assignment, found = await self._out.receive()
            if isinstance(found, KafkaError):
                raise found
            if assignment == self._assignment:
                return found

    def mark(self, fetched: Fetched, next_offset: int | None = None) -> None:
        """What was fetched is dealt with, or what lies before `next_offset` of it.

        It counts only while its assignment lasts: afterwards the partition is another member's. Where nothing was dealt
        with yet, the place to begin is marked.
        """
        if fetched.assignment == self._assignment:
            self._marked[fetched.partition] = fetched.next_offset if next_offset is None else next_offset

    async def commit(self) -> None:
        """Commits what is marked and not committed yet. Raises KafkaError."""
        fresh = {p: offset for p, offset in self._marked.items() if self._committed.get(p) != offset}
        if self._membership is not None and fresh:
            await self._membership.commit(fresh)
            self._committed.update(fresh)

    async def aclose(self) -> None:
        """Commits and leaves the group."""
        if self._fetchers is not None:
            self._fetchers.scope.cancel()
        if self._membership is not None:
            await self._commit_quietly()
            await self._membership.leave()

    # the group

    async def _stay_in_group(self, membership: Membership) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._commit_now_and_then)
            try:
                await membership.run()
            except KafkaError as error:
                await self._arrived.send((self._assignment, error))
            nursery.cancel_scope.cancel()

    async def _on_assigned(self, partitions: list[TopicPartition]) -> None:
        assert self._membership is not None
        committed = await self._membership.committed(partitions)
        self._committed = {p: offset for p, offset in committed.items() if offset >= 0}
        self.assign({p: self._committed.get(p, self._reset) for p in partitions})

    async def _on_revoked(self) -> None:
        await self._commit_quietly()
        self.assign({})

    async def _commit_now_and_then(self) -> None:
        while True:
            await trio.sleep(COMMIT_INTERVAL_S)
            await self._commit_quietly()

    async def _commit_quietly(self) -> None:
        try:
            await self.commit()
        except KafkaError as error:
            log.warning("offsets are not committed: %s", error)


@asynccontextmanager
async def open_consumer(cluster: Cluster, options: FetchOptions, *, reset: int = LATEST) -> AsyncIterator[Consumer]:
    """A consumer for the length of the block; leaving it commits what is marked, and leaves the group."""
    async with background() as nursery:
        consumer = Consumer(cluster, options, nursery, reset)
        try:
            yield consumer
        finally:
            with trio.move_on_after(5.0, shield=True):
                await consumer.aclose()
