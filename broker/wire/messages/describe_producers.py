# Written by `python -m broker.wire.generate` from schema/61_describe_producers.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Idempotent and transactional producers of partitions that the receiver leads."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeProducersRequest", "DescribeProducersRequestTopic", "DescribeProducersResponse", "DescribeProducersResponsePartition", "DescribeProducersResponseProducer", "DescribeProducersResponseTopic"]


class DescribeProducersRequestTopic(Struct):
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


class DescribeProducersRequest(Message):
    __slots__ = ("topics",)
    API_KEY = 61
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("topics", "struct", 0, 0, array=True, struct=DescribeProducersRequestTopic),
    )

    def __init__(
        self,
        topics: list[DescribeProducersRequestTopic] = MISSING,
    ) -> None:
        self.topics: list[DescribeProducersRequestTopic] = [] if topics is MISSING else topics


class DescribeProducersResponseProducer(Struct):
    __slots__ = ("producer_id", "producer_epoch", "last_sequence", "last_timestamp", "coordinator_epoch", "current_txn_start_offset")
    FIELDS = (
        Field("producer_id", "int64", 0, 0, default=0),
        Field("producer_epoch", "int32", 0, 0, default=0),
        Field("last_sequence", "int32", 0, 0, default=-1),
        Field("last_timestamp", "int64", 0, 0, default=-1),
        Field("coordinator_epoch", "int32", 0, 0, default=0),
        Field("current_txn_start_offset", "int64", 0, 0, default=-1),
    )

    def __init__(
        self,
        producer_id: int = 0,
        producer_epoch: int = 0,
        last_sequence: int = -1,
        last_timestamp: int = -1,
        coordinator_epoch: int = 0,
        current_txn_start_offset: int = -1,  # -1 for no open transaction
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.last_sequence = last_sequence
        self.last_timestamp = last_timestamp
        self.coordinator_epoch = coordinator_epoch
        self.current_txn_start_offset = current_txn_start_offset


class DescribeProducersResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code", "error_message", "active_producers")
    FIELDS = (
        Field("partition_index", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=None),
        Field("active_producers", "struct", 0, 0, array=True, struct=DescribeProducersResponseProducer),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
        error_message: str | None = None,
        active_producers: list[DescribeProducersResponseProducer] = MISSING,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.error_message = error_message
        self.active_producers: list[DescribeProducersResponseProducer] = [] if active_producers is MISSING else active_producers


class DescribeProducersResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("partitions", "struct", 0, 0, array=True, struct=DescribeProducersResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[DescribeProducersResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[DescribeProducersResponsePartition] = [] if partitions is MISSING else partitions


class DescribeProducersResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 61
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("topics", "struct", 0, 0, array=True, struct=DescribeProducersResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[DescribeProducersResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[DescribeProducersResponseTopic] = [] if topics is MISSING else topics
