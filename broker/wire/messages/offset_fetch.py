# Written by `python -m broker.wire.generate` from schema/09_offset_fetch.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Reads what groups have committed.

From v2 on null asks for all topics, v5 adds leader epochs, v7 waits for pending transactions, v8 asks for several groups
at once, v9 fences by member epoch.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["OffsetFetchRequest", "OffsetFetchRequestGroup", "OffsetFetchRequestGroupTopic", "OffsetFetchRequestTopic", "OffsetFetchResponse", "OffsetFetchResponseGroup", "OffsetFetchResponseGroupPartition", "OffsetFetchResponseGroupTopic", "OffsetFetchResponsePartition", "OffsetFetchResponseTopic"]


class OffsetFetchRequestTopic(Struct):
    """Null for all."""

    __slots__ = ("name", "partition_indexes")
    FIELDS = (
        Field("name", "string", 0, 7, default=""),
        Field("partition_indexes", "int32", 0, 7, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partition_indexes: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partition_indexes: list[int] = [] if partition_indexes is MISSING else partition_indexes


class OffsetFetchRequestGroupTopic(Struct):
    """Null for all."""

    __slots__ = ("name", "partition_indexes")
    FIELDS = (
        Field("name", "string", 8, 9, default=""),
        Field("partition_indexes", "int32", 8, 9, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partition_indexes: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partition_indexes: list[int] = [] if partition_indexes is MISSING else partition_indexes


class OffsetFetchRequestGroup(Struct):
    __slots__ = ("group_id", "member_id", "member_epoch", "topics")
    FIELDS = (
        Field("group_id", "string", 8, 9, default=""),
        Field("member_id", "string", 9, 9, nullable_from=9, default=None, ignorable=True),
        Field("member_epoch", "int32", 9, 9, default=-1, ignorable=True),
        Field("topics", "struct", 8, 9, array=True, nullable_from=8, struct=OffsetFetchRequestGroupTopic),
    )

    def __init__(
        self,
        group_id: str = "",
        member_id: str | None = None,
        member_epoch: int = -1,
        topics: list[OffsetFetchRequestGroupTopic] | None = MISSING,  # null for all
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.topics: list[OffsetFetchRequestGroupTopic] | None = [] if topics is MISSING else topics


class OffsetFetchRequest(Message):
    __slots__ = ("group_id", "topics", "groups", "require_stable")
    API_KEY = 9
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("group_id", "string", 0, 7, default=""),
        Field("topics", "struct", 0, 7, array=True, nullable_from=2, struct=OffsetFetchRequestTopic),
        Field("groups", "struct", 8, 9, array=True, struct=OffsetFetchRequestGroup),
        Field("require_stable", "bool", 7, 9, default=False),
    )

    def __init__(
        self,
        group_id: str = "",
        topics: list[OffsetFetchRequestTopic] | None = MISSING,  # null for all
        groups: list[OffsetFetchRequestGroup] = MISSING,
        require_stable: bool = False,  # fail rather than answer while a transaction is open
    ) -> None:
        self.group_id = group_id
        self.topics: list[OffsetFetchRequestTopic] | None = [] if topics is MISSING else topics
        self.groups: list[OffsetFetchRequestGroup] = [] if groups is MISSING else groups
        self.require_stable = require_stable


class OffsetFetchResponsePartition(Struct):
    __slots__ = ("partition_index", "committed_offset", "committed_leader_epoch", "metadata", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 7, default=0),
        Field("committed_offset", "int64", 0, 7, default=0),
        Field("committed_leader_epoch", "int32", 5, 7, default=-1, ignorable=True),
        Field("metadata", "string", 0, 7, nullable_from=0, default=""),
        Field("error_code", "int16", 0, 7, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        committed_offset: int = 0,  # -1 for none
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code


class OffsetFetchResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 7, default=""),
        Field("partitions", "struct", 0, 7, array=True, struct=OffsetFetchResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetFetchResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetFetchResponsePartition] = [] if partitions is MISSING else partitions


class OffsetFetchResponseGroupPartition(Struct):
    __slots__ = ("partition_index", "committed_offset", "committed_leader_epoch", "metadata", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 8, 9, default=0),
        Field("committed_offset", "int64", 8, 9, default=0),
        Field("committed_leader_epoch", "int32", 8, 9, default=-1, ignorable=True),
        Field("metadata", "string", 8, 9, nullable_from=8, default=""),
        Field("error_code", "int16", 8, 9, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        committed_offset: int = 0,  # -1 for none
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code


class OffsetFetchResponseGroupTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 8, 9, default=""),
        Field("partitions", "struct", 8, 9, array=True, struct=OffsetFetchResponseGroupPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetFetchResponseGroupPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetFetchResponseGroupPartition] = [] if partitions is MISSING else partitions


class OffsetFetchResponseGroup(Struct):
    __slots__ = ("group_id", "topics", "error_code")
    FIELDS = (
        Field("group_id", "string", 8, 9, default=""),
        Field("topics", "struct", 8, 9, array=True, struct=OffsetFetchResponseGroupTopic),
        Field("error_code", "int16", 8, 9, default=0),
    )

    def __init__(
        self,
        group_id: str = "",
        topics: list[OffsetFetchResponseGroupTopic] = MISSING,
        error_code: int = 0,
    ) -> None:
        self.group_id = group_id
        self.topics: list[OffsetFetchResponseGroupTopic] = [] if topics is MISSING else topics
        self.error_code = error_code


class OffsetFetchResponse(Message):
    __slots__ = ("throttle_time_ms", "topics", "error_code", "groups")
    API_KEY = 9
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("throttle_time_ms", "int32", 3, 9, default=0, ignorable=True),
        Field("topics", "struct", 0, 7, array=True, struct=OffsetFetchResponseTopic),
        Field("error_code", "int16", 2, 7, default=0, ignorable=True),
        Field("groups", "struct", 8, 9, array=True, struct=OffsetFetchResponseGroup),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[OffsetFetchResponseTopic] = MISSING,
        error_code: int = 0,
        groups: list[OffsetFetchResponseGroup] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[OffsetFetchResponseTopic] = [] if topics is MISSING else topics
        self.error_code = error_code
        self.groups: list[OffsetFetchResponseGroup] = [] if groups is MISSING else groups
