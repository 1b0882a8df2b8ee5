# Written by `python -m broker.wire.generate` from schema/47_offset_delete.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Deletes what a group has committed on partitions."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["OffsetDeleteRequest", "OffsetDeleteRequestPartition", "OffsetDeleteRequestTopic", "OffsetDeleteResponse", "OffsetDeleteResponsePartition", "OffsetDeleteResponseTopic"]


class OffsetDeleteRequestPartition(Struct):
    __slots__ = ("partition_index",)
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
    ) -> None:
        self.partition_index = partition_index


class OffsetDeleteRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=OffsetDeleteRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetDeleteRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetDeleteRequestPartition] = [] if partitions is MISSING else partitions


class OffsetDeleteRequest(Message):
    __slots__ = ("group_id", "topics")
    API_KEY = 47
    VERSIONS = (0, 0)
    FIELDS = (
        Field("group_id", "string", 0, 0, default=""),
        Field("topics", "struct", 0, 0, array=True, struct=OffsetDeleteRequestTopic),
    )

    def __init__(
        self,
        group_id: str = "",
        topics: list[OffsetDeleteRequestTopic] = MISSING,
    ) -> None:
        self.group_id = group_id
        self.topics: list[OffsetDeleteRequestTopic] = [] if topics is MISSING else topics


class OffsetDeleteResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code


class OffsetDeleteResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=OffsetDeleteResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[OffsetDeleteResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[OffsetDeleteResponsePartition] = [] if partitions is MISSING else partitions


class OffsetDeleteResponse(Message):
    __slots__ = ("error_code", "throttle_time_ms", "topics")
    API_KEY = 47
    VERSIONS = (0, 0)
    FIELDS = (
        Field("error_code", "int16", 0, 0, default=0),
        Field("throttle_time_ms", "int32", 0, 0, default=0, ignorable=True),
        Field("topics", "struct", 0, 0, array=True, struct=OffsetDeleteResponseTopic),
    )

    def __init__(
        self,
        error_code: int = 0,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[OffsetDeleteResponseTopic] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[OffsetDeleteResponseTopic] = [] if topics is MISSING else topics
