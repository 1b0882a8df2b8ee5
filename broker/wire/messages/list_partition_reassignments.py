# Written by `python -m broker.wire.generate` from schema/46_list_partition_reassignments.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Reassignments under way."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ListPartitionReassignmentsRequest", "ListPartitionReassignmentsRequestTopic", "ListPartitionReassignmentsResponse", "ListPartitionReassignmentsResponsePartition", "ListPartitionReassignmentsResponseTopic"]


class ListPartitionReassignmentsRequestTopic(Struct):
    """Null for all."""

    __slots__ = ("name", "partition_indexes")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partition_indexes", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partition_indexes: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partition_indexes: list[int] = [] if partition_indexes is MISSING else partition_indexes


class ListPartitionReassignmentsRequest(Message):
    __slots__ = ("timeout_ms", "topics")
    API_KEY = 46
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("timeout_ms", "int32", 0, 0, default=60000),
        Field("topics", "struct", 0, 0, array=True, nullable_from=0, default=None, struct=ListPartitionReassignmentsRequestTopic),
    )

    def __init__(
        self,
        timeout_ms: int = 60000,
        topics: list[ListPartitionReassignmentsRequestTopic] | None = None,  # null for all
    ) -> None:
        self.timeout_ms = timeout_ms
        self.topics = topics


class ListPartitionReassignmentsResponsePartition(Struct):
    __slots__ = ("partition_index", "replicas", "adding_replicas", "removing_replicas")
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
        Field("replicas", "int32", 0, 0, array=True),
        Field("adding_replicas", "int32", 0, 0, array=True),
        Field("removing_replicas", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        partition_index: int = 0,
        replicas: list[int] = MISSING,
        adding_replicas: list[int] = MISSING,
        removing_replicas: list[int] = MISSING,
    ) -> None:
        self.partition_index = partition_index
        self.replicas: list[int] = [] if replicas is MISSING else replicas
        self.adding_replicas: list[int] = [] if adding_replicas is MISSING else adding_replicas
        self.removing_replicas: list[int] = [] if removing_replicas is MISSING else removing_replicas


class ListPartitionReassignmentsResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=ListPartitionReassignmentsResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[ListPartitionReassignmentsResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[ListPartitionReassignmentsResponsePartition] = [] if partitions is MISSING else partitions


class ListPartitionReassignmentsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "topics")
    API_KEY = 46
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
        Field("topics", "struct", 0, 0, array=True, struct=ListPartitionReassignmentsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        topics: list[ListPartitionReassignmentsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.topics: list[ListPartitionReassignmentsResponseTopic] = [] if topics is MISSING else topics
