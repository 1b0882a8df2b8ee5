"""Which broker coordinates which groups: claims on slots.

A group falls into a slot, the number of its partition of `__consumer_offsets` (`broker.group.slots`). With
`offsets.storage=coord` that topic holds nothing and need not exist; what makes a broker the coordinator of a slot is a
claim in the tree:

    /brokers/coordinators/<slot>          persistent; its version counts the claims
    /brokers/coordinators/<slot>/owner    ephemeral {"version":1,"brokerid":N}

A claim is one multi that creates the owner and sets the slot's znode with the version that was read, as an election
does with /controller and /controller_epoch. Every write of offsets carries a check of the version that the claim
gave, so a coordinator that has been replaced cannot commit, whatever it believes. When a broker dies its owners go
with its session, and another claims the slot when the next client asks.

An unclaimed slot is claimed by the leader of its partition of `__consumer_offsets` if the topic has one, else by a
live broker chosen by rendezvous hash: any broker can tell which, and no group is without a coordinator while one broker
lives. A slot whose preferred broker is another one is given up as soon as its groups have no members.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable

import trio

from broker.group.slots import preferred_broker
from broker.wire.errors import ErrorCode
from coord.client import (
    BadVersionError,
    Check,
    Client,
    CoordError,
    Create,
    NodeExistsError,
    NoNodeError,
    SetData,
    State,
)

from .metadata_cache import Image, MetadataCache

__all__ = ["OFFSETS_TOPIC", "Claims"]

log = logging.getLogger(__name__)

OFFSETS_TOPIC = "__consumer_offsets"
BASE = "/brokers/coordinators"
SETTLE_SECONDS = 5.0
"""After a change of the cluster: rest before slots are given up, so that a restart moves nothing twice."""


class Claims:
    """The slots of this broker. `lost` is called with slots that are not its own any more."""

    def __init__(
        self,
        broker_id: int,
        metadata: MetadataCache,
        idle: Callable[[int], bool],
        lost: Callable[[list[int]], None],
    ) -> None:
        """`idle(slot)`: whether the slot's groups have no members."""
        self._broker_id = broker_id
        self._metadata = metadata
        self._idle = idle
        self._lost = lost
        self._client: Client | None = None
        self._fences: dict[int, int] = {}
        """Claimed slot -> version of its znode."""
        self._lock = trio.Lock()

    def owns(self, slot: int) -> bool:
        """Whether this broker coordinates the slot's groups."""
        return slot in self._fences

    def fence(self, slot: int) -> Check:
        """The check that every write for the slot's groups carries. Raises KeyError for a slot that is not claimed."""
        return Check(_slot_path(slot), self._fences[slot])

    def give_up(self, slots: Iterable[int]) -> None:
        """The tree says that these slots are another's."""
        gone = [slot for slot in slots if self._fences.pop(slot, None) is not None]
        if gone:
            log.warning("no longer coordinator of the groups in slots %s", ", ".join(map(str, gone)))
            self._lost(gone)

    async def run(self, client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        """Lives as long as a session; its claims end with it."""
        await client.ensure_path(BASE)
        self._client = client
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow_cluster, client)
                nursery.start_soon(self._doubt, client)
        finally:
            self._client = None
            slots, self._fences = list(self._fences), {}
            if slots:
                self._lost(slots)

    async def find(self, slot: int) -> tuple[ErrorCode, int]:
        """The broker to ask about the slot's groups; claims the slot where that is this broker."""
        if slot in self._fences:
            return ErrorCode.NONE, self._broker_id
        try:
            holder = await self._holder(slot)
            preferred = self._preferred(slot, self._metadata.image)
            if holder is None and preferred == self._broker_id:
                return await self.claim(slot), self._broker_id
        except CoordError as error:
            log.info("the coordinator of slot %d is not known: %s", slot, error)
            return ErrorCode.COORDINATOR_NOT_AVAILABLE, -1
        found = preferred if holder is None else holder
        if found is None or found not in self._metadata.image.brokers:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE, -1
        return ErrorCode.NONE, found

    async def claim(self, slot: int) -> ErrorCode:
        """Makes this broker the slot's coordinator if it should be: NONE, NOT_COORDINATOR or COORDINATOR_NOT_AVAILABLE."""
        async with self._lock:
            if slot in self._fences:
                return ErrorCode.NONE
            if self._client is None:
                return ErrorCode.COORDINATOR_NOT_AVAILABLE
            try:
                return await self._claim(self._client, slot)
            except CoordError as error:
                log.info("slot %d cannot be claimed now: %s", slot, error)
                return ErrorCode.COORDINATOR_NOT_AVAILABLE

    async def _follow_cluster(self, client: Client) -> None:
        while True:
            await self._metadata.changed()
            await trio.sleep(SETTLE_SECONDS)
            await self._give_back(client)

    async def _doubt(self, client: Client) -> None:
        """Gives all slots up when the session has had no server for as long as it lives: others may have them by now."""
        suspended = trio.Event()

        def watch(state: State) -> None:
            if state is State.SUSPENDED:
                suspended.set()

        unwatch = client.on_state(watch)
        try:
            while True:
                await suspended.wait()
                suspended = trio.Event()
                with trio.move_on_after(client.session_timeout):
                    await client.wait_connected()
                if client.state is State.SUSPENDED:
                    self.give_up(list(self._fences))
        finally:
            unwatch()

    async def _claim(self, client: Client, slot: int) -> ErrorCode:
        path = _slot_path(slot)
        owner = {"version": 1, "brokerid": self._broker_id}
        while True:
            if await self._is_taken(client, slot):
                return ErrorCode.NOT_COORDINATOR
            stat = await client.exists(path)
            if stat is None:
                await client.ensure_path(path)
                continue
            create = Create(
                _owner_path(slot), json.dumps(owner, separators=(",", ":")).encode(), ephemeral=True
            )
            try:
                await client.multi([create, SetData(path, b"", stat.version)])
            except (NodeExistsError, BadVersionError):
                continue  # somebody was faster, or an earlier attempt of ours got through: look again
            if client is not self._client:
                return ErrorCode.COORDINATOR_NOT_AVAILABLE
            self._fences[slot] = stat.version + 1
            return ErrorCode.NONE

    async def _is_taken(self, client: Client, slot: int) -> bool:
        """Whether another broker has or should have the slot. What an earlier attempt of ours left is removed."""
        try:
            _, stat = await client.get(_owner_path(slot))
        except NoNodeError:
            return self._preferred(slot, self._metadata.image) != self._broker_id
        if stat.ephemeral_owner != client.session_id:
            return True
        await client.delete(_owner_path(slot))
        return False

    async def _holder(self, slot: int) -> int | None:
        if self._client is None:
            return None
        try:
            data, _ = await self._client.get(_owner_path(slot))
        except NoNodeError:
            return None
        try:
            return int(json.loads(data)["brokerid"])
        except (ValueError, KeyError, TypeError):
            return -1

    def _preferred(self, slot: int, image: Image) -> int | None:
        leader = image.leader_of(OFFSETS_TOPIC, slot)
        return preferred_broker(slot, image.brokers) if leader is None else leader

    async def _give_back(self, client: Client) -> None:
        for slot in list(self._fences):
            preferred = self._preferred(slot, self._metadata.image)
            if preferred is None or preferred == self._broker_id or not self._idle(slot):
                continue
            del self._fences[slot]
            self._lost([slot])
            log.info("gave the groups in slot %d to broker %d", slot, preferred)
            try:
                await client.delete(_owner_path(slot))
            except NoNodeError:
                pass


def _slot_path(slot: int) -> str:
    return f"{BASE}/{slot}"


def _owner_path(slot: int) -> str:
    return f"{BASE}/{slot}/owner"
