"""The tasks that fetch one assignment: one for each leader, and one that looks after them.

A leader's task fetches in a loop. When a partition of its moves, is truncated, or fails, the task ends; the task that
looks after them all finds positions and leaders anew and starts what is missing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable

import trio

from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.messages import FetchResponse

from .admin import EARLIEST, list_offsets
from .cluster import Cluster, TopicPartition
from .fetching import Fetched, FetchOptions, Positions, fetch_request

__all__ = ["Fetchers"]

log = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.2
FETCH_PATIENCE_S = 30.0
LINE = "fetch"
"""A connection of its own to each leader: a fetch that waits holds up nothing else."""


class Fetchers:
    """`run` fetches until its scope is cancelled; `deliver` takes what arrives, and waits when there is too much."""

    def __init__(
        self,
        cluster: Cluster,
        positions: Positions,
        options: FetchOptions,
        reset: int,
        deliver: Callable[[Fetched | KafkaError], Awaitable[None]],
        positioned: Callable[[TopicPartition, int], None],
    ) -> None:
        self.scope = trio.CancelScope()
        self._cluster = cluster
        self._positions = positions
        self._options = options
        self._reset = reset
        self._deliver = deliver
        self._positioned = positioned
        self._tasks: dict[int, list[TopicPartition]] = {}
        self._changed = trio.Event()

    async def run(self) -> None:
        """Looks after the leaders' tasks."""
        with self.scope:
            async with trio.open_nursery() as nursery:
                while True:
                    self._changed = trio.Event()
                    try:
                        await self._find_positions()
                        await self._start_missing(nursery)
                    except KafkaError as error:
                        if not error.retriable:
                            await self._deliver(error)
                            return
                        log.info("%s", error)
                        for topic in self._positions.topics():
                            self._cluster.forget(topic)  # or the same leaders would be found wanting for ever
                        await trio.sleep(RETRY_PAUSE_S)
                    else:
                        await self._changed.wait()

    async def _find_positions(self) -> None:
        """Turns EARLIEST and LATEST into offsets."""
        unknown = self._positions.unknown()
        if unknown:
            found = await list_offsets(self._cluster, unknown, isolation_level=self._options.isolation_level)
            for partition, offset in found.items():
                self._positions.seek(partition, offset)
                self._positioned(partition, offset)

    async def _start_missing(self, nursery: trio.Nursery) -> None:
        """Gives every partition that nobody fetches to its leader's task. Raises KafkaError, when all others are being
        fetched, for one that has no leader."""
        busy = {partition for partitions in self._tasks.values() for partition in partitions}
        missing: dict[int, list[TopicPartition]] = defaultdict(list)
        leaderless: KafkaError | None = None
        for partition in self._positions.known():
            if partition in busy:
                continue
            try:
                missing[await self._cluster.leader(partition)].append(partition)
            except KafkaError as error:
                if not error.retriable:
                    raise
                leaderless = error
        for leader, partitions in missing.items():
            if leader in self._tasks:
                self._tasks[leader].extend(partitions)  # part of its next request
            else:
                self._tasks[leader] = partitions
                nursery.start_soon(self._fetch_from, leader)
        if leaderless is not None:
            raise leaderless

    async def _fetch_from(self, leader: int) -> None:
        partitions = self._tasks[leader]
        while positions := self._positions.known(partitions):
            try:
                connection = await self._cluster.node(leader, LINE)
                request = fetch_request(positions, self._options)
                answer = await connection.request(request, FetchResponse, timeout_s=FETCH_PATIENCE_S)
            except KafkaError as failed:
                log.info("%s", failed)
                for topic in {topic for topic, _ in positions}:
                    self._cluster.forget(topic)
                break
            outcome = self._positions.take(answer)
            for fetched in outcome.fetched:
                await self._deliver(fetched)
            for partition, error in outcome.errors.items():
                await self._on_error(partition, error)
            if outcome.errors:
                break
        await trio.sleep(RETRY_PAUSE_S)
        del self._tasks[leader]
        self._changed.set()

    async def _on_error(self, partition: TopicPartition, error: KafkaError) -> None:
        if error.code == ErrorCode.OFFSET_OUT_OF_RANGE:
            log.warning("%s: reading on from the %s offset", error, "earliest" if self._reset == EARLIEST else "latest")
            self._positions.seek(partition, self._reset)
        elif error.retriable:
            self._cluster.forget(partition[0])
        else:
            await self._deliver(error)
