# Written by `python -m broker.wire.generate` from schema/43_elect_leaders.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Elects preferred leaders (type 0) or, uncleanly, any live replica (1). v0 knows the first kind only."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ElectLeadersRequest", "ElectLeadersRequestTopic", "ElectLeadersResponse", "ElectLeadersResponsePartition", "ElectLeadersResponseTopic"]


class ElectLeadersRequestTopic(Struct):
    """Null for all."""

    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 2, default=""),
        Field("partitions", "int32", 0, 2, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ElectLeadersRequest(Message):
    __slots__ = ("election_type", "topic_partitions", "timeout_ms")
    API_KEY = 43
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("election_type", "int8", 1, 2, default=0),
        Field("topic_partitions", "struct", 0, 2, array=True, nullable_from=0, struct=ElectLeadersRequestTopic),
        Field("timeout_ms", "int32", 0, 2, default=60000),
    )

    def __init__(
        self,
        election_type: int = 0,  # 0 preferred, 1 unclean
        topic_partitions: list[ElectLeadersRequestTopic] | None = MISSING,  # null for all
        timeout_ms: int = 60000,
    ) -> None:
        self.election_type = election_type
        self.topic_partitions: list[ElectLeadersRequestTopic] | None = [] if topic_partitions is MISSING else topic_partitions
        self.timeout_ms = timeout_ms


class ElectLeadersResponsePartition(Struct):
    __slots__ = ("partition_id", "error_code", "error_message")
    FIELDS = (
        Field("partition_id", "int32", 0, 2, default=0),
        Field("error_code", "int16", 0, 2, default=0),
        Field("error_message", "string", 0, 2, nullable_from=0, default=""),
    )

    def __init__(
        self,
        partition_id: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.partition_id = partition_id
        self.error_code = error_code
        self.error_message = error_message


class ElectLeadersResponseTopic(Struct):
    __slots__ = ("topic", "partition_result")
    FIELDS = (
        Field("topic", "string", 0, 2, default=""),
        Field("partition_result", "struct", 0, 2, array=True, struct=ElectLeadersResponsePartition),
    )

    def __init__(
        self,
        topic: str = "",
        partition_result: list[ElectLeadersResponsePartition] = MISSING,
    ) -> None:
        self.topic = topic
        self.partition_result: list[ElectLeadersResponsePartition] = [] if partition_result is MISSING else partition_result


class ElectLeadersResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "replica_election_results")
    API_KEY = 43
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 2, default=0),
        Field("error_code", "int16", 1, 2, default=0),
        Field("replica_election_results", "struct", 0, 2, array=True, struct=ElectLeadersResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        replica_election_results: list[ElectLeadersResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.replica_election_results: list[ElectLeadersResponseTopic] = [] if replica_election_results is MISSING else replica_election_results
