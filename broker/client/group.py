"""Membership of a consumer group: join, share out, keep alive, commit, leave (the classic protocol).

`Membership.run` is a background task. It joins, hands the assignment to `assigned`, heartbeats, and on a rebalance
calls `revoked` (the moment to commit) and joins again. Whichever member the coordinator makes leader computes the
assignment for all.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import trio

from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Message, WireError
from broker.wire.messages import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupRequestMember,
    LeaveGroupResponse,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)

from .assignor import (
    RANGE,
    pack_assignment,
    pack_subscription,
    range_assignment,
    topics_of,
    unpack_assignment,
)
from .cluster import Cluster, TopicPartition
from .connection import REQUEST_TIMEOUT_S, Connection

__all__ = ["GroupOptions", "Membership"]

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Message)

RETRY_PAUSE_S = 0.1
_COORDINATOR_MOVED = frozenset(
    (
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.LEADER_NOT_AVAILABLE,
    )
)
_JOIN_AGAIN = frozenset((ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID))
LINE = "group"
"""A connection of its own, which no fetch holds up."""


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """Times are seconds."""

    group_id: str
    session_timeout_s: float = 45.0
    rebalance_timeout_s: float = 60.0
    heartbeat_s: float = 3.0
    instance_id: str | None = None


class Membership:
    """One member. `generation` is -1 outside of the group."""

    def __init__(
        self,
        cluster: Cluster,
        options: GroupOptions,
        topics: Sequence[str],
        assigned: Callable[[list[TopicPartition]], Awaitable[None]],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self.generation = -1
        self.member_id = ""
        self._cluster = cluster
        self._options = options
        self._topics = list(topics)
        self._assigned = assigned
        self._revoked = revoked
        self._coordinator: int | None = None

    async def run(self) -> None:
        """Stays in the group until cancelled. Raises KafkaError for what no retry cures."""
        while True:
            partitions = await self._join()
            await self._assigned(partitions)
            await self._stay()
            await self._revoked()

    # the coordinator

    async def _connection(self) -> Connection:
        if self._coordinator is None:
            answer = await self._cluster.request(FindCoordinatorRequest(key=self._options.group_id), FindCoordinatorResponse)
            if answer.error_code:
                raise KafkaError(answer.error_code, answer.error_message)
            if answer.node_id not in self._cluster.nodes:
                await self._cluster.refresh([])
            self._coordinator = answer.node_id
        return await self._cluster.node(self._coordinator, LINE)

    async def _ask(self, message: Message, response: type[R], *, timeout_s: float = REQUEST_TIMEOUT_S) -> R:
        """Asks the coordinator; finds it again, and asks again, for as long as it is moving."""
        give_up = trio.current_time() + REQUEST_TIMEOUT_S
        while True:
            try:
                answer = await (await self._connection()).request(message, response, timeout_s=timeout_s)
                code: int = getattr(answer, "error_code", 0)
                if code not in _COORDINATOR_MOVED:
                    return answer
                raise KafkaError(code, f"group {self._options.group_id!r}: {ErrorCode(code).message}")
            except KafkaError as error:
                if error.code not in _COORDINATOR_MOVED or trio.current_time() >= give_up:
                    raise
                self._coordinator = None
                await trio.sleep(RETRY_PAUSE_S)

    # membership

    async def _join(self) -> list[TopicPartition]:
        """Joins and shares out until there is an assignment."""
        while True:
            try:
                joined = await self._join_once()
                assignments = await self._share_out(joined) if joined.leader == joined.member_id else []
                request = SyncGroupRequest(
                    group_id=self._options.group_id,
                    generation_id=joined.generation_id,
                    member_id=joined.member_id,
                    group_instance_id=self._options.instance_id,
                    protocol_type="consumer",
                    protocol_name=joined.protocol_name,
                    assignments=assignments,
                )
                answer = await self._ask(request, SyncGroupResponse, timeout_s=self._patience())
                if answer.error_code:
                    raise KafkaError(answer.error_code)
                self.generation = joined.generation_id
                return unpack_assignment(answer.assignment)
            except KafkaError as error:
                if error.code not in _JOIN_AGAIN and error.code not in _COORDINATOR_MOVED:
                    raise
                log.debug("group %s: joining again: %s", self._options.group_id, error)
                self._forget_if_unknown(error.code)
                await trio.sleep(RETRY_PAUSE_S)

    async def _join_once(self) -> JoinGroupResponse:
        """One JoinGroup; a new member is given its id first and comes back with it."""
        while True:
            request = JoinGroupRequest(
                group_id=self._options.group_id,
                session_timeout_ms=int(self._options.session_timeout_s * 1000),
                rebalance_timeout_ms=int(self._options.rebalance_timeout_s * 1000),
                member_id=self.member_id,
                group_instance_id=self._options.instance_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(RANGE, pack_subscription(self._topics))],
            )
            answer = await self._ask(request, JoinGroupResponse, timeout_s=self._patience())
            if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
                self.member_id = answer.member_id
                continue
            if answer.error_code:
                raise KafkaError(
                    answer.error_code, f"group {self._options.group_id!r}: {ErrorCode(answer.error_code).message}"
                )
            self.member_id = answer.member_id
            return answer

    async def _share_out(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        """The leader's work."""
        try:
            members = {member.member_id: topics_of(member.metadata) for member in joined.members}
        except WireError as error:
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, f"a member's subscription does not parse: {error}") from error
        counts: dict[str, int] = {}
        for row in await self._cluster.refresh(sorted({topic for topics in members.values() for topic in topics})):
            if row.name is not None and not row.error_code:
                counts[row.name] = len(row.partitions)
        shares = range_assignment(members, counts)
        return [SyncGroupRequestAssignment(member, pack_assignment(share)) for member, share in shares.items()]

    async def _stay(self) -> None:
        """Heartbeats until the group rebalances or the member is out of it."""
        while True:
            await trio.sleep(self._options.heartbeat_s)
            request = HeartbeatRequest(self._options.group_id, self.generation, self.member_id, self._options.instance_id)
            try:
                answer = await self._ask(request, HeartbeatResponse)
            except KafkaError as error:
                if error.code not in _COORDINATOR_MOVED:
                    raise
                continue
            if answer.error_code in _JOIN_AGAIN:
                self._forget_if_unknown(answer.error_code)
                return
            if answer.error_code:
                raise KafkaError(answer.error_code)

    def _forget_if_unknown(self, code: int) -> None:
        if code == ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id, self.generation = "", -1

    def _patience(self) -> float:
        return self._options.rebalance_timeout_s + 5.0

    async def leave(self) -> None:
        """Leaves at once, so that the others need not wait for the session to run out. Failures are of no interest."""
        if not self.member_id:
            return
        member = LeaveGroupRequestMember(self.member_id, self._options.instance_id)
        request = LeaveGroupRequest(self._options.group_id, members=[member])
        try:
            connection = await self._connection()
            if connection.version_of(LeaveGroupRequest) < 3:
                request = LeaveGroupRequest(self._options.group_id, self.member_id)
            await connection.request(request, LeaveGroupResponse, timeout_s=3.0)
        except KafkaError as error:
            log.debug("leaving group %s: %s", self._options.group_id, error)
        self.member_id, self.generation = "", -1

    # offsets

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """What the group has committed; -1 where it has nothing. Raises KafkaError."""
        topics: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            topics[topic].append(partition)
        if not topics:
            return {}
        rows = [OffsetFetchRequestTopic(topic, numbers) for topic, numbers in topics.items()]
        answer = await self._ask(OffsetFetchRequest(self._options.group_id, rows), OffsetFetchResponse)
        if answer.error_code:
            raise KafkaError(answer.error_code)
        found: dict[TopicPartition, int] = {}
        for row in answer.topics:
            for part in row.partitions:
                if part.error_code:
                    raise KafkaError(part.error_code)
                found[row.name, part.partition_index] = part.committed_offset
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the next offsets to read. Raises KafkaError."""
        topics: dict[str, list[OffsetCommitRequestPartition]] = defaultdict(list)
        for (topic, partition), offset in offsets.items():
            topics[topic].append(OffsetCommitRequestPartition(partition, offset, committed_metadata=""))
        if not topics:
            return
        request = OffsetCommitRequest(
            group_id=self._options.group_id,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=self._options.instance_id,
            topics=[OffsetCommitRequestTopic(topic, rows) for topic, rows in topics.items()],
        )
        give_up = trio.current_time() + REQUEST_TIMEOUT_S
        while True:
            answer = await self._ask(request, OffsetCommitResponse)
            codes = {part.error_code for row in answer.topics for part in row.partitions} - {0}
            if not codes:
                return
            code = codes.pop()
            if code not in _COORDINATOR_MOVED or trio.current_time() >= give_up:
                raise KafkaError(code)
            self._coordinator = None
            await trio.sleep(RETRY_PAUSE_S)
