# Written by `python -m broker.wire.generate` from schema/08_offset_commit.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Stores how far a group has read.

v1 adds generation and member, v2-4 a retention time, v5 drops it again, v6 adds leader epochs, v7 static membership.
v9 is for the new group protocol as well, with the same layout.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["OffsetCommitRequest", "OffsetCommitRequestPartition", "OffsetCommitRequestTopic", "OffsetCommitResponse", "OffsetCommitResponsePartition", "OffsetCommitResponseTopic"]


class OffsetCommitRequestPartition(Struct):
    __slots__ = ("partition_index", "committed_offset", "committed_leader_epoch", "commit_timestamp", "committed_metadata")
    FIELDS = (
        Field("partition_index", "int32", 0, 9, default=0),
        Field("committed_offset", "int64", 0, 9, default=0),
        Field("committed_leader_epoch", "int32", 6, 9, default=-1, ignorable=True),
        Field("commit_timestamp", "int64", 1, 1, default=-1),
        Field("committed_metadata", "string", 0, 9, nullable_from=0, default=""),
    )

    def __init__(
        self,
        partition_index: int = 0,
        committed_offset: int = 0,  # the next one to read
        committed_leader_epoch: int = -1,  # of the last record read, -1 for unknown
        commit_timestamp: int = -1,  # v1 only; -1 for now
        committed_metadata: str | None = "",
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.commit_timestamp = commit_timestamp
        self.committed_metadata = committed_metadata


class OffsetCommitRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 9, default=""),
        Field("partitions", "struct", 0, 9, array=True, struct=OffsetCommitRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetCommitRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetCommitRequestPartition] = [] if partitions is MISSING else partitions


class OffsetCommitRequest(Message):
    __slots__ = ("group_id", "generation_id_or_member_epoch", "member_id", "group_instance_id", "retention_time_ms", "topics")
    API_KEY = 8
    VERSIONS = (0, 9)
    FLEXIBLE = 8
    FIELDS = (
        Field("group_id", "string", 0, 9, default=""),
        Field("generation_id_or_member_epoch", "int32", 1, 9, default=-1, ignorable=True),
        Field("member_id", "string", 1, 9, default="", ignorable=True),
        Field("group_instance_id", "string", 7, 9, nullable_from=7, default=None),
        Field("retention_time_ms", "int64", 2, 4, default=-1, ignorable=True),
        Field("topics", "struct", 0, 9, array=True, struct=OffsetCommitRequestTopic),
    )

    def __init__(
        self,
        group_id: str = "",
        generation_id_or_member_epoch: int = -1,  # -1 outside of a group
        member_id: str = "",  # empty outside of a group
        group_instance_id: str | None = None,  # the member's static id
        retention_time_ms: int = -1,  # -1 for what the broker is configured to
        topics: list[OffsetCommitRequestTopic] = MISSING,
    ) -> None:
        self.group_id = group_id
        self.generation_id_or_member_epoch = generation_id_or_member_epoch
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.retention_time_ms = retention_time_ms
        self.topics: list[OffsetCommitRequestTopic] = [] if topics is MISSING else topics


class OffsetCommitResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 9, default=0),
        Field("error_code", "int16", 0, 9, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code


class OffsetCommitResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 9, default=""),
        Field("partitions", "struct", 0, 9, array=True, struct=OffsetCommitResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetCommitResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetCommitResponsePartition] = [] if partitions is MISSING else partitions


class OffsetCommitResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 8
    VERSIONS = (0, 9)
    FLEXIBLE = 8
    FIELDS = (
        Field("throttle_time_ms", "int32", 3, 9, default=0, ignorable=True),
        Field("topics", "struct", 0, 9, array=True, struct=OffsetCommitResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[OffsetCommitResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[OffsetCommitResponseTopic] = [] if topics is MISSING else topics
