"""The group coordinator of this broker: the membership core, the claims on slots and the offsets, wired to requests.

A handler hands its work to `serve`, which runs it at once when this broker coordinates the group, and after a claim
when it may become the coordinator. Answers that the core gives later find their request through the core's token: a
function that takes the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from broker.group.answers import Reply
from broker.group.membership import Membership
from broker.group.slots import slot_of
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from coord.kit.host import Host

from .clock import Clock
from .config import BrokerConfig
from .coordinators import Claims
from .dispatch import PENDING, Outcome, Request
from .metadata_cache import MetadataCache
from .offset_store import OffsetStore
from .offset_upkeep import OffsetUpkeep
from .session import CoordSession
from .tasks import TaskPool

__all__ = ["GroupService"]

UUID_BITS = 128


class GroupService:
    """What the handlers of group requests work with."""

    def __init__(
        self,
        host: Host,
        config: BrokerConfig,
        clock: Clock,
        metadata: MetadataCache,
        session: CoordSession,
        tasks: TaskPool,
    ) -> None:
        random = host.random
        self.membership = Membership(config.group_limits, lambda: _uuid_text(random.getrandbits(UUID_BITS)))
        self.claims = Claims(config.broker_id, metadata, self._is_idle, self._lost)
        self.offsets = OffsetStore(
            session,
            self.claims,
            self.slot_of,
            host.network.flush,
            metadata_max=config.offset_metadata_max_bytes,
            timeout=config.offsets_commit_timeout_ms / 1000,
        )
        self.upkeep = OffsetUpkeep(
            config.broker_id,
            self.offsets,
            self.claims,
            self.membership,
            metadata,
            self.slot_of,
            host.wall,
            retention=config.offsets_retention_minutes * 60,
            interval=config.offsets_retention_check_interval_ms / 1000,
        )
        self._slots = config.offsets_topic_num_partitions
        self._clock = clock
        self._tasks = tasks
        clock.add(self)

    def slot_of(self, group_id: str) -> int:
        """The slot that the group falls into."""
        return slot_of(group_id, self._slots)

    def owns(self, group_id: str) -> bool:
        """Whether this broker coordinates the group now."""
        return self.claims.owns(self.slot_of(group_id))

    def now(self) -> float:
        """The time, as the core takes it."""
        return self._clock.now()

    def send(self, replies: Sequence[Reply]) -> None:
        """Gives answers to their requests."""
        for reply in replies:
            assert callable(reply.token)
            reply.token(reply.answer)
        when = self.membership.deadline()
        if when is not None:
            self._clock.nudge(when)

    def serve(
        self,
        group_id: str,
        request: Request,
        handle: Callable[[], Message | Outcome],
        refuse: Callable[[ErrorCode], Message],
        *,
        any_name: bool = False,
    ) -> Message | Outcome:
        """`handle()` if this broker coordinates the group, `refuse(error)` if not; PENDING while that is not known.

        any_name: the empty group id is good, as it is for commits.
        """
        if not group_id and not any_name:
            return refuse(ErrorCode.INVALID_GROUP_ID)
        if self.owns(group_id):
            return handle()

        async def claim_then_handle() -> Message | Outcome:
            error = await self.claims.claim(self.slot_of(group_id))
            return handle() if error is ErrorCode.NONE else refuse(error)

        self._tasks.start(request, claim_then_handle)
        return PENDING

    def wait(self, request: Request, job: Callable[[], Awaitable[Message | Outcome]]) -> Outcome:
        """Answers a request by a job that waits for the tree."""
        self._tasks.start(request, job)
        return PENDING

    async def coordinate(self, group_id: str) -> ErrorCode:
        """Becomes the group's coordinator if it should; for handlers that wait anyway."""
        return ErrorCode.NONE if self.owns(group_id) else await self.claims.claim(self.slot_of(group_id))

    # -- the clock's side

    def deadline(self) -> float | None:
        """See `Deadlined`."""
        return self.membership.deadline()

    def expire(self, now: float) -> None:
        """See `Deadlined`."""
        self.send(self.membership.expire(now))

    # -- the claims' side

    def _is_idle(self, slot: int) -> bool:
        return not any(
            self.membership.has_members(group_id)
            for group_id in self.membership.group_ids()
            if self.slot_of(group_id) == slot
        )

    def _lost(self, slots: list[int]) -> None:
        gone = set(slots)
        self.send(self.membership.unload([g for g in self.membership.group_ids() if self.slot_of(g) in gone]))
        self.offsets.forget([g for g in self.offsets.group_ids() if self.slot_of(g) in gone])


def _uuid_text(bits: int) -> str:
    """A random number as a version 4 UUID is written."""
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
