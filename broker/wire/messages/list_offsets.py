# Written by `python -m broker.wire.generate` from schema/02_list_offsets.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Looks up offsets by timestamp: -1 is the end of the log, -2 its start, -3 the record with the largest timestamp.

v0 answers with a list of offsets, v1 on with one offset and its timestamp. v7 allows -3, v8 -4 (first local offset of
a tiered log), v9 -5 (last tiered offset).
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ListOffsetsRequest", "ListOffsetsRequestPartition", "ListOffsetsRequestTopic", "ListOffsetsResponse", "ListOffsetsResponsePartition", "ListOffsetsResponseTopic"]


class ListOffsetsRequestPartition(Struct):
    __slots__ = ("partition_index", "current_leader_epoch", "timestamp", "max_num_offsets")
    FIELDS = (
        Field("partition_index", "int32", 0, 9, default=0),
        Field("current_leader_epoch", "int32", 4, 9, default=-1, ignorable=True),
        Field("timestamp", "int64", 0, 9, default=0),
        Field("max_num_offsets", "int32", 0, 0, default=1),
    )

    def __init__(
        self,
        partition_index: int = 0,
        current_leader_epoch: int = -1,  # the epoch that the sender knows, to be fenced by; -1 for none
        timestamp: int = 0,  # milliseconds, or one of the negative numbers above
        max_num_offsets: int = 1,  # how many segment starts to list
    ) -> None:
        self.partition_index = partition_index
        self.current_leader_epoch = current_leader_epoch
        self.timestamp = timestamp
        self.max_num_offsets = max_num_offsets


class ListOffsetsRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 9, default=""),
        Field("partitions", "struct", 0, 9, array=True, struct=ListOffsetsRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[ListOffsetsRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[ListOffsetsRequestPartition] = [] if partitions is MISSING else partitions


class ListOffsetsRequest(Message):
    __slots__ = ("replica_id", "isolation_level", "topics")
    API_KEY = 2
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("replica_id", "int32", 0, 9, default=0),
        Field("isolation_level", "int8", 2, 9, default=0),
        Field("topics", "struct", 0, 9, array=True, struct=ListOffsetsRequestTopic),
    )

    def __init__(
        self,
        replica_id: int = 0,  # the follower's broker id, -1 for consumers
        isolation_level: int = 0,  # 0 reads everything, 1 committed transactions only
        topics: list[ListOffsetsRequestTopic] = MISSING,
    ) -> None:
        self.replica_id = replica_id
        self.isolation_level = isolation_level
        self.topics: list[ListOffsetsRequestTopic] = [] if topics is MISSING else topics


class ListOffsetsResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code", "old_style_offsets", "timestamp", "offset", "leader_epoch")
    FIELDS = (
        Field("partition_index", "int32", 0, 9, default=0),
        Field("error_code", "int16", 0, 9, default=0),
        Field("old_style_offsets", "int64", 0, 0, array=True),
        Field("timestamp", "int64", 1, 9, default=-1),
        Field("offset", "int64", 1, 9, default=-1),
        Field("leader_epoch", "int32", 4, 9, default=-1),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
        old_style_offsets: list[int] = MISSING,  # newest first
        timestamp: int = -1,  # of the record found; -1 for none
        offset: int = -1,  # -1 where no record is that late
        leader_epoch: int = -1,  # counts the elections of the partition
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.old_style_offsets: list[int] = [] if old_style_offsets is MISSING else old_style_offsets
        self.timestamp = timestamp
        self.offset = offset
        self.leader_epoch = leader_epoch


class ListOffsetsResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 9, default=""),
        Field("partitions", "struct", 0, 9, array=True, struct=ListOffsetsResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[ListOffsetsResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[ListOffsetsResponsePartition] = [] if partitions is MISSING else partitions


class ListOffsetsResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 2
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("throttle_time_ms", "int32", 2, 9, default=0, ignorable=True),
        Field("topics", "struct", 0, 9, array=True, struct=ListOffsetsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[ListOffsetsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[ListOffsetsResponseTopic] = [] if topics is MISSING else topics
