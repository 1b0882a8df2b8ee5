# Written by `python -m broker.wire.generate` from schema/34_alter_replica_log_dirs.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Moves replicas to other log directories of the receiver."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AlterReplicaLogDirsRequest", "AlterReplicaLogDirsRequestDir", "AlterReplicaLogDirsRequestTopic", "AlterReplicaLogDirsResponse", "AlterReplicaLogDirsResponsePartition", "AlterReplicaLogDirsResponseTopic"]


class AlterReplicaLogDirsRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 2, default=""),
        Field("partitions", "int32", 0, 2, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class AlterReplicaLogDirsRequestDir(Struct):
    __slots__ = ("path", "topics")
    FIELDS = (
        Field("path", "string", 0, 2, default=""),
        Field("topics", "struct", 0, 2, array=True, struct=AlterReplicaLogDirsRequestTopic),
    )

    def __init__(
        self,
        path: str = "",
        topics: list[AlterReplicaLogDirsRequestTopic] = MISSING,
    ) -> None:
        self.path = path
        self.topics: list[AlterReplicaLogDirsRequestTopic] = [] if topics is MISSING else topics


class AlterReplicaLogDirsRequest(Message):
    __slots__ = ("dirs",)
    API_KEY = 34
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("dirs", "struct", 0, 2, array=True, struct=AlterReplicaLogDirsRequestDir),
    )

    def __init__(
        self,
        dirs: list[AlterReplicaLogDirsRequestDir] = MISSING,
    ) -> None:
        self.dirs: list[AlterReplicaLogDirsRequestDir] = [] if dirs is MISSING else dirs


class AlterReplicaLogDirsResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 2, default=0),
        Field("error_code", "int16", 0, 2, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code


class AlterReplicaLogDirsResponseTopic(Struct):
    __slots__ = ("topic_name", "partitions")
    FIELDS = (
        Field("topic_name", "string", 0, 2, default=""),
        Field("partitions", "struct", 0, 2, array=True, struct=AlterReplicaLogDirsResponsePartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        partitions: list[AlterReplicaLogDirsResponsePartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.partitions: list[AlterReplicaLogDirsResponsePartition] = [] if partitions is MISSING else partitions


class AlterReplicaLogDirsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 34
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 2, default=0),
        Field("results", "struct", 0, 2, array=True, struct=AlterReplicaLogDirsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[AlterReplicaLogDirsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[AlterReplicaLogDirsResponseTopic] = [] if results is MISSING else results
