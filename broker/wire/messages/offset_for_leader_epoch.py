# Written by `python -m broker.wire.generate` from schema/23_offset_for_leader_epoch.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Where a leader epoch ends in the leader's log: followers and consumers truncate by it.

v1 returns the epoch that was found, v2 adds fencing, v3 says who asks.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["OffsetForLeaderEpochRequest", "OffsetForLeaderEpochRequestPartition", "OffsetForLeaderEpochRequestTopic", "OffsetForLeaderEpochResponse", "OffsetForLeaderEpochResponsePartition", "OffsetForLeaderEpochResponseTopic"]


class OffsetForLeaderEpochRequestPartition(Struct):
    __slots__ = ("partition", "current_leader_epoch", "leader_epoch")
    FIELDS = (
        Field("partition", "int32", 0, 4, default=0),
        Field("current_leader_epoch", "int32", 2, 4, default=-1, ignorable=True),
        Field("leader_epoch", "int32", 0, 4, default=0),
    )

    def __init__(
        self,
        partition: int = 0,
        current_leader_epoch: int = -1,  # the epoch that the sender knows, to be fenced by; -1 for none
        leader_epoch: int = 0,  # the epoch whose end is asked for
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.leader_epoch = leader_epoch


class OffsetForLeaderEpochRequestTopic(Struct):
    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 4, default=""),
        Field("partitions", "struct", 0, 4, array=True, struct=OffsetForLeaderEpochRequestPartition),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[OffsetForLeaderEpochRequestPartition] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[OffsetForLeaderEpochRequestPartition] = [] if partitions is MISSING else partitions


class OffsetForLeaderEpochRequest(Message):
    __slots__ = ("replica_id", "topics")
    API_KEY = 23
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("replica_id", "int32", 3, 4, default=-2, ignorable=True),
        Field("topics", "struct", 0, 4, array=True, struct=OffsetForLeaderEpochRequestTopic),
    )

    def __init__(
        self,
        replica_id: int = -2,  # the follower's broker id, -2 for versions without one, -1 for consumers
        topics: list[OffsetForLeaderEpochRequestTopic] = MISSING,
    ) -> None:
        self.replica_id = replica_id
        self.topics: list[OffsetForLeaderEpochRequestTopic] = [] if topics is MISSING else topics


class OffsetForLeaderEpochResponsePartition(Struct):
    __slots__ = ("error_code", "partition", "leader_epoch", "end_offset")
    FIELDS = (
        Field("error_code", "int16", 0, 4, default=0),
        Field("partition", "int32", 0, 4, default=0),
        Field("leader_epoch", "int32", 1, 4, default=-1, ignorable=True),
        Field("end_offset", "int64", 0, 4, default=-1),
    )

    def __init__(
        self,
        error_code: int = 0,
        partition: int = 0,
        leader_epoch: int = -1,  # the epoch found: the largest not above the one asked for
        end_offset: int = -1,  # first offset after that epoch, -1 for unknown
    ) -> None:
        self.error_code = error_code
        self.partition = partition
        self.leader_epoch = leader_epoch
        self.end_offset = end_offset


class OffsetForLeaderEpochResponseTopic(Struct):
    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 4, default=""),
        Field("partitions", "struct", 0, 4, array=True, struct=OffsetForLeaderEpochResponsePartition),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[OffsetForLeaderEpochResponsePartition] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[OffsetForLeaderEpochResponsePartition] = [] if partitions is MISSING else partitions


class OffsetForLeaderEpochResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 23
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 2, 4, default=0, ignorable=True),
        Field("topics", "struct", 0, 4, array=True, struct=OffsetForLeaderEpochResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[OffsetForLeaderEpochResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[OffsetForLeaderEpochResponseTopic] = [] if topics is MISSING else topics
