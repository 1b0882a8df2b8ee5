"""Committed offsets that nobody needs: of topics that were deleted, and of groups that have been idle for too long.

A topic's offsets go with it, or a later topic of its name would be read from the middle. A group's offsets go when it
has had no members for offsets.retention.minutes, as far as this coordinator has seen, and none was committed in that
time. Both are commits like any other (`OffsetEntry.removed`), in the one order of writes and under the same fence.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

import trio

from broker.group.membership import Membership
from broker.group.offsets import OffsetEntry
from broker.wire.errors import ErrorCode
from coord.client import CoordError
from coord.kit.host import Wall

from .coordinators import Claims
from .metadata_cache import Image, MetadataCache
from .offset_paths import group_id_of
from .offset_store import OffsetStore

__all__ = ["OffsetUpkeep"]

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class OffsetUpkeep:
    """Removes what is not needed, for the groups that this broker coordinates."""

    def __init__(
        self,
        broker_id: int,
        offsets: OffsetStore,
        claims: Claims,
        membership: Membership,
        metadata: MetadataCache,
        slot_of: Callable[[str], int],
        wall: Wall,
        *,
        retention: float,
        interval: float,
    ) -> None:
        """retention, interval: seconds."""
        self._broker_id = broker_id
        self._offsets = offsets
        self._claims = claims
        self._membership = membership
        self._slot_of = slot_of
        self._wall = wall
        self._retention = retention
        self._interval = interval
        self._deleted: set[str] = set()
        self._work = trio.Event()
        self._idle_since: dict[str, float] = {}
        metadata.on_change(self._look_for_deleted)

    async def run(self) -> None:
        """Works until cancelled."""
        due = trio.current_time() + self._interval
        while True:
            with trio.move_on_at(due):
                await self._work.wait()
            self._work = trio.Event()
            try:
                if self._deleted:
                    topics, self._deleted = self._deleted, set()
                    await self._drop_topics(topics)
                if trio.current_time() >= due:
                    due = trio.current_time() + self._interval
                    await self._drop_old()
            except CoordError as error:
                log.info("committed offsets could not be looked through: %s", error)
                await trio.sleep(RETRY_SECONDS)

    def _look_for_deleted(self, before: Image, after: Image) -> None:
        if before.topics is not after.topics:
            gone = before.topics.keys() - after.topics.keys()
            if gone:
                self._deleted |= gone
                self._work.set()

    async def _drop_topics(self, topics: set[str]) -> None:
        try:
            async for group_id in self._own_groups():
                offsets = await self._offsets.load(group_id)
                self._remove(group_id, offsets.removals(lambda entry: entry.topic in topics))
        except CoordError:
            self._deleted |= topics
            self._work.set()
            raise

    async def _drop_old(self) -> None:
        now = trio.current_time()
        before_ms = self._wall.now_ms() - int(self._retention * 1000)
        idle: dict[str, float] = {}
        async for group_id in self._own_groups():
            if self._membership.has_members(group_id):
                continue
            idle[group_id] = self._idle_since.get(group_id, now)
            if now - idle[group_id] < self._retention:
                continue
            offsets = await self._offsets.load(group_id)
            self._remove(group_id, offsets.removals(lambda entry: entry.time_ms < before_ms))
            if not len(offsets) and self._membership.remove(group_id) is not ErrorCode.NON_EMPTY_GROUP:
                await self._offsets.delete(group_id)
                log.info(
                    "group %r is forgotten: it has been idle for longer than offsets.retention.minutes",
                    group_id,
                )
        self._idle_since = idle

    async def _own_groups(self) -> AsyncIterator[str]:
        """The groups in the tree that this broker coordinates, or should."""
        coordinators: dict[int, int] = {}
        for name in await self._offsets.groups():
            group_id = group_id_of(name)
            slot = self._slot_of(group_id)
            if slot not in coordinators:
                coordinators[slot] = (await self._claims.find(slot))[1]
            if coordinators[slot] == self._broker_id:
                yield group_id

    def _remove(self, group_id: str, removals: list[OffsetEntry]) -> None:
        if not removals:
            return

        def done(error: ErrorCode) -> None:
            if error is not ErrorCode.NONE:
                log.warning(
                    "%d offsets of group %r could not be removed: %s", len(removals), group_id, error.name
                )

        self._offsets.commit(group_id, removals, done)
