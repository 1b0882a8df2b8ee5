"""The partitions on this broker: their logs, their roles, and the requests that wait for them.

The controller's orders come in here, produce and fetch go through here. What an append or a new high watermark wakes
is woken at the end of the network's wake-up, so that all that arrived together is seen together.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from broker.log.errors import LogStorageError
from broker.log.log import Log
from broker.log.manager import LogManager
from broker.replica.partition import Assignment, Partition
from broker.replica.purgatory import Purgatory
from broker.wire.errors import ErrorCode
from broker.wire.fields import NO_UUID
from broker.wire.messages import (
    LeaderAndIsrRequest,
    LeaderAndIsrRequestPartition,
    LeaderAndIsrResponse,
    LeaderAndIsrResponsePartition,
    LeaderAndIsrResponseTopic,
    StopReplicaRequest,
    StopReplicaResponse,
    StopReplicaResponsePartition,
)
from coord.kit.host import Wall

from .clock import Clock

__all__ = ["Key", "Replica", "ReplicaManager"]

log = logging.getLogger(__name__)

Key = tuple[str, int]
"""Topic and partition number."""
NO_LEADER_EPOCH = -1
LEADER_EPOCH_DURING_DELETE = -2
"""Leader epochs of StopReplica that are not compared."""

Waker = Callable[[], None]


class Replica:
    """One partition on this broker."""

    __slots__ = ("_uncommitted", "_written", "committed", "key", "log", "state")

    def __init__(self, key: Key, log: Log, state: Partition) -> None:
        self.key = key
        self.log = log
        self.state = state
        self.committed = 0
        """Bytes that this leader has written and that are below the high watermark: a waiting fetch counts by it."""
        self._written = 0
        self._uncommitted: deque[tuple[int, int]] = deque()
        """(end offset, `_written` then) of the appends above the high watermark."""

    def wrote(self, size: int) -> bool:
        """The leader has appended `size` bytes; whether the high watermark moved."""
        self._written += size
        if not self.state.appended():
            self._uncommitted.append((self.log.end_offset, self._written))
            return False
        self.count_committed()
        return True

    def count_committed(self) -> None:
        """The high watermark has moved."""
        high_watermark = self.state.high_watermark
        if high_watermark >= self.log.end_offset:
            self._uncommitted.clear()
            self.committed = self._written
        while self._uncommitted and self._uncommitted[0][0] <= high_watermark:
            self.committed = self._uncommitted.popleft()[1]


class ReplicaManager:
    """All replicas on this broker."""

    def __init__(
        self,
        broker_id: int,
        logs: LogManager,
        clock: Clock,
        wall: Wall,
        overrides: Callable[[str], Mapping[str, str]],
    ) -> None:
        """`overrides(topic)`: what a topic overrides in its configuration."""
        self._broker_id = broker_id
        self._logs = logs
        self._clock = clock
        self._wall = wall
        self._overrides = overrides
        self._replicas: dict[Key, Replica] = {}
        self._controller_epoch = -1
        self._moved: dict[Key, None] = {}
        self._gone: dict[Key, None] = {}
        self.produces: Purgatory[Waker] = Purgatory()
        """Produce requests that wait for the high watermark."""
        self.fetches: Purgatory[Waker] = Purgatory()
        """Fetch requests that wait for records."""
        clock.add(self)

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas.values())

    def find(self, topic: str, partition: int) -> Replica | None:
        """The replica of a partition, if it is on this broker."""
        return self._replicas.get((topic, partition))

    def high_watermarks(self) -> dict[Key, int]:
        """For the checkpoint: every partition's."""
        return {key: replica.state.high_watermark for key, replica in self._replicas.items()}

    def has(self, topic: str) -> bool:
        """Whether any partition of the topic is on this broker."""
        return any(key[0] == topic for key in self._replicas)

    # -- orders of the controller

    def become_leader_or_follower(self, request: LeaderAndIsrRequest) -> LeaderAndIsrResponse:
        """Leads or follows as told; a partition whose order is stale, or whose disk fails, has its own error."""
        if request.controller_epoch < self._controller_epoch:
            return LeaderAndIsrResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        self._controller_epoch = request.controller_epoch
        response = LeaderAndIsrResponse()
        for state in request.ungrouped_partition_states:
            error = self._assign(request, state.topic_name, NO_UUID, state)
            response.partition_errors.append(
                LeaderAndIsrResponsePartition(state.topic_name, state.partition_index, error)
            )
        for topic in request.topic_states:
            errors = []
            for state in topic.partition_states:
                error = self._assign(request, topic.topic_name, topic.topic_id, state)
                errors.append(LeaderAndIsrResponsePartition(topic.topic_name, state.partition_index, error))
            response.topics.append(LeaderAndIsrResponseTopic(topic.topic_id, errors))
            response.partition_errors += errors
        return response

    def stop_replicas(self, request: StopReplicaRequest) -> StopReplicaResponse:
        """Stops serving partitions, and deletes those it should."""
        if request.controller_epoch < self._controller_epoch:
            return StopReplicaResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        self._controller_epoch = request.controller_epoch
        return StopReplicaResponse(
            partition_errors=[
                StopReplicaResponsePartition(topic, index, self._stop((topic, index), epoch, delete))
                for topic, index, epoch, delete in _to_stop(request)
            ]
        )

    def _assign(
        self, request: LeaderAndIsrRequest, topic: str, topic_id: bytes, state: LeaderAndIsrRequestPartition
    ) -> ErrorCode:
        key = topic, state.partition_index
        try:
            replica = self._replica(key, topic_id)
        except LogStorageError as failure:
            log.error("%s-%d cannot be served: %s", *key, failure)
            return ErrorCode.KAFKA_STORAGE_ERROR
        if replica is None:
            return ErrorCode.INCONSISTENT_TOPIC_ID
        order = Assignment(
            request.controller_epoch,
            state.leader,
            state.leader_epoch,
            frozenset(state.isr),
            tuple(state.replicas),
            state.partition_epoch,
        )
        error = replica.state.assign(order, self._clock.now())
        if error is ErrorCode.NONE:
            if state.leader == self._broker_id:
                replica.log.begin_epoch(state.leader_epoch)
            self._gone[key] = None
            log.debug("%s-%d: leader %d in epoch %d", *key, state.leader, state.leader_epoch)
        return error

    def _replica(self, key: Key, topic_id: bytes) -> Replica | None:
        """The replica, made if need be; None when what is here belongs to another topic of this name."""
        found = self._replicas.get(key)
        if found is None:
            partition_log = self._logs.get(*key)
            if partition_log is None:
                partition_log = self._logs.create(*key, self._wall.now_ms(), self._overrides(key[0]))
            state = Partition(self._broker_id, partition_log, self._logs.high_watermark(*key))
            found = Replica(key, partition_log, state)
        if topic_id != NO_UUID:
            if found.log.topic_id not in (None, topic_id):
                return None
            try:
                self._logs.set_topic_id(found.log, topic_id)
            except OSError as error:
                raise LogStorageError(str(error)) from error
        self._replicas[key] = found
        return found

    def _stop(self, key: Key, leader_epoch: int, delete: bool) -> ErrorCode:
        replica = self._replicas.get(key)
        if replica is not None:
            if 0 <= leader_epoch < replica.state.leader_epoch:
                return ErrorCode.FENCED_LEADER_EPOCH
            replica.state.stop()
            self._gone[key] = None
        if delete:
            self._replicas.pop(key, None)
            try:
                self._logs.delete(*key, self._wall.now_ms())
            except LogStorageError as error:
                log.error("%s-%d: %s", *key, error)
                return ErrorCode.KAFKA_STORAGE_ERROR
        return ErrorCode.NONE

    # -- what waits

    def appended(self, replica: Replica, size: int) -> None:
        """Records were appended by this leader: moves the high watermark and marks who is to be woken."""
        if replica.wrote(size):
            self._moved[replica.key] = None

    def high_watermark_moved(self, replica: Replica) -> None:
        """A follower's fetch or a change of the ISR has moved the high watermark."""
        replica.count_committed()
        self._moved[replica.key] = None

    def wake(self) -> None:
        """Wakes what the appends and orders since the last call have made ready."""
        if self._moved:
            moved, self._moved = self._moved, {}
            for key in moved:
                for ready in self.produces.wake(key):
                    ready()
                for ready in self.fetches.wake(key):
                    ready()
        if self._gone:
            gone, self._gone = self._gone, {}
            for key in gone:
                for look_again in (*self.produces.wake_all(key), *self.fetches.wake_all(key)):
                    look_again()

    def deadline(self) -> float | None:
        """See `Deadlined`."""
        produce, fetch = self.produces.deadline(), self.fetches.deadline()
        if produce is None or fetch is None:
            return fetch if produce is None else produce
        return min(produce, fetch)

    def expire(self, now: float) -> None:
        """See `Deadlined`."""
        for time_is_up in (*self.produces.expired(now), *self.fetches.expired(now)):
            time_is_up()


def _to_stop(request: StopReplicaRequest) -> Iterator[tuple[str, int, int, bool]]:
    """(topic, partition, leader epoch, whether to delete) in any version's shape."""
    for ungrouped in request.ungrouped_partitions:
        yield ungrouped.topic_name, ungrouped.partition_index, NO_LEADER_EPOCH, request.delete_partitions
    for topic in request.topics:
        for index in topic.partition_indexes:
            yield topic.name, index, NO_LEADER_EPOCH, request.delete_partitions
    for state in request.topic_states:
        for partition in state.partition_states:
            yield (
                state.topic_name,
                partition.partition_index,
                partition.leader_epoch,
                partition.delete_partition,
            )
