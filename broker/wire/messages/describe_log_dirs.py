# Written by `python -m broker.wire.generate` from schema/35_describe_log_dirs.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Log directories of the receiver and the sizes of their replicas. v3 adds an error of its own, v4 disk sizes."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeLogDirsRequest", "DescribeLogDirsRequestTopic", "DescribeLogDirsResponse", "DescribeLogDirsResponsePartition", "DescribeLogDirsResponseResult", "DescribeLogDirsResponseTopic"]


class DescribeLogDirsRequestTopic(Struct):
    """Null for all."""

    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 4, default=""),
        Field("partitions", "int32", 0, 4, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class DescribeLogDirsRequest(Message):
    __slots__ = ("topics",)
    API_KEY = 35
    VERSIONS = (0, 4)
    FLEXIBLE = 2
    FIELDS = (
        Field("topics", "struct", 0, 4, array=True, nullable_from=0, struct=DescribeLogDirsRequestTopic),
    )

    def __init__(
        self,
        topics: list[DescribeLogDirsRequestTopic] | None = MISSING,  # null for all
    ) -> None:
        self.topics: list[DescribeLogDirsRequestTopic] | None = [] if topics is MISSING else topics


class DescribeLogDirsResponsePartition(Struct):
    __slots__ = ("partition_index", "partition_size", "offset_lag", "is_future_key")
    FIELDS = (
        Field("partition_index", "int32", 0, 4, default=0),
        Field("partition_size", "int64", 0, 4, default=0),
        Field("offset_lag", "int64", 0, 4, default=0),
        Field("is_future_key", "bool", 0, 4, default=False),
    )

    def __init__(
        self,
        partition_index: int = 0,
        partition_size: int = 0,
        offset_lag: int = 0,  # behind the high watermark, or behind the replica it replaces
        is_future_key: bool = False,  # a copy that will replace the current replica
    ) -> None:
        self.partition_index = partition_index
        self.partition_size = partition_size
        self.offset_lag = offset_lag
        self.is_future_key = is_future_key


class DescribeLogDirsResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 4, default=""),
        Field("partitions", "struct", 0, 4, array=True, struct=DescribeLogDirsResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[DescribeLogDirsResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[DescribeLogDirsResponsePartition] = [] if partitions is MISSING else partitions


class DescribeLogDirsResponseResult(Struct):
    __slots__ = ("error_code", "log_dir", "topics", "total_bytes", "usable_bytes")
    FIELDS = (
        Field("error_code", "int16", 0, 4, default=0),
        Field("log_dir", "string", 0, 4, default=""),
        Field("topics", "struct", 0, 4, array=True, struct=DescribeLogDirsResponseTopic),
        Field("total_bytes", "int64", 4, 4, default=-1, ignorable=True),
        Field("usable_bytes", "int64", 4, 4, default=-1, ignorable=True),
    )

    def __init__(
        self,
        error_code: int = 0,
        log_dir: str = "",
        topics: list[DescribeLogDirsResponseTopic] = MISSING,
        total_bytes: int = -1,
        usable_bytes: int = -1,
    ) -> None:
        self.error_code = error_code
        self.log_dir = log_dir
        self.topics: list[DescribeLogDirsResponseTopic] = [] if topics is MISSING else topics
        self.total_bytes = total_bytes
        self.usable_bytes = usable_bytes


class DescribeLogDirsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "results")
    API_KEY = 35
    VERSIONS = (0, 4)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 4, default=0),
        Field("error_code", "int16", 3, 4, default=0, ignorable=True),
        Field("results", "struct", 0, 4, array=True, struct=DescribeLogDirsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        results: list[DescribeLogDirsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.results: list[DescribeLogDirsResponseResult] = [] if results is MISSING else results
