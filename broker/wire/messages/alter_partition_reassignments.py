# Written by `python -m broker.wire.generate` from schema/45_alter_partition_reassignments.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Starts, changes or cancels reassignments of replicas, at the controller."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AlterPartitionReassignmentsRequest", "AlterPartitionReassignmentsRequestPartition", "AlterPartitionReassignmentsRequestTopic", "AlterPartitionReassignmentsResponse", "AlterPartitionReassignmentsResponsePartition", "AlterPartitionReassignmentsResponseTopic"]


class AlterPartitionReassignmentsRequestPartition(Struct):
    __slots__ = ("partition_index", "replicas")
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
        Field("replicas", "int32", 0, 0, array=True, nullable_from=0, default=None),
    )

    def __init__(
        self,
        partition_index: int = 0,
        replicas: list[int] | None = None,  # null cancels
    ) -> None:
        self.partition_index = partition_index
        self.replicas = replicas


class AlterPartitionReassignmentsRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=AlterPartitionReassignmentsRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[AlterPartitionReassignmentsRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[AlterPartitionReassignmentsRequestPartition] = [] if partitions is MISSING else partitions


class AlterPartitionReassignmentsRequest(Message):
    __slots__ = ("timeout_ms", "topics")
    API_KEY = 45
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("timeout_ms", "int32", 0, 0, default=60000),
        Field("topics", "struct", 0, 0, array=True, struct=AlterPartitionReassignmentsRequestTopic),
    )

    def __init__(
        self,
        timeout_ms: int = 60000,
        topics: list[AlterPartitionReassignmentsRequestTopic] = MISSING,
    ) -> None:
        self.timeout_ms = timeout_ms
        self.topics: list[AlterPartitionReassignmentsRequestTopic] = [] if topics is MISSING else topics


class AlterPartitionReassignmentsResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code", "error_message")
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.error_message = error_message


class AlterPartitionReassignmentsResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=AlterPartitionReassignmentsResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[AlterPartitionReassignmentsResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[AlterPartitionReassignmentsResponsePartition] = [] if partitions is MISSING else partitions


class AlterPartitionReassignmentsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "responses")
    API_KEY = 45
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
        Field("responses", "struct", 0, 0, array=True, struct=AlterPartitionReassignmentsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        responses: list[AlterPartitionReassignmentsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.responses: list[AlterPartitionReassignmentsResponseTopic] = [] if responses is MISSING else responses
