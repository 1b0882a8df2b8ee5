# Written by `python -m broker.wire.generate` from schema/21_delete_records.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Moves the start of logs forward."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DeleteRecordsRequest", "DeleteRecordsRequestPartition", "DeleteRecordsRequestTopic", "DeleteRecordsResponse", "DeleteRecordsResponsePartition", "DeleteRecordsResponseTopic"]


class DeleteRecordsRequestPartition(Struct):
    __slots__ = ("partition_index", "offset")
    FIELDS = (
        Field("partition_index", "int32", 0, 2, default=0),
        Field("offset", "int64", 0, 2, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        offset: int = 0,  # first offset to keep; -1 for none but the end
    ) -> None:
        self.partition_index = partition_index
        self.offset = offset


class DeleteRecordsRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 2, default=""),
        Field("partitions", "struct", 0, 2, array=True, struct=DeleteRecordsRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[DeleteRecordsRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[DeleteRecordsRequestPartition] = [] if partitions is MISSING else partitions


class DeleteRecordsRequest(Message):
    __slots__ = ("topics", "timeout_ms")
    API_KEY = 21
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("topics", "struct", 0, 2, array=True, struct=DeleteRecordsRequestTopic),
        Field("timeout_ms", "int32", 0, 2, default=0),
    )

    def __init__(
        self,
        topics: list[DeleteRecordsRequestTopic] = MISSING,
        timeout_ms: int = 0,
    ) -> None:
        self.topics: list[DeleteRecordsRequestTopic] = [] if topics is MISSING else topics
        self.timeout_ms = timeout_ms


class DeleteRecordsResponsePartition(Struct):
    __slots__ = ("partition_index", "low_watermark", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 2, default=0),
        Field("low_watermark", "int64", 0, 2, default=0),
        Field("error_code", "int16", 0, 2, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        low_watermark: int = 0,  # first offset of the log now
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.low_watermark = low_watermark
        self.error_code = error_code


class DeleteRecordsResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 2, default=""),
        Field("partitions", "struct", 0, 2, array=True, struct=DeleteRecordsResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[DeleteRecordsResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[DeleteRecordsResponsePartition] = [] if partitions is MISSING else partitions


class DeleteRecordsResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 21
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 2, default=0),
        Field("topics", "struct", 0, 2, array=True, struct=DeleteRecordsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[DeleteRecordsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[DeleteRecordsResponseTopic] = [] if topics is MISSING else topics
